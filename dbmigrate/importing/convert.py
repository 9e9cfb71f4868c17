"""Migrations of another tool as files of our format, as text. Pure: what is there already is handed in."""

from __future__ import annotations

from dataclasses import field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from dbmigrate.errors import ConfigError, MigrationFileError
from dbmigrate.frozen import frozen
from dbmigrate.importing import versions
from dbmigrate.importing.cutting import Pieces, cut
from dbmigrate.importing.values import Judgement, Kind, Part
from dbmigrate.migrations import parser
from dbmigrate.model import MigrationFile, Order

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from dbmigrate.importing.values import ForeignMigration, Reading, Source

__all__ = ["FOLDER", "Conversion", "MissingDown", "NewFile", "Present", "convert", "origin_line", "settled"]

FOLDER = "repeatable"  # below the migrations directory
_IMPORTED = "-- imported: "


class MissingDown(StrEnum):
    """How a migration that has no down is written."""

    IRREVERSIBLE = "irreversible"
    EMPTY = "empty"


@frozen
class Present:
    """What the migrations directory holds: texts of files by name, those in the folder of repeatable ones included."""

    directory: str
    texts: Mapping[str, str]


@frozen
class NewFile:
    """A file that stands for a migration of the old tool. `name` is its path below the migrations directory.

    `is_there`: an earlier import wrote it; `text` is then what it is now, which may differ from what would be written.
    """

    migration: ForeignMigration
    version: str
    name: str
    text: str
    is_there: bool = False
    differs: bool = False


@frozen
class Conversion:
    """What becomes of an old project: files in their order, and everything that a person should know of it."""

    tool: str
    directory: str
    files: tuple[NewFile, ...]
    order: Order
    judgements: tuple[Judgement, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)


class _Style(NamedTuple):
    tool: str
    missing_down: MissingDown
    texts: Mapping[str, str]  # of the old project, by path
    versions: Mapping[str, str]  # new ones by old ones


def convert(
    tool: str, source: Source, reading: Reading, *, present: Present, style: tuple[MissingDown, Order]
) -> Conversion:
    """The files that `reading` makes. `style` is how a missing down is written, and the project's order.

    Raises ConfigError E282 (nothing to convert), E284 (something has to be answered first), E285 (another file is in
    the way), E289; MigrationFileError with the place in the old project.
    """
    _refuse_questions(reading)
    if not reading.migrations:
        raise ConfigError(f"{source.directory} holds no migration of {tool}", code="E282")
    versioned = [each for each in reading.migrations if each.kind is not Kind.REPEATABLE]
    earlier = _earlier(present)
    lines = [origin_line(tool, each) for each in versioned]
    known = {place: earlier[line] for place, line in enumerate(lines) if line in earlier}
    numbering = versions.assign(versioned, {place: _version(name) for place, name in known.items()}, style[1])
    renamed = {each.version: version for each, version in zip(versioned, numbering.versions, strict=True)}
    how = _Style(tool, style[0], {file.path: file.content.decode(errors="replace") for file in source.files}, renamed)
    made, judgements = [], [*reading.judgements]
    if numbering.rule and versioned:
        judgements.append(Judgement(numbering.rule))
    for place, (migration, version) in enumerate(zip(versioned, numbering.versions, strict=True)):
        text, judged = _text(migration, how)
        name = known.get(place) or versions.file_name(version, migration)
        made.append(_checked(NewFile(migration, version, name, text), present))
        judgements += (*migration.judgements, *judged)
    for migration in reading.migrations:
        if migration.kind is Kind.REPEATABLE:
            text, judged = _repeatable(migration, how)
            usual = f"{FOLDER}/{versions.slug(migration.name)}.sql"
            name = earlier.get(origin_line(tool, migration), usual)
            made.append(_placed(NewFile(migration, "", name, text), present))
            judgements += (*migration.judgements, *judged)
    judgements += _kept(made)
    _refuse_taken(made, present)
    return Conversion(tool, present.directory, tuple(made), numbering.order, tuple(judgements), reading.left_out)


def origin_line(tool: str, migration: ForeignMigration) -> str:
    """The first line of a converted file, by which a second import knows what it stands for."""
    return f"{_IMPORTED}{tool} {' '.join(migration.version.split())} {' '.join(migration.path.split())}"


def _earlier(present: Present) -> Mapping[str, str]:
    """The files of an earlier import, by their first lines."""
    return {
        line.strip(): name
        for name, text in present.texts.items()
        for line in text.split("\n", 2)[:2]
        if line.startswith(_IMPORTED)
    }


def _version(name: str) -> str:
    return name[: len(name) - len(name.lstrip("0123456789"))]


# ------------------------------------------------------------------------------------------------------------ refusals


def _refuse_questions(reading: Reading) -> None:
    """Raise ConfigError E284 with everything that has to be answered, in one error."""
    every = [*reading.judgements, *(each for migration in reading.migrations for each in migration.judgements)]
    asking = [each for each in every if each.asks]
    if not asking:
        return
    judged = dict.fromkeys(f"{each.place}: {each.message}" if each.place else each.message for each in asking)
    hints = dict.fromkeys(each.hint for each in asking if each.hint)
    raise ConfigError("the import needs an answer: " + "; ".join(judged), code="E284", hint="; ".join(hints) or None)


def settled(reading: Reading, is_recorded: Callable[[ForeignMigration], bool]) -> Reading:
    """Without the questions that a row of the old table answers."""
    return replace(
        reading,
        migrations=tuple(
            replace(each, judgements=tuple(_answered(judgement) for judgement in each.judgements))
            if is_recorded(each)
            else each
            for each in reading.migrations
        ),
    )


def _answered(judgement: Judgement) -> Judgement:
    return replace(judgement, asks=False, hint=None) if judgement.settled_by_row else judgement


def _placed(file: NewFile, present: Present) -> NewFile:
    """Whether it is there already. Raises ConfigError E285 if another file is."""
    there = present.texts.get(file.name)
    if there is None:
        return file
    if not _is_same(there, file.text) and file.text.partition(_IMPORTED)[2].partition("\n")[0] not in there:
        raise ConfigError(
            f"{present.directory}/{file.name} is there, and is not what {file.migration.path} becomes",
            code="E285",
            hint="it is left as it is: move it away, import into another directory (-d), or leave the old file out"
            f" (--skip {file.migration.path})",
        )
    return NewFile(
        file.migration, file.version, file.name, there, is_there=True, differs=not _is_same(there, file.text)
    )


def _is_same(there: str, text: str) -> bool:
    return there.removeprefix("\ufeff").replace("\r\n", "\n") == text.replace("\r\n", "\n")


def _kept(files: Iterable[NewFile]) -> list[Judgement]:
    """Files of an earlier import that somebody has edited since, or whose old file was."""
    return [
        Judgement(f"{file.name} is there and differs from what {file.migration.path} becomes now: it is kept")
        for file in files
        if file.differs
    ]


def _refuse_taken(files: Iterable[NewFile], present: Present) -> None:
    """Raise ConfigError E285 where a version would be there twice."""
    names = {file.name for file in files}
    taken = {_version(name): name for name in present.texts if "/" not in name and name not in names and _version(name)}
    for file in files:
        if file.version and file.version in taken:
            raise ConfigError(
                f"{present.directory}/{taken[file.version]} has version {file.version} already, which"
                f" {file.migration.path} would get",
                code="E285",
                hint="import into a directory of its own, as with `-d db/migrations`",
            )


def _checked(file: NewFile, present: Present) -> NewFile:
    """What our own parser says of it. Raises MigrationFileError."""
    found = _placed(file, present)
    try:
        parser.read_text(MigrationFile(file.version, file.name, f"{file.migration.path} (converted)"), found.text)
    except MigrationFileError as exc:
        exc.hint = f"{exc.hint}; or leave the file out: --skip {file.migration.path}" if exc.hint else exc.hint
        raise
    return found


# --------------------------------------------------------------------------------------------------------------- texts


def _text(migration: ForeignMigration, how: _Style) -> tuple[str, list[Judgement]]:
    ups, judged = _cut(migration.ups, migration, how)
    downs, more = _cut(migration.downs or (), migration, how)
    judged += more
    if migration.downs is None:
        as_what = "irreversible:true" if how.missing_down is MissingDown.IRREVERSIBLE else "an empty one"
        judged.append(Judgement(f"{migration.path} has no down: {as_what} (--missing-down)"))
    number = max(len(ups), len(downs), 1)
    padded = [*[None] * (number - len(ups)), *ups]  # downs run from the last pair
    lines = [f"{origin_line(how.tool, migration)}\n"]
    if depends := [how.versions[each] for each in migration.depends if each in how.versions]:
        lines.append(f"-- migrate:depends {', '.join(depends)}\n")
    if migration.variables:
        lines.append(f"-- migrate:vars {', '.join(migration.variables)}\n")
    if migration.require is not None:
        lines.append(f"-- migrate:require {migration.require}\n")
    for place, up in enumerate(padded):
        lines.append(_section("up", up))
        at = number - 1 - place
        lines.append(_section("down", downs[at]) if at < len(downs) else _no_down(migration, how, is_last=at == 0))
    return "".join(lines).rstrip("\n") + "\n", judged


def _section(direction: str, part: Part | None) -> str:
    option = " transaction:false" if part is not None and not part.transaction else ""
    sql = part.sql if part is not None else ""
    return f"-- migrate:{direction}{option}\n{sql}{'' if sql.endswith(chr(10)) or not sql else chr(10)}\n"


def _no_down(migration: ForeignMigration, how: _Style, *, is_last: bool) -> str:
    if migration.downs is not None or not is_last:
        return "-- migrate:down\n\n"
    if how.missing_down is MissingDown.EMPTY:
        return f"-- migrate:down\n-- {how.tool} had no down for this\n\n"
    return f"-- migrate:down irreversible:true\n-- {how.tool} had no down for this\n\n"


def _repeatable(migration: ForeignMigration, how: _Style) -> tuple[str, list[Judgement]]:
    ups, judged = _cut(migration.ups, migration, how)
    body = "".join(part.sql if part.sql.endswith("\n") else f"{part.sql}\n" for part in ups)
    option = "" if all(part.transaction for part in ups) else " transaction:false"
    return f"-- migrate:repeatable{option}\n{origin_line(how.tool, migration)}\n{body}", judged


def _cut(parts: Sequence[Part], migration: ForeignMigration, how: _Style) -> tuple[list[Part], list[Judgement]]:
    found = [_cut_one(part, migration.path, how) for part in parts]
    joined = [part for each in found for part in each.parts]
    return joined, [judgement for each in found for judgement in each.judgements]


def _cut_one(part: Part, path: str, how: _Style) -> Pieces:
    """With the place in the old file, if the part stands there word for word."""
    where, line = _place_of(part.sql, path, how.texts)
    return cut(part, where, line)


def _place_of(sql: str, path: str, texts: Mapping[str, str]) -> tuple[str, int]:
    wanted = sql.removeprefix("\ufeff")
    if wanted.strip():
        for candidate in (path, *texts):
            at = texts.get(candidate, "").find(wanted)
            if at >= 0:
                return candidate, texts[candidate].count("\n", 0, at) + 1
    return path, 1
