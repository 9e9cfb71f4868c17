"""The public Python API of imports: files of another tool converted, its history taken over with proof."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import field, replace
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

from dbmigrate.api import old_table, proof_values
from dbmigrate.api.drift import MIGRATIONS_SCOPE, Building, Comparer, Drift, replayed
from dbmigrate.catalog import Change
from dbmigrate.connection import database
from dbmigrate.errors import MigrationFileError, PlanError, Refused, unchanged
from dbmigrate.frozen import frozen
from dbmigrate.importing import read_source, recognise, records, writing
from dbmigrate.importing.convert import Conversion, MissingDown, convert, settled
from dbmigrate.importing.lost_files import written_back
from dbmigrate.importing.records import Dirty, Record
from dbmigrate.importing.values import Answers, SourceFile, State
from dbmigrate.migrations import find, parser, variables
from dbmigrate.model import Action, Direction, LogKind, MigrationFile, Order, Place, Plan, Problem, Step
from dbmigrate.planning import repeatables
from dbmigrate.scratch import outside_effects
from dbmigrate.tracking import read_history, read_repeatables, value_hashes
from dbmigrate.tracking.write_log import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from dbmigrate.api.drift import Picture
    from dbmigrate.api.old_table import OldHistory
    from dbmigrate.execution.session import Session
    from dbmigrate.importing.values import Row, Source, Tool
    from dbmigrate.model import History, Migration
    from dbmigrate.scratch.choose import Choice, ScratchServer
    from dbmigrate.tracking.old_history import Taken

__all__ = ["TABLE", "Adoption", "Dirty", "Imported", "Importer", "MissingDown", "Wanted", "read", "write"]

TABLE = "dbmigrate_migrations"  # where another tool has taken the usual name
_LAST = "9" * 30  # repeatable migrations run after all others
_COMMAND = "import"
_UNBUILDABLE = "E260"


@frozen
class Wanted:
    """What is imported, and into which migrations directory. `order` is the project's."""

    source: str
    directory: str
    tool: str | None = None
    answers: Answers = field(default_factory=Answers)
    missing_down: MissingDown = MissingDown.IRREVERSIBLE
    order: Order = Order.NAME


@frozen
class Adoption:
    """How the old history is taken over.

    `table` is its name where the tool's usual one is not meant; `renames` allows another tracking table where the usual
    name is taken. `accepted` is why differences are right. `service` is one of several that share the database: what no
    migration of it makes is another one's. `is_dry` leaves files and records as they are.
    """

    choice: Choice
    table: str | None = None
    dirty: Dirty | None = None
    accepted: str | None = None
    service: str | None = None
    renames: bool = False
    is_dry: bool = False


@frozen
class Imported:
    """What an import did, or would do.

    `settings` belong in the project file. `records` say of each file what the old table says; they are empty without
    ``--history``. `adopted` are the versions that were recorded now, `lost` rows that no file is there for.
    """

    conversion: Conversion
    settings: Mapping[str, str] = field(default_factory=dict)
    records: tuple[Record, ...] = ()
    adopted: tuple[str, ...] = ()
    lost: tuple[Row, ...] = ()
    verified: int = 0
    table: str = ""
    drift: Drift | None = None
    notes: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()


def read(wanted: Wanted) -> Imported:
    """Convert the files alone; nothing is written. Raises ConfigError E283 to E289, MigrationFileError."""
    source = _source(wanted)
    tool = recognise.choose(source, named=wanted.tool)
    return _converted(wanted, source, tool, ())


def write(imported: Imported) -> None:
    """Write the new files. Raises ConfigError E207."""
    writing.write(imported.conversion)


def _source(wanted: Wanted) -> Source:
    found = read_source.read(wanted.source, wanted.answers.skip)
    known = {file.path for file in found.files}
    extra = [
        SourceFile(path, read_source.content(path)) for path in wanted.answers.sql_of.values() if path not in known
    ]
    return replace(found, files=(*found.files, *extra))


def _converted(wanted: Wanted, source: Source, tool: Tool, rows: Sequence[Row]) -> Imported:
    present = writing.present(wanted.directory)
    try:
        reading = tool.read(source, wanted.answers)
        if rows:
            reading = settled(reading, lambda migration: any(tool.matches(migration, row) for row in rows))
            reading = written_back(tool, reading, rows, wanted.answers)
        made = convert(tool.name, source, reading, present=present, style=(wanted.missing_down, wanted.order))
    except MigrationFileError as exc:
        _name_the_way_out(exc, source)
        raise
    settings = {"version-order": Order.NUMERIC.value} if made.order is not wanted.order else {}
    return Imported(made, settings)


def _name_the_way_out(exc: MigrationFileError, source: Source) -> None:
    if exc.place is None or "--skip" in (exc.hint or ""):
        return
    path = exc.place.path.removeprefix(f"{source.directory.rstrip('/')}/").removesuffix(" (converted)")
    if any(file.path == path for file in source.files):
        exc.hint = f"{exc.hint}; or leave the file out: --skip {path}" if exc.hint else f"leave it out: --skip {path}"


class Importer(Comparer):
    """Takes the history of another tool over. The old table is only read."""

    _old: OldHistory | None = None

    def adopt(self, wanted: Wanted, adoption: Adoption, write: Callable[[Imported], None]) -> Imported:
        """Convert the files, prove that they are what made the database, write them, record what is applied.

        `write` writes files and settings when all is proven. Raises what `read` raises; ConfigError E286; Refused E723
        (the catalog differs), E724 (the old tool has recorded a failure), E725 (other checksums); LockNotAcquired E601:
        it is running.
        """
        source = _source(wanted)
        reach = old_table.Reach(self._dsn, self._options.table, self._options.lock_wait, self._on_event)
        with old_table.look(reach, wanted, adoption, source) as old:
            imported = _converted(wanted, source, old.tool, old.rows)
            return self._beside_the_old(old, imported, adoption, write)

    # -- how

    def _beside_the_old(
        self, old: OldHistory, imported: Imported, adoption: Adoption, write: Callable[[Imported], None]
    ) -> Imported:
        """With the name of the tracking table and the order that the files need."""
        if old.is_taken:
            imported = replace(imported, settings={**imported.settings, "migrations-table": TABLE})
        options = replace(
            self._options,
            table=TABLE if old.is_taken else self._options.table,
            policy=replace(self._options.policy, order=imported.conversion.order),
        )
        there = Importer(self._dsn, options, on_event=self._on_event)
        there._old = old
        return there._adopt(imported, adoption, write)

    def _adopt(self, imported: Imported, adoption: Adoption, write: Callable[[Imported], None]) -> Imported:
        old, conversion = self._known, imported.conversion
        lost = records.without_file(old.tool, conversion, old.rows)
        found = records.of_rows(old.tool, conversion, old.rows)
        own = self._own(conversion)
        found = records.since(found, applied=own.applied, adopted=own.adopted)
        found = records.refuse_failed(found, lost, adoption.dirty)
        others = records.refuse_other_sums(old.tool, found, adoption.accepted)
        try:
            drift = self._proved(_Rehearsal(conversion, found, own.runs), adoption)
        except Refused as exc:
            exc.details = (*exc.details, *(("note", each) for each in records.about_lost(old.tool, lost)))
            raise
        notes = [f"{each.file.migration.path} is not what ran: its checksum differs" for each in others]
        notes += records.about_lost(old.tool, lost)
        notes += [
            f"{each.file.migration.path} is recorded by {old.tool.name} without having been run"
            for each in found
            if each.state is State.MARKED
        ]
        verified = sum(
            1 for each in found if each.counts and each.row and old.tool.verifies(each.file.migration, each.row)
        )
        imported = replace(
            imported,
            records=found,
            lost=lost,
            verified=verified,
            table=f"{old.table.schema}.{old.table.name}",
            drift=drift,
            notes=tuple(notes),
        )
        return imported if adoption.is_dry else self._record(imported, write)

    @property
    def _known(self) -> OldHistory:
        assert self._old is not None
        return self._old

    def _taken(self, session: Session) -> Taken:
        if self._old is None:
            return super()._taken(session)
        before = super()._taken(session)
        mine = self._old.taken
        return replace(mine, tables=mine.tables | before.tables, schemas=mine.schemas | before.schemas)

    def _own(self, conversion: Conversion) -> _Own:
        """What this project has recorded so far: of an earlier import, and since."""
        with self._open(_COMMAND, self._dsn) as session, database.translated(self._dsn):
            applied = frozenset(item.version for item in session.read_history().applied)
            adopted = read_history.adopted(session.conn, session.tables)
        names = {file.name for file in conversion.files}
        with suppress(PlanError):  # there is no directory yet
            mine = find.find(self._options.directories, self._options.order)
            others = [file for file in mine if file.version in applied and file.name not in names]
            return _Own(applied, adopted, tuple(_Run(each.version, each.name, _text(each.path)) for each in others))
        return _Own(applied, adopted)

    # -- the proof

    def _proved(self, rehearsal: _Rehearsal, adoption: Adoption) -> Drift | None:
        """How the database differs from what its files make; None where that cannot be found out, and is accepted.

        Raises Refused E723 where nobody has accepted that.
        """
        counting = [each for each in rehearsal.records if each.counts]
        ran = [each for each in counting if each.state is not State.MARKED]
        try:
            drift = self._compared(rehearsal, ran, adoption)
            if drift.differences and len(ran) < len(counting):
                # what was recorded without being run may have been made by hand: the catalog decides
                other = self._compared(rehearsal, counting, adoption)
                drift = drift if other.differences else other
        except PlanError as exc:
            if exc.code != _UNBUILDABLE:
                raise
            if adoption.accepted is None:
                raise _unproven(exc) from exc
            self._warn((Problem("W690", f"the history is taken over without a proof: {exc.message}"),))
            return None
        if adoption.service is not None:
            drift = _without_others(drift)
        if drift.differences and adoption.accepted is None:
            raise _differing(drift, self._known.tool.name)
        return drift

    def _compared(self, rehearsal: _Rehearsal, ran: Sequence[Record], adoption: Adoption) -> Drift:
        runs = [*rehearsal.others, *(_run(each, place) for place, each in enumerate(ran))]
        with TemporaryDirectory(prefix="dbmigrate-import-") as folder:
            stored = [_stored(folder, each) for each in runs]
            proof_values.refuse_missing(
                [variables.bound(each, self._variables) for each in stored], rehearsal.conversion.directory
            )
            migrations = [variables.bound(each, self._variables.for_scratch()) for each in stored]
            bench = Importer(self._dsn, replace(self._options, directories=(folder,)), on_event=self._on_event)
            bench._old = self._old

            def replay(live: Picture) -> Building:
                def make(server: ScratchServer, copy: Comparer) -> None:
                    replayed(server, copy, migrations)

                return Building(make, outside_effects.of_all(migrations), needs_platform=True)

            try:
                live, expected = bench._beside(adoption.choice, replay)
            except PlanError as exc:
                if exc.place is not None:
                    exc.place = Place(_within(exc.place.path, folder, rehearsal.conversion.directory), *_at(exc.place))
                raise
        return self._drift("the migrations", expected, live, scope=MIGRATIONS_SCOPE)

    # -- the records

    def _record(self, imported: Imported, write: Callable[[Imported], None]) -> Imported:
        by_version = {_key(each): each for each in imported.records if each.counts}

        with self._open(_COMMAND, self._dsn) as session:
            database.refuse_shared_session(session.facts, "an import records under a lock of its session")

            def prepare() -> tuple[Plan, History]:
                recorded = session.read_history()
                run = read_repeatables.newest(session.conn, session.tables)
                new = [each for key, each in by_version.items() if key not in recorded and key not in run]
                steps = tuple(_step(each, imported.conversion.directory) for each in new)
                return self._hashed(Plan(steps), recorded), recorded

            planned, _ = self._settled(session, prepare)
            if self._known.lock is not None:
                self._known.lock.refuse_lost()
            if planned.steps:
                session.ensure_tables()  # a role that may not make them is reported before anything is written
            write(imported)
            if planned.steps:
                self._write_records(session, planned, by_version)
            _, problems = self._refresh(session, planned.steps) if planned.steps else (None, ())
        adopted = tuple(step.version for step in planned.steps if step.log_kind is LogKind.ADOPT)
        return replace(imported, adopted=adopted, problems=problems)

    def _write_records(self, session: Session, planned: Plan, by_version: Mapping[str, Record]) -> None:
        """All of them in one transaction, each with the time and the user that the old table has."""
        old, run = self._known, session.run
        script = []
        for step in planned.steps:
            row = by_version[step.version].row
            by = row.applied_by if row and row.applied_by else run.os_user
            details = old.details(by_version[step.version]) | self._proved_values(run.run_id, step)
            writer = Writer(session.tables, replace(run, os_user=by))
            script.append(writer.adopted(step, row.applied_at if row else None, details))
        try:
            with database.translated(session.dsn):
                database.run(session.conn, f"BEGIN READ WRITE;\n{''.join(script)}COMMIT;")
        finally:
            session.abort()

    def _proved_values(self, run_id: str, step: Step) -> dict[str, object]:
        """Hashes of the values that the proof has taken: a rollback with others would undo something else."""
        bound = variables.bound(step.migration, self._variables).bound if step.migration else None
        return {} if bound is None else {value_hashes.KEY: value_hashes.hashes(run_id, step, bound)}


class _Run(NamedTuple):
    """A file for the scratch database."""

    version: str
    name: str
    text: str


class _Own(NamedTuple):
    """What this project has recorded; `runs` are applied files that no import has made."""

    applied: frozenset[str]
    adopted: frozenset[str]
    runs: tuple[_Run, ...] = ()


class _Rehearsal(NamedTuple):
    """What the proof is about."""

    conversion: Conversion
    records: Sequence[Record]
    others: Sequence[_Run]


def _run(record: Record, place: int) -> _Run:
    """A repeatable migration is one that comes last."""
    file = record.file
    if file.version:
        return _Run(file.version, file.name, file.text)
    text = f"{file.text.replace('migrate:repeatable', 'migrate:up', 1)}\n-- migrate:down\n"
    version = f"{_LAST}{place:06}"
    return _Run(version, f"{version}_{os.path.basename(file.name)}", text)


def _stored(folder: str, run: _Run) -> Migration:
    path = os.path.join(folder, run.name)
    with open(path, "w", encoding="utf-8", newline="") as stream:
        stream.write(run.text)
    return parser.read(MigrationFile(run.version, run.name, path), (Direction.UP,))


def _text(path: str) -> str:
    return read_source.decoded(SourceFile(path, read_source.content(path)))


def _key(record: Record) -> str:
    """What the log knows a file by: its version, or the name of a repeatable one."""
    return record.file.version or os.path.basename(record.file.name)


def _step(record: Record, directory: str) -> Step:
    file = record.file
    place = MigrationFile(_key(record), file.name, os.path.join(directory, file.name), is_repeatable=not file.version)
    migration = parser.read_text(place, file.text)
    if place.is_repeatable:
        return repeatables.record(migration)
    return Step(file.version, file.name, Direction.UP, Action.RECORD, migration, kind=LogKind.ADOPT)


def _within(path: str, folder: str, directory: str) -> str:
    return os.path.join(directory, os.path.relpath(path, folder)) if path.startswith(folder) else path


def _at(place: Place) -> tuple[int, int]:
    return place.line, place.column


def _unproven(exc: PlanError) -> Refused:
    """The applied files do not even run one after the other."""
    error = Refused(
        f"the migrations that are recorded as applied do not run on an empty database: {exc.message}",
        code="E723",
        hint="mend the file, or leave it out with --skip; if they are right as they are: --accept-drift REASON",
        place=exc.place,
        excerpt=exc.excerpt,
        details=exc.details,
        sqlstate=exc.sqlstate,
    )
    return unchanged(error)


def _without_others(drift: Drift) -> Drift:
    """Without what only the database has: another service made it, or nobody knows who."""
    others = [each for each in drift.differences if each.change is Change.EXTRA]
    left = tuple(each for each in drift.differences if each.change is not Change.EXTRA)
    notes = [f"{each.headline}: it may be another service's" for each in others]
    return replace(drift, differences=left, notes=(*drift.notes, *notes))


def _differing(drift: Drift, tool: str) -> Refused:
    listed = tuple(("difference", each.sentence) for each in drift.differences)
    number = len(drift.differences)
    error = Refused(
        f"the database is not what the migrations that {tool} has recorded make:"
        f" {number} {'difference' if number == 1 else 'differences'}",
        code="E723",
        hint="mend the database or the files, and import again; if the differences are right: --accept-drift REASON",
    )
    error.details = listed
    return unchanged(error)
