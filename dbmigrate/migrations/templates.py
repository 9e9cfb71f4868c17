"""The text that a new migration begins with: a template of the project, or what takes another migration back."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from dbmigrate.errors import ConfigError, PlanError
from dbmigrate.migrations import parser
from dbmigrate.model import Direction, MigrationFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dbmigrate.model import Annotation, Migration, Section

__all__ = ["HEADER", "of_file", "reverting", "template"]

HEADER = "header"  # the name of the template that is built in
_HEADER = """\
-- Title: {{title}}
-- Version: {{version}}
-- Created: {{created}} by {{author}}
-- Description:
-- Purpose:
-- Dependencies: none
-- Rollback:

-- migrate:up


-- migrate:down

"""
_PLACEHOLDER = re.compile(r"\{\{\s*(title|name|version|created|author)\s*\}\}")
_KEPT = ("env", "vars")  # annotations that hold for what takes the migration back, too
_OF_SECTIONS = ("require", "check")


def template(wanted: str, directories: Sequence[str]) -> tuple[str, str]:
    """The text of a template, and its path: a path, or a name of ``templates/NAME.sql`` beside the first directory.

    ``header`` is built in, unless there is a file of that name. Raises ConfigError E207.
    """
    place = Path(os.path.normpath(directories[0] or "."), os.pardir, "templates")
    is_path = "/" in wanted or wanted.endswith(".sql")
    path = Path(wanted) if is_path else Path(os.path.normpath(place / f"{wanted}.sql"))
    try:
        return path.read_text(encoding="utf-8-sig"), str(path)
    except FileNotFoundError as exc:
        if wanted == HEADER:
            return _HEADER, HEADER
        known = sorted(each.stem for each in path.parent.glob("*.sql")) if not is_path else []
        hint = f"the templates are {', '.join([*known, HEADER])}" if not is_path else None
        raise ConfigError(f"there is no template {path}", code="E207", hint=hint) from exc
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "it is not valid UTF-8"
        raise ConfigError(f"cannot read the template {path}: {reason}", code="E207") from exc


def of_file(text: str, path: str, values: Mapping[str, str]) -> str:
    """A template with its placeholders filled in. Raises MigrationFileError if no migration can begin so."""
    filled = _PLACEHOLDER.sub(lambda found: values[found[1]], text)
    parser.read_text(MigrationFile(values["version"], values["name"], path), filled)
    return filled


def reverting(file: MigrationFile) -> str:
    """A migration that takes `file` back: its down sections run up, and its up sections are what takes that back.

    Raises PlanError E233 where it cannot be taken back, and what reading the file raises.
    """
    migration = parser.read(file)
    if why := _obstacle(migration):
        raise PlanError(f"{file.name} {why}, so there is nothing to make a migration of", code="E233")
    lines = Path(file.path).read_text(encoding="utf-8-sig").split("\n")
    bodies = {section.number: body for section, body in _bodies(migration, lines)}
    said = [f"-- migrate:{each.key} {each.value}".replace("\n", "\n--   ") for each in _of_file(migration)]
    pieces = [f"-- migrate:depends {file.version}", *said, ""]
    pairs = zip(migration.run_order(Direction.DOWN), reversed(migration.run_order(Direction.UP)), strict=True)
    for number, (down, up) in enumerate(pairs):
        pieces += [_header(Direction.UP, down), *([f"-- Reverts {file.name}."] if number == 0 else [])]
        pieces += [bodies[down.number], "", _header(Direction.DOWN, up), bodies[up.number], ""]
    return "\n".join(pieces)


def _obstacle(migration: Migration) -> str | None:
    if migration.is_irreversible:
        return "is irreversible"
    is_empty = not any(section.count for section in migration.run_order(Direction.DOWN))
    return "has an empty down section" if is_empty else None


def _of_file(migration: Migration) -> Iterator[Annotation]:
    return (each for each in migration.annotations if each.key in _KEPT)


def _header(direction: Direction, section: Section) -> str:
    """The header of a section of the other direction, with the options of this one."""
    return " ".join([f"-- migrate:{direction}", *(f"{key}:{value}" for key, value in section.options.items())])


def _bodies(migration: Migration, lines: Sequence[str]) -> Iterator[tuple[Section, str]]:
    """The text of each section below its header, without annotations that would mean nothing in the other one."""
    left_out = {
        line
        for each in migration.annotations
        if each.key not in _OF_SECTIONS
        for line in range(each.place.line, each.place.line + each.value.count("\n") + 1)
    }
    ends = [*(section.line for section in migration.sections[1:]), len(lines) + 1]
    for section, end in zip(migration.sections, ends, strict=True):
        kept = [lines[at - 1] for at in range(section.line + 1, end) if at not in left_out]
        yield section, "\n".join(kept).strip("\n")
