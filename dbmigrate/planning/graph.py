"""What depends on what, by ``-- migrate:depends``: as a tree, and as a Mermaid diagram. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.frozen import frozen
from dbmigrate.model import History
from dbmigrate.planning import dependencies, replaces
from dbmigrate.reports import MigrationState

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dbmigrate.model import Migration, MigrationFile

__all__ = ["Node", "mermaid", "nodes", "tree", "with_a_part"]

_MARKS = {
    MigrationState.APPLIED: "[X] ",
    MigrationState.PENDING: "[ ] ",
    MigrationState.UNFINISHED: "[!] ",
    MigrationState.MISSING: "[?] ",
}
_CLASSES = {
    MigrationState.APPLIED: "fill:#d3f0d3,stroke:#2f7d32",
    MigrationState.PENDING: "fill:#fff3cd,stroke:#9a6b00",
    MigrationState.UNFINISHED: "fill:#f8d7da,stroke:#a4161a",
    MigrationState.MISSING: "fill:#f8d7da,stroke:#a4161a",
}


@frozen
class Node:
    """A migration; `depends` are the versions of others, in their order. A version that no file has is `unknown`.

    `services` are those of other services, as ``ai:003``.
    """

    version: str
    name: str
    depends: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    state: MigrationState | None = None
    services: tuple[str, ...] = ()


def nodes(
    files: Sequence[MigrationFile], said: Sequence[Migration], states: Mapping[str, MigrationState]
) -> tuple[Node, ...]:
    """All files in their order. `said` are those that say something of others; files that are replaced do not count."""
    found = replaces.of(said, History())
    instead = replaces.by_version(found)
    present = replaces.in_force(files, found)
    known = {file.version for file in present}
    named: dict[str, list[str]] = {}
    for migration in said:
        for annotation in migration.annotated("depends"):
            versions = (instead.get(version, version) for version in dependencies.versions(annotation))
            named[migration.version] = list(dict.fromkeys(versions))
    return tuple(
        Node(
            file.version,
            file.name,
            tuple(version for version in named.get(file.version, ()) if version in known),
            tuple(version for version in named.get(file.version, ()) if version not in known and ":" not in version),
            states.get(file.version),
            tuple(version for version in named.get(file.version, ()) if ":" in version),
        )
        for file in present
    )


def tree(found: Sequence[Node]) -> Iterator[str]:
    """Each migration above those that depend on it. What was shown before is named only, with dots behind it."""
    below: dict[str, list[Node]] = {}
    for node in found:
        for version in node.depends:
            below.setdefault(version, []).append(node)
    shown: set[str] = set()
    for node in found:
        if not node.depends and (node.version in below or node.unknown or node.services):
            yield from _branch(node, below, shown)
    for node in found:  # what waits for each other, or itself
        if node.depends and node.version not in shown:
            yield from _branch(node, below, shown)


def _branch(root: Node, below: Mapping[str, Sequence[Node]], shown: set[str]) -> Iterator[str]:
    """A chain may be longer than Python lets functions call themselves."""
    waiting = [(root, "", "")]
    while waiting:
        node, first, further = waiting.pop()
        missing = f" (depends on {', '.join(node.unknown)}, which does not exist)" if node.unknown else ""
        missing += f" (depends on {', '.join(node.services)})" if node.services else ""
        mark = _MARKS[node.state] if node.state else ""
        children = below.get(node.version, ())
        if node.version in shown:
            yield f"{first}{mark}{node.name}{' ...' if children else ''}"
            continue
        shown.add(node.version)
        yield f"{first}{mark}{node.name}{missing}"
        lead = [("|-- ", "|   ")] * (len(children) - 1) + [("`-- ", "    ")]
        waiting += reversed(
            [(each, further + one, further + two) for each, (one, two) in zip(children, lead, strict=False)]
        )


def mermaid(found: Sequence[Node]) -> Iterator[str]:
    """A flowchart from what comes first to what depends on it: all migrations that have a part in it."""
    parts = with_a_part(found)
    yield "flowchart LR"
    for node in found:
        if node.version in parts:
            yield f'    v{node.version}["{_escaped(node.name)}"]{f":::{node.state.value}" if node.state else ""}'
        for version in node.unknown:
            yield f'    v{_escaped(version)}["{_escaped(version)} does not exist"]:::missing'
    for version in sorted({version for node in found for version in node.services}):
        yield f'    {_service(version)}[["{_escaped(version)}"]]'
    for node in found:
        for version in (*node.depends, *node.unknown):
            yield f"    v{_escaped(version)} --> v{node.version}"
        for version in node.services:
            yield f"    {_service(version)} --> v{node.version}"
    used = {node.state for node in found if node.state and node.version in parts}
    used |= {MigrationState.MISSING} if any(node.unknown for node in found) else set()
    for state, style in _CLASSES.items():
        if state in used:
            yield f"    classDef {state.value} {style}"


def with_a_part(found: Sequence[Node]) -> set[str]:
    """The versions that depend on something, or that something depends on."""
    return {
        version
        for node in found
        if node.depends or node.unknown or node.services
        for version in (*node.depends, node.version)
    }


def _service(version: str) -> str:
    """The id of a node for a version of another service: letters and digits alone."""
    return "s" + "".join(each if each.isalnum() else "_" for each in version)


def _escaped(text: str) -> str:
    """https://mermaid.js.org/syntax/flowchart.html#entity-codes-to-escape-characters"""
    return "".join(each if each.isalnum() or each in "._-" else f"#{ord(each)};" for each in text)
