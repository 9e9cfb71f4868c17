"""``dbmigrate graph``."""

from __future__ import annotations

from enum import StrEnum
from itertools import chain
from typing import TYPE_CHECKING, Annotated

import typer

from dbmigrate.cli.call import Call
from dbmigrate.cli.options import common

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from dbmigrate.planning.graph import Node
    from dbmigrate.reports import MigrationState


class GraphFormat(StrEnum):
    """How `graph` prints."""

    TREE = "tree"
    MERMAID = "mermaid"
    JSON = "json"


@common
def graph(
    call: Call,
    format_: Annotated[
        GraphFormat, typer.Option("--format", metavar="FORMAT", help="tree, mermaid (a diagram), or json.")
    ] = GraphFormat.TREE,
    mermaid: Annotated[bool, typer.Option("--mermaid", help="The same as --format mermaid.")] = False,
) -> None:
    """Show which migrations depend on which."""
    from dbmigrate.migrations import find, peek
    from dbmigrate.planning import dependencies, replaces
    from dbmigrate.planning import graph as module

    call.add({"json": format_ is GraphFormat.JSON})
    settings = call.settings()
    files = find.find(settings.migrations_dirs, settings.version_order)
    said = tuple(peek.mentioning(files, dependencies.WORD, replaces.WORD))
    found = module.nodes(files, said, _states(call))
    as_diagram = mermaid or format_ is GraphFormat.MERMAID
    parts = module.with_a_part(found)
    lines: Iterable[str] = module.mermaid(found) if as_diagram else _tree(module.tree(found), parts, len(found))
    value: dict[str, object] = {"migrations": [_value(node) for node in found]}
    if settings.service is not None:
        from dbmigrate.output import services

        lines = lines if as_diagram else chain([services.about(settings.service)], lines)
        value = {"service": services.identity(settings.service), **value}
    call.renderer.answer("graph", lines, value)


def _states(call: Call) -> Mapping[str, MigrationState]:
    """Of the database that the command line names; without one nothing is contacted."""
    if not (call.given.get("url") or call.given.get("environment")):
        return {}
    with call.migrator() as migrator:
        return {row.version: row.state for row in migrator.status().rows}


def _tree(lines: Iterator[str], parts: Collection[str], number: int) -> Iterator[str]:
    yield from lines
    alone = number - len(parts)
    if alone:
        verb = "depends" if alone == 1 else "depend"
        what = "more" if parts else "migration" if alone == 1 else "migrations"
        yield f"{alone} {what} {verb} on nothing, and nothing on {'it' if alone == 1 else 'them'}"


def _value(node: Node) -> dict[str, object]:
    return {
        "version": node.version,
        "file": node.name,
        "depends": list(node.depends),
        "unknown": list(node.unknown),
        "services": list(node.services),
        "state": node.state.value if node.state else None,
    }
