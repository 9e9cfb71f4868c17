"""Does the schema file match the migrations? Compared as texts; where these differ, object by object."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from dbmigrate import catalog
from dbmigrate.catalog import Change, Kind, Scope
from dbmigrate.check import scratch_session
from dbmigrate.check.values import found
from dbmigrate.connection import database
from dbmigrate.errors import Error, ToolMissing
from dbmigrate.frozen import frozen
from dbmigrate.model import Place, Problem, Severity
from dbmigrate.schema import dump, file, line_ends, parts
from dbmigrate.scratch import outside_effects, running
from dbmigrate.tracking import read_history, write_log

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dbmigrate.catalog import Difference
    from dbmigrate.check.prerequisites import Ordered
    from dbmigrate.check.scratch_session import ScratchSession
    from dbmigrate.execution.session import Session
    from dbmigrate.model import Migration
    from dbmigrate.schema.parts import Title
    from dbmigrate.schema.versions import Dumping

_REMEDY = "apply the migrations, and commit the file that `dbmigrate up` or `dbmigrate dump` writes"


def effects_of(dumping: Dumping | None) -> outside_effects.Effects:
    """What loading the schema file does outside its database. If it cannot be read, `compare` reports it."""
    if dumping is None or not Path(dumping.path).is_file():
        return outside_effects.Effects.NONE
    try:
        return outside_effects.of_sql(file.read(Path(dumping.path)))
    except Error:
        return outside_effects.Effects.NONE


def compare(migrated: ScratchSession, ordered: Ordered, dumping: Dumping) -> tuple[Problem, ...]:
    """The findings about the schema file. In `migrated` all migrations were applied.

    What other services made before them is not in the file, which is loaded on top of it.
    """
    path = Path(dumping.path)
    if not path.is_file():
        message = f"there is no schema file {dumping.path}: it was not compared"
        return (found("C113", message, None, severity=Severity.NOTE),)
    if ordered.is_in_turns:
        message = f"{dumping.path} was not compared: services depend on each other in turns"
        return (found("C113", message, None, severity=Severity.NOTE),)
    own = [migration for migration in ordered.migrations if ":" not in migration.version]
    try:
        beside = _Beside.of(migrated, ordered.of_others, dumping)
        whole, written = made(migrated, own, dumping), file.read(path)
    except Error as exc:
        severity = Severity.NOTE if isinstance(exc, ToolMissing) else Severity.ERROR
        message = f"{dumping.path} was not compared: {exc.message}"
        return (found("C113", message, exc.place, severity=severity, hint=exc.hint),)
    versions = [migration.version for migration in own]
    differences = _differences(migrated, _Texts(beside.text(whole), written), versions, beside)
    return (*beside.changed(whole), *differences)


def made(
    migrated: ScratchSession, migrations: Sequence[Migration], dumping: Dumping, *, arguments: Sequence[str] = ()
) -> str:
    """The text of the schema file that `migrations` make, which were applied in `migrated`. Raises as `dump.text`."""
    versions = [migration.version for migration in migrations]
    with database.translated(migrated.dsn):
        migrated.session.reset()  # the last migration may have changed the role
        write_log.record_versions(migrated.session.conn, migrated.session.tables, versions)
    return dump.text(migrated.session, dumping, arguments=arguments)


@frozen
class _Beside:
    """The migrations of other services that run first, what they make, and how the schema file is written."""

    migrations: tuple[Migration, ...]
    made: Mapping[Title, str]
    dumping: Dumping

    @classmethod
    def of(cls, migrated: ScratchSession, migrations: tuple[Migration, ...], dumping: Dumping) -> _Beside:
        alone = cls(migrations, {}, dumping)
        if not migrations:
            return alone
        with scratch_session.bare(migrated.server, migrated.session.access.table) as session:
            running.run_all(migrated.server, session.dsn, migrations)
            return replace(alone, made=parts.texts(dump.text(session, dumping)))

    def text(self, whole: str) -> str:
        """The text of a whole database, without what the others have made."""
        return parts.without(whole, self.made) if self.made else whole

    def changed(self, whole: str) -> Iterator[Problem]:
        """What the service itself does to objects of the others, in a text of the whole database."""
        now = parts.texts(whole) if self.made else {}
        for title, before in self.made.items():
            if now.get(title) != before:
                message = f"these migrations change {title} of another service: no schema file has that change"
                hint = "let the service that owns it make the change"
                yield Problem("W740", message, Severity.NOTE, Place(self.dumping.path, 1), hint)


class _Texts(NamedTuple):
    """The text that the migrations make, and that of the file."""

    made: str
    written: str


def _differences(
    migrated: ScratchSession, texts: _Texts, versions: Sequence[str], beside: _Beside
) -> Iterator[Problem]:
    """The file is loaded in any case: pg_dump writes some schemas in a way that no server accepts.

    Two dumps by one pg_dump of one server are compared: another version may write the same differently.
    """
    dumping = beside.dumping
    place = Place(dumping.path, 1)
    is_same = texts.made.replace("\r\n", "\n") == texts.written.replace("\r\n", "\n")
    try:
        with scratch_session.bare(migrated.server, migrated.session.access.table) as session:
            running.run_all(migrated.server, session.dsn, beside.migrations)
            migrated.server.retrying(lambda: dump.apply(session, dumping.path))
            if is_same:
                yield from _line_ends(texts, place)
                return
            with scratch_session.reopened(session) as loaded:
                meant = beside.text(dump.text(loaded, dumping))
                differences = [*_objects(loaded, migrated, dumping), *_versions(loaded, versions, dumping)]
    except Error as exc:
        message = f"{dumping.path} cannot be loaded: {exc.message}"
        yield found("C105", message, exc.place or place, hint=exc.hint or _REMEDY)
        return
    if meant == texts.made:
        message = f"{dumping.path} matches the migrations, but not as pg_dump writes it for this server"
        yield found("C105", message, place, severity=Severity.NOTE)
        return
    yield from differences
    if not differences:
        yield found("C105", f"{dumping.path} does not match the migrations", place, hint=_REMEDY)


def _line_ends(texts: _Texts, place: Place) -> Iterator[Problem]:
    if texts.made != texts.written:
        message = f"{place.path} matches the migrations, but its line ends differ"
        yield found("C105", message, place, severity=Severity.NOTE, hint=line_ends.REMEDY)


def _objects(loaded: Session, migrated: ScratchSession, dumping: Dumping) -> Iterator[Problem]:
    with database.translated(loaded.dsn):
        written = catalog.read(loaded.conn, without=scratch_session.own_tables(loaded))
    for difference in catalog.compare(written, migrated.read_catalog(), scope=Scope.SCHEMA_FILE):
        is_order = difference.kind is Kind.COLUMN_ORDER
        yield found(
            "C106" if is_order else "C105",
            _message(difference, dumping.path),
            Place(dumping.path, 1),
            severity=Severity.NOTE if is_order else Severity.ERROR,
            hint=_REMEDY,
        )


def _message(difference: Difference, path: str) -> str:
    sentence = difference.sentence
    if difference.change is Change.EXTRA:
        subject, _, rest = sentence.partition(" is extra")
        return f"{subject} is not in {path}{rest}"
    if difference.change is Change.MISSING:
        subject, _, rest = sentence.partition(" is missing")
        return f"{subject} is in {path}, but no migration creates it{rest}"
    return f"{path} does not match the migrations: with them, {sentence}"


def _versions(loaded: Session, versions: Sequence[str], dumping: Dumping) -> Iterator[Problem]:
    with database.translated(loaded.dsn):
        written = read_history.versions(loaded.conn, loaded.tables)
    place = Place(dumping.path, 1)
    for version in versions:
        if version not in written:
            yield found("C105", f"version {version} is not recorded in {dumping.path}", place, hint=_REMEDY)
    for version in written:
        if version not in versions:
            yield found("C105", f"{dumping.path} records version {version}, which has no file", place, hint=_REMEDY)
