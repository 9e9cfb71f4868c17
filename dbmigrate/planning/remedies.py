"""Which command comes after `drift`: one that keeps the difference, or one that takes it away. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence


class Remedy(NamedTuple):
    """A command as it is typed, and what it does about the differences."""

    command: str
    purpose: str


class VersionDifference(NamedTuple):
    """The versions that only one side has."""

    here: Sequence[str] = ()  # the database that is looked at
    there: Sequence[str] = ()  # what it is compared with


_NEW = Remedy("dbmigrate new NAME", "for a migration that keeps the change, or undoes it")


def of_file(path: str, difference: VersionDifference) -> tuple[Remedy, ...]:
    """Compared with the schema file `path`."""
    if difference.there:
        return (Remedy("dbmigrate up", f"applies what only {path} has so far"),)
    if difference.here:
        return (Remedy("dbmigrate dump", f"writes {path} again, with the migrations that it lacks"),)
    return (_NEW, Remedy("dbmigrate dump", f"if the database is right and {path} is not"))


def of_migrations(edited: Sequence[str]) -> tuple[Remedy, ...]:
    """Compared with what the migrations make; `edited` files differ from what was applied."""
    if edited:
        names = ", ".join(edited)
        return (Remedy("dbmigrate verify", f"{names}: changed after being applied"), _accept(edited))
    return (_NEW,)


def _accept(edited: Sequence[str]) -> Remedy:
    noun = "file" if len(edited) == 1 else "files"
    return Remedy("dbmigrate repair", f"if the database is to stay as it is: records the edited {noun}, runs nothing")


def of_environment(name: str, difference: VersionDifference) -> tuple[Remedy, ...]:
    """Compared with the environment `name`."""
    ways = []
    if difference.there:
        ways.append(Remedy("dbmigrate up", f"applies what only {name} has so far"))
    if difference.here:
        ways.append(Remedy(f"dbmigrate -e {name} up", "applies there what only this database has so far"))
    return tuple(ways) or (_NEW,)
