"""What ``init`` made and left alone. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.output import text
from dbmigrate.output.colour import Style

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbmigrate.output.colour import Line
    from dbmigrate.projects.values import Made

__all__ = ["lines", "value"]

_NEXT = 'put DATABASE_URL into .env (a copy of .env.example), then: dbmigrate new "create users", dbmigrate up'


def lines(made: Made) -> Iterator[Line]:
    """A line for each path, and what comes next."""
    for path in made.created:
        yield text.labelled(Style.SUCCESS, "Created:", text.one_line(path))
    for path in made.kept:
        yield text.labelled(Style.LABEL, "Left alone:", text.one_line(f"{path} (it is there)"))
    if made.scripts:
        yield text.labelled(Style.SUCCESS, "Added to package.json:", ", ".join(made.scripts))
    for change in made.clone:
        yield text.labelled(Style.SUCCESS, "Set up in this clone:", text.one_line(change))
    if made.is_new:
        yield text.labelled(Style.LABEL, "Next:", _NEXT)


def value(made: Made) -> dict[str, object]:
    """The same as JSON."""
    notes = [{"code": note.code, "message": note.message, "hint": note.hint} for note in made.notes]
    return {
        "created": list(made.created),
        "left_alone": list(made.kept),
        "scripts": list(made.scripts),
        "clone": list(made.clone),
        "notes": notes,
    }
