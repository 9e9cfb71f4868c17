"""What contradicts a ``-- migrate:replaces`` in the files that it replaces, as long as these are there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.environment_name import canonical
from dbmigrate.model import Problem, Severity
from dbmigrate.planning import replaces, target_environments

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from dbmigrate.model import Migration
    from dbmigrate.planning.replaces import Replacement

__all__ = ["faults"]


def faults(found: Sequence[Replacement], known: Mapping[str, Migration]) -> Iterator[Problem]:
    """E262: files that replace each other, and one that is for other environments than what it replaces.

    In both cases migrations would vanish: none of them would run, and nothing in their place.
    """
    instead = replaces.by_version(found)
    for each in found:
        if each.is_applied:
            continue
        if each.migration.version in _followed(each.migration.version, instead):
            other = instead[each.migration.version]
            yield _fault(each, f"{each.migration.name} is replaced by {other}, which it replaces itself", _REMOVE)
        for old in (known[version] for version in each.versions if version in known):
            if _environments(old) != _environments(each.migration):
                message = (
                    f"{each.migration.name} is {_whom(each.migration)}, but replaces {old.name}, which is {_whom(old)}"
                )
                yield _fault(each, message, "replace only what is for the same environments")


_REMOVE = "remove one of the two `replaces`"


def _followed(version: str, instead: Mapping[str, str]) -> Iterable[str]:
    """The files that stand in the place of a version, of the file that does, and so on, each once."""
    seen: dict[str, None] = {}
    while (version := instead.get(version, "")) and version not in seen:
        seen[version] = None
    return seen


def _environments(migration: Migration) -> frozenset[str]:
    return frozenset(map(canonical, target_environments.names(migration)))


def _whom(migration: Migration) -> str:
    return target_environments.only_for(migration) if _environments(migration) else "for all environments"


def _fault(each: Replacement, message: str, hint: str) -> Problem:
    return Problem("E262", message, Severity.ERROR, each.migration.annotated("replaces")[0].place, hint)
