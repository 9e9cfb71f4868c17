"""What a squash makes one file of, and the version of that file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.errors import PlanError
from dbmigrate.model import Direction, History, Order, leading_number
from dbmigrate.planning import plan, replaces

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dbmigrate.model import Migration, MigrationFile

__all__ = ["chosen", "refuse_values", "version"]

_FEWEST = 2


def chosen(migrations: Sequence[Migration], to: str) -> tuple[Migration, ...]:
    """The migrations up to and including a version, without those that run in some environments only.

    Raises PlanError E232, E263.
    """
    found = replaces.of(migrations, History())
    files = [migration.file for migration in migrations]
    wanted = frozenset(plan.up_to(files, to, {migration.version: migration for migration in migrations}))
    taken = tuple(each for each in migrations if each.version in wanted and not each.annotated("env"))
    if len(taken) < _FEWEST:
        what = f"only {taken[0].name} comes" if taken else "no migration comes"
        raise PlanError(f"there is nothing to squash: {what} before or at {to}", code="E263")
    present = {migration.version: migration for migration in migrations}
    for each in found:
        old = [present[version].file.path for version in each.versions if version in present]
        if old and each.migration in taken:
            raise PlanError(
                f"{each.migration.name} replaces {old[0]}, which is still there",
                code="E263",
                hint="remove the files that it replaces, when it is applied everywhere; then squash again",
            )
    return taken


def refuse_values(migrations: Sequence[Migration]) -> None:
    """Raise PlanError E263 for a migration whose up sections use variables: each database has values of its own."""
    for each in migrations:
        names = sorted(each.bound.used(Direction.UP)) if each.bound else []
        if names:
            raise PlanError(
                f"{each.name} uses the variable {names[0]}, and a squashed file would hold one value for all databases",
                code="E263",
                place=next((said.place for said in each.annotated("vars")), None),
                hint="squash to a version before it",
            )


def version(files: Sequence[MigrationFile], taken: Sequence[Migration], order: Order) -> str:
    """A version that is free, and comes before that of the first file that is left, in name and number.

    The one after the last that is squashed; else zeros, which come before everything. Raises PlanError E263.
    """
    gone = {migration.version for migration in taken}
    last = taken[-1].version
    later = [file for file in files if file.version not in gone and order.key(file.name) > order.key(taken[-1].name)]
    for candidate in (_after(last), *("0" * width for width in range(len(last), len(last) + _TRIES))):
        is_free = all(file.version != candidate for file in files)
        if candidate and is_free and all(_is_before(candidate, file) for file in later):
            return candidate
    raise PlanError(
        f"no version is free between {taken[-1].name} and {later[0].name}",
        code="E263",
        hint="squash to a version with a gap behind it",
    )


_TRIES = 5


def _after(last: str) -> str:
    """The next number, as wide; empty where it would be wider."""
    following = str(int(last) + 1).zfill(len(last))
    return following if len(following) == len(last) else ""


def _is_before(candidate: str, file: MigrationFile) -> bool:
    """By name, and by number too: an order that surprises would be warned of."""
    by_name = Order.NAME.key(f"{candidate}_") < Order.NAME.key(file.name)
    number, other = leading_number(candidate), leading_number(file.version)
    return by_name and (len(number), number) < (len(other), other)
