"""Versions and file names for migrations of another tool, by one rule that is the same in every environment. Pure.

A version of ours is digits. So plain digits stay as they are; the parts of dotted ones are padded; others are numbered
by their place in the old tool's order, in steps of ten. What was imported before keeps its version. Then the order of
the new files, by name or else by number, has to be that of the old tool.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from dbmigrate.errors import ConfigError
from dbmigrate.frozen import frozen
from dbmigrate.model import Order

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from dbmigrate.importing.values import ForeignMigration

__all__ = ["Numbering", "assign", "file_name", "slug"]

_DIGITS = re.compile("[0-9]+").fullmatch
_DOTTED = re.compile(r"[0-9]+(?:[._][0-9]+)*").fullmatch
_NOT_NAME = re.compile(r"[^\w-]+")
_NARROWEST = 3  # digits of a part of a dotted version
_STEP, _WIDTH = 10, 4  # of versions that are numbers of places
_LONGEST = 180  # bytes of a name; file systems take 255


@frozen
class Numbering:
    """New versions, in the order of the migrations; `rule` says in words how they were made, where they are new."""

    versions: tuple[str, ...]
    order: Order
    rule: str = ""


def assign(migrations: Sequence[ForeignMigration], known: Mapping[int, str], order: Order) -> Numbering:
    """Versions for `migrations`, which stand in the old tool's order. `known` are those of an earlier import, by place.

    `order` is the project's. Raises ConfigError E289: no version is free at the place of a new migration.
    """
    orders = (Order.NUMERIC,) if order is Order.NUMERIC else (Order.NAME, Order.NUMERIC)
    rules: tuple[tuple[Callable[[Sequence[ForeignMigration]], list[str] | None], str], ...] = (
        (_as_they_are, ""),
        (_dotted, "each part of a version is padded with zeros"),
        (_stamped, "versions are the times at which the migrations were planned"),
    )
    for rule, words in rules:
        made = rule(migrations)
        if made is None:
            continue
        versions = tuple(known.get(place, version) for place, version in enumerate(made))
        for candidate in orders:
            if _holds(migrations, versions, candidate):
                return Numbering(versions, candidate, words)
    versions = tuple(_by_place(migrations, known))
    fitting = [candidate for candidate in orders if _holds(migrations, versions, candidate)]
    if not fitting:
        raise _no_room(migrations[0])
    return Numbering(versions, fitting[0], "versions are new numbers in the old order")


def file_name(version: str, migration: ForeignMigration) -> str:
    """What the new file is called."""
    return f"{version}_{slug(migration.name)}.sql"


def slug(name: str) -> str:
    """A description as a part of a file name."""
    cleaned = _NOT_NAME.sub("_", unicodedata.normalize("NFC", name)).strip("_") or "migration"
    return cleaned.encode()[:_LONGEST].decode(errors="ignore")


def _as_they_are(migrations: Sequence[ForeignMigration]) -> list[str] | None:
    versions = [migration.version for migration in migrations]
    return versions if all(map(_DIGITS, versions)) and len(set(versions)) == len(versions) else None


def _dotted(migrations: Sequence[ForeignMigration]) -> list[str] | None:
    versions = [migration.version for migration in migrations]
    if not all(map(_DOTTED, versions)):
        return None
    parts = [[part.lstrip("0") for part in re.split("[._]", version)] for version in versions]
    count = max(map(len, parts), default=1)
    full = [[*each, *[""] * (count - len(each))] for each in parts]
    widths = [max(_NARROWEST, *(len(each[place]) for each in full)) for place in range(count)]
    made = ["".join(part.rjust(width, "0") for part, width in zip(each, widths, strict=True)) for each in full]
    return made if len(set(made)) == len(made) else None


def _stamped(migrations: Sequence[ForeignMigration]) -> list[str] | None:
    """Times, of which one in the same second as the one before it counts up."""
    made: list[str] = []
    for migration in migrations:
        stamp = migration.stamp
        if stamp is None or not _DIGITS(stamp):
            return None
        while stamp in made:
            stamp = str(int(stamp) + 1).rjust(len(stamp), "0")
        made.append(stamp)
    return made


def _by_place(migrations: Sequence[ForeignMigration], known: Mapping[int, str]) -> list[str]:
    """Numbers in steps of ten; what comes between two that are known gets one between theirs."""
    made: list[str] = []
    before = 0
    width = max([_WIDTH, *map(len, known.values())])
    for place, migration in enumerate(migrations):
        if place in known:
            made.append(known[place])
            before = int(known[place])
            continue
        after = next((int(known[later]) for later in sorted(known) if later > place), None)
        waiting = next((later for later in sorted(known) if later > place), place) - place
        number = before + _STEP if after is None else before + min(_STEP, (after - before) // (waiting + 1))
        if number <= before:
            raise _no_room(migration)
        before = number
        made.append(str(number).rjust(width, "0"))
    return made


def _holds(migrations: Sequence[ForeignMigration], versions: Sequence[str], order: Order) -> bool:
    """Whether the new files stand in the old order."""
    if len(set(versions)) < len(versions):
        return False
    names = [file_name(version, each) for version, each in zip(versions, migrations, strict=True)]
    return sorted(names, key=order.key) == names


def _no_room(migration: ForeignMigration) -> ConfigError:
    return ConfigError(
        f"{migration.path}: there is no version for it between those of an earlier import",
        code="E289",
        hint="give it a version after the last one in the old tool, or write its migration by hand: --skip",
    )
