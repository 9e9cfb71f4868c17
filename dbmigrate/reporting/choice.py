"""Which tables are drawn together: what makes a picture legible is what is left out of it. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from dbmigrate.frozen import frozen
from dbmigrate.reporting.schema import State, short

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dbmigrate.reporting.schema import Schema, Table

__all__ = ["Group", "Neighbourhood", "around_changes", "groups", "hubs"]

IN_ONE_PICTURE = 60
_FEW = 4  # so many tables that refer to a changed one are drawn; more would bury the change
_HUB, _HUB_SHARE = 8, 12
_ALIKE = 4  # tables that share the first word of their names are a group
_ROUNDS = 3
OTHERS = "others"


@frozen
class Neighbourhood:
    """The changed tables and those next to them. `referring` counts the tables that refer to one and are not drawn."""

    tables: tuple[str, ...]
    changed: frozenset[str]
    referring: Mapping[str, int]


@frozen
class Group:
    """Tables that are drawn together; `refers_to` are the tables of other groups, most often named ones first."""

    name: str
    tables: tuple[str, ...]
    refers_to: tuple[tuple[str, int], ...] = ()
    is_changed: bool = False


def hubs(schema: Schema) -> frozenset[str]:
    """Tables that so many others refer to that their lines would hide everything else."""
    count = Counter(
        target
        for table in schema.tables.values()
        for target in {each.target for each in table.references} - {table.name}
    )
    limit = max(_HUB, len(schema.tables) / _HUB_SHARE)
    return frozenset(name for name, number in count.items() if number > limit)


def around_changes(schema: Schema) -> Neighbourhood:
    """What the picture of a change shows. A hub is there only where a changed key refers to it."""
    changed, large = schema.changed, hubs(schema)
    among = frozenset(changed)
    near = {
        each.target
        for name in changed
        for each in schema.tables[name].references
        if each.state is not State.SAME or each.target not in large
    }
    from_outside = _referring(schema, among)
    few = {name for names in from_outside.values() if len(names) <= _FEW for name in names}
    drawn = (*changed, *(name for name in schema.tables if name not in among and (name in near or name in few)))
    many = {name: len(names) for name, names in from_outside.items() if len(names) > _FEW}
    return Neighbourhood(tuple(drawn), among, many)


def _referring(schema: Schema, changed: frozenset[str]) -> Mapping[str, list[str]]:
    """The unchanged tables that refer to each changed one."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for name, table in schema.tables.items():
        if name not in changed:
            for target in {each.target for each in table.references} & changed:
                found[target].append(name)
    return found


def groups(schema: Schema) -> tuple[Group, ...]:
    """The schema in parts: by the first word of the names, or by schema; the rest goes where its references go."""
    where = _named_groups(schema)
    for _ in range(_ROUNDS):
        _vote(schema, where)
    members: defaultdict[str, list[str]] = defaultdict(list)
    for name in schema.tables:
        members[where.get(name) or OTHERS].append(name)
    ordered = sorted(members.items(), key=lambda item: (item[0] == OTHERS, item[0]))
    return tuple(_group(schema, name, tables) for name, tables in ordered)


def _named_groups(schema: Schema) -> dict[str, str]:
    words: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for name in schema.tables:
        space, _, local = name.partition(".")
        words[space, local.split("_")[0].rstrip("s") or local].append(name)
    where = {
        name: short(f"{key[0]}.{key[1]}") for key, names in words.items() if len(names) >= _ALIKE for name in names
    }
    spaces = Counter(name.partition(".")[0] for name in schema.tables if name not in where)
    for name in schema.tables:
        space = name.partition(".")[0]
        if name not in where and space != "public" and spaces[space] >= _ALIKE:
            where[name] = space
    return where


def _vote(schema: Schema, where: dict[str, str]) -> None:
    votes: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for name, table in schema.tables.items():
        for each in table.references:
            if name not in where and each.target in where:
                votes[name][where[each.target]] += 1
            elif each.target not in where and name in where and each.target in schema.tables:
                votes[each.target][where[name]] += 1
    for name, counted in votes.items():
        where[name] = max(sorted(counted), key=lambda group: counted[group])


def _group(schema: Schema, name: str, tables: Sequence[str]) -> Group:
    inside = frozenset(tables)
    outside = Counter(target for each in tables for target in _targets(schema.tables[each]) if target not in inside)
    ordered = sorted(outside.items(), key=lambda item: (-item[1], item[0]))
    is_changed = any(schema.tables[each].state is not State.SAME for each in tables)
    return Group(name, tuple(tables), tuple(ordered), is_changed)


def _targets(table: Table) -> Sequence[str]:
    return [each.target for each in table.references]
