"""Flyway: ``V1__x.sql``, ``U1__x.sql``, ``R__x.sql``, their ``.conf`` files, placeholders, and flyway_schema_history.

Names: ResourceNameParser.java, scripts' settings: SqlScriptMetadata.java, sums: ChecksumCalculator.java, of Flyway 13.
"""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING, NamedTuple

from dbmigrate.errors import MigrationFileError
from dbmigrate.importing import variables
from dbmigrate.importing.flyway_history import FlywayHistory, version_key
from dbmigrate.importing.flyway_settings import (
    Placeholders,
    ScriptSettings,
    Settings,
    project_settings,
    script_settings,
)
from dbmigrate.importing.read_source import decoded
from dbmigrate.importing.values import ForeignMigration, Judgement, Kind, Part, Reading, SourceFile
from dbmigrate.migrations import plain_sql
from dbmigrate.model import Place, StatementKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from dbmigrate.importing.values import Answers, Source

__all__ = ["TOOL", "Flyway", "crc32"]

_VERSION = re.compile(r"[0-9]+(?:[._][0-9]+)*").fullmatch
_FOUND = re.compile(r"(?:.*/)?(?:[VUB][0-9]+(?:[._][0-9]+)*__.*|R__.*)\.(?i:sql)", re.DOTALL).fullmatch
_CALLBACK = re.compile(
    r"(?:before|after)(?:Each)?(?:Migrate|Clean|Validate|Undo|Repair|Info|Baseline|Connect|CreateSchema|Versioned"
    r"|Repeatables|Version)\w*\.sql"
).fullmatch
_CODE = (".java", ".kt", ".class", ".py", ".ps1", ".sh", ".bash", ".cmd", ".bat")
_CRC_BITS = 1 << 31


class _Script(NamedTuple):
    """A file by what its name says."""

    file: SourceFile
    prefix: str
    version: str
    description: str


class _Text(NamedTuple):
    """A script's text before and after placeholders, and what was decided about it."""

    raw: str
    sql: str
    transaction: bool
    judgements: tuple[Judgement, ...]


class Flyway(FlywayHistory):
    """Flyway's projects."""

    @property
    def name(self) -> str:
        return "flyway"

    def recognises(self, source: Source) -> bool:
        return any(_FOUND(file.path) for file in source.files)

    def read(self, source: Source, answers: Answers) -> Reading:
        return variables.settled(_Reader(source, answers).reading())


TOOL = Flyway()


def crc32(text: str) -> str:
    """Flyway's checksum of a text: CRC32 over its lines without their ends, as a signed number.

    Lines end as for Java's BufferedReader, which `str.splitlines` does not follow.
    """
    total = 0
    for line in re.split("\r\n|\r|\n", text.removeprefix("\ufeff")):
        total = zlib.crc32(line.encode(), total)
    return str(total - 2 * _CRC_BITS if total >= _CRC_BITS else total)


class _Reader:
    def __init__(self, source: Source, answers: Answers) -> None:
        self._source = source
        self._files = {file.path: file for file in source.files}
        self._settings: Settings = project_settings(source)
        self._answers = answers
        self._left_out: dict[str, str] = {}
        self._judgements: list[Judgement] = []

    def reading(self) -> Reading:
        scripts = list(self._scripts())
        undo = {version_key(each.version): each for each in scripts if each.prefix == self._settings.undo}
        versioned = [each for each in scripts if each.prefix == self._settings.versioned]
        _refuse_twins(versioned)
        made = [self._versioned(each, undo.get(version_key(each.version))) for each in versioned]
        made += self._baselines(scripts, {version_key(each.version) for each in versioned})
        migrations = sorted(filter(None, made), key=lambda each: each.sort_key)
        known = {version_key(each.version) for each in versioned}
        for key, script in undo.items():
            if key not in known:
                self._left_out[script.file.path] = f"it undoes {script.version}, which has no file"
        repeatable = [each for each in scripts if each.prefix == self._settings.repeatable]
        repeatable.sort(key=lambda each: each.description)
        migrations += filter(None, map(self._repeatable, repeatable))
        return Reading(tuple(migrations), self._left_out, tuple(self._judgements))

    # -- names

    def _scripts(self) -> Iterator[_Script]:
        for file in self._source.files:
            name = file.path.rpartition("/")[2]
            suffix = next((each for each in self._settings.suffixes if name.lower().endswith(each.lower())), None)
            if file.path in self._answers.sql_of.values():
                continue  # it stands for a file that is code
            if suffix is None:
                yield from self._code(file.path, name)
                continue
            found = self._parsed(file, name[: len(name) - len(suffix)])
            if found is not None:
                yield found
            elif _CALLBACK(name):
                self._left_out[file.path] = "a callback: nothing here runs around every migration"
            else:
                self._left_out[file.path] = "its name is none of Flyway's"

    def _code(self, path: str, name: str) -> Iterator[_Script]:
        """A migration that is a program: the SQL that was given for it, or a question."""
        found = self._parsed_name(name.rpartition(".")[0])
        if found is None or not name.lower().endswith(_CODE):
            return
        given = self._files.get(self._answers.sql_of.get(path, ""))
        if given is not None:
            yield _Script(SourceFile(path, given.content), *found)
            return
        hint = f"give the SQL that it runs, --sql {path}=FILE, or leave it out: --skip {path}"
        self._judgements.append(Judgement(f"{path} is code", hint=hint, asks=True))

    def _parsed_name(self, stem: str) -> tuple[str, str, str] | None:
        """Prefix, version (empty for repeatable ones) and description."""
        settings = self._settings
        front, separator, description = stem.partition(settings.separator)
        if front == settings.repeatable and separator:
            return settings.repeatable, "", description.replace("_", " ")
        for prefix in (settings.versioned, settings.undo, settings.baseline):
            version = front.removeprefix(prefix)
            if front.startswith(prefix) and _VERSION(version):
                return prefix, version.replace("_", "."), description.replace("_", " ")
        return None

    def _parsed(self, file: SourceFile, stem: str) -> _Script | None:
        found = self._parsed_name(stem)
        return _Script(file, *found) if found else None

    # -- migrations

    def _versioned(self, script: _Script, undo: _Script | None) -> ForeignMigration | None:
        text = self._text(script)
        if text is None:
            return None
        back = self._text(undo) if undo else None
        return ForeignMigration(
            script.version,
            script.description,
            script.file.path,
            (Part(text.sql, text.transaction),),
            (Part(back.sql, back.transaction),) if back else None,
            (0, version_key(script.version)),
            sums={} if script.file.path in self._answers.sql_of else {"crc32": crc32(text.raw)},
            judgements=(*text.judgements, *(back.judgements if back else ())),
        )

    def _baselines(self, scripts: Iterable[_Script], known: set[tuple[int, ...]]) -> Iterator[ForeignMigration]:
        """``B`` files: Flyway runs the highest one on an empty database, in place of what is not above it."""
        found = sorted(
            (each for each in scripts if each.prefix == self._settings.baseline),
            key=lambda each: version_key(each.version),
        )
        for script in found:
            key = version_key(script.version)
            if script is not found[-1] or any(other <= key for other in known):
                self._left_out[script.file.path] = "a baseline script: the versions that it stands for have files"
                continue
            migration = self._versioned(script, None)
            if migration is not None:
                judged = Judgement(f"{script.file.path} becomes an ordinary migration, the first one")
                yield ForeignMigration(
                    migration.version,
                    migration.name,
                    migration.path,
                    migration.ups,
                    None,
                    migration.sort_key,
                    Kind.BASELINE,
                    migration.sums,
                    (*migration.judgements, judged),
                )

    def _repeatable(self, script: _Script) -> ForeignMigration | None:
        text = self._text(script)
        if text is None:
            return None
        return ForeignMigration(
            "R",
            script.description,
            script.file.path,
            (Part(text.sql, text.transaction),),
            None,
            (1, script.description),
            Kind.REPEATABLE,
            # over the text after placeholders; newer versions accept the sum of the raw text as well
            {"crc32": crc32(text.sql), "crc32-raw": crc32(text.raw)},
            text.judgements,
        )

    # -- texts

    def _text(self, script: _Script) -> _Text | None:
        """None where the script is never run."""
        path = script.file.path
        own = script_settings(self._files.get(f"{path}.conf"), self._settings)
        if own.should_execute == "false":
            self._left_out[path] = "its .conf says shouldExecute=false"
            return None
        judged: list[Judgement] = []
        if own.should_execute not in (None, "true"):
            judged.append(
                Judgement(
                    f"{path} runs where {own.should_execute} is true",
                    Place(f"{path}.conf", own.line),
                    f"leave it out (--skip {path}), or take the line out of its .conf",
                    asks=True,
                )
            )
        raw = decoded(script.file, own.encoding)
        placeholders = Placeholders(self._settings, self._answers.placeholders, path)
        sql, replaced = placeholders.replaced(raw) if own.replaces else (raw, ())
        transaction = self._is_transactional(own, sql, path)
        if not transaction:
            judged.append(Judgement(f"{path} ran without a transaction: transaction:false"))
        return _Text(raw, sql, transaction, (*judged, *replaced))

    def _is_transactional(self, own: ScriptSettings, sql: str, path: str) -> bool:
        if not own.transaction or not self._settings.mixed:
            return own.transaction
        try:
            return all(each.kind is not StatementKind.OUTSIDE for each in plain_sql.split_sql(sql, path=path))
        except MigrationFileError:
            return True  # the conversion says what is wrong with it


def _refuse_twins(scripts: Sequence[_Script]) -> None:
    """Raise MigrationFileError E281 for two files of one version, as Flyway does."""
    seen: dict[tuple[int, ...], _Script] = {}
    for script in scripts:
        other = seen.setdefault(version_key(script.version), script)
        if other is not script:
            raise MigrationFileError(
                f"{other.file.path} and {script.file.path} have one version, {script.version}",
                code="E281",
                hint="Flyway refuses this too; leave one of them out with --skip",
                place=Place(script.file.path, 1),
            )
