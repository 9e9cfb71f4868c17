"""Reads every migration file, and reports every error, not only the first one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.check.values import found
from dbmigrate.errors import ConfigError, Error, MigrationFileError, PlanError
from dbmigrate.frozen import frozen
from dbmigrate.migrations import find, parser, variables
from dbmigrate.model import History, Policy, Problem, Severity
from dbmigrate.planning import (
    annotation_faults,
    dependencies,
    plan,
    repeatables,
    replaced,
    replaces,
    target_environments,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dbmigrate.migrations.find import Directory
    from dbmigrate.model import Migration, MigrationFile, Order
    from dbmigrate.variables import Variables


@frozen
class Reading:
    """What was read. `sound` are the migrations up to the first file that cannot be read: what can be run in order.

    Those that are only for some environments are left out of it; `narrow` is their number. `repeatables` are in the
    order in which they run; there are none if one of them cannot be read.
    """

    files: tuple[MigrationFile, ...] = ()
    migrations: tuple[Migration, ...] = ()
    sound: tuple[Migration, ...] = ()
    problems: tuple[Problem, ...] = ()
    repeatables: tuple[Migration, ...] = ()
    narrow: int = 0


def read(directories: Sequence[str], order: Order, values: Variables) -> Reading:
    """Read all files of the directories, in `order`, with stand-ins for variables; other files are notes.

    Raises PlanError E235 (no such directory), E230 (no migration in it), ConfigError E207.
    """
    try:
        listing = find.look(directories, order)
    except PlanError as exc:
        if exc.code != "E221":
            raise
        return Reading(problems=(_problem(exc),))
    find.refuse_none(listing, directories)
    present, read, problems = listing.files, [], []
    for file in present:
        try:
            read.append(variables.bound(parser.read(file), values.for_checks()))
        except (MigrationFileError, ConfigError) as exc:
            problems.append(_problem(exc))
    replacing = replaces.of(read, History())
    problems += replaced.faults(replacing, {migration.version: migration for migration in read})
    present = replaces.in_force(present, replacing)
    versions = {file.version for file in present}
    read = [migration for migration in read if migration.version in versions]
    readable = {migration.version for migration in read}
    first_broken = next((number for number, file in enumerate(present) if file.version not in readable), None)
    problems += replaces.faults(read)
    problems += (fault for migration in read for fault in annotation_faults.faults(migration))
    problems += dependencies.faults(read, present, History(), replaces.by_version(replacing))
    problems += target_environments.faults(read, {migration.version: migration for migration in read})
    narrow = [migration for migration in read if target_environments.names(migration)]
    sound = tuple(migration for migration in read[:first_broken] if not target_environments.names(migration))
    untried = (*_untried(present, first_broken), *map(_narrow, narrow))
    notes = (*listing.notes, *_notes(present, read, order))
    again, faults = _repeatables(listing, replaces.by_version(replacing), read)
    return Reading(present, tuple(read), sound, (*problems, *faults, *untried, *notes), again, len(narrow))


def _narrow(migration: Migration) -> Problem:
    place = migration.annotated("env")[0].place
    message = f"{migration.name} was not run: it is {target_environments.only_for(migration)}"
    return found("C114", message, place, severity=Severity.NOTE)


def _repeatables(
    listing: Directory, instead: Mapping[str, str], versioned: Sequence[Migration]
) -> tuple[tuple[Migration, ...], tuple[Problem, ...]]:
    """The repeatable migrations in the order in which they run, or what is wrong with them."""
    read, problems = [], []
    for file in listing.repeatables:
        try:
            read.append(parser.read(file))
        except (MigrationFileError, ConfigError) as exc:
            problems.append(_problem(exc))
    names, versions = [each.version for each in read], [*instead, *(file.version for file in listing.files)]
    needed = repeatables.needs(read)
    problems += (fault for migration in read for fault in annotation_faults.faults(migration))
    problems += target_environments.faults(read, {each.version: each for each in versioned})
    problems += (*repeatables.faults(read, names, versions), *repeatables.circles(read, needed))
    by_name = {each.version: each for each in read}
    in_order = tuple(by_name[name] for name in repeatables.in_order(names, needed))
    notes = (problem for each in read for problem in each.problems)
    return () if problems else in_order, (*problems, *notes)


def _problem(error: Error) -> Problem:
    return Problem(error.code, error.message, Severity.ERROR, error.place, error.hint)


def _untried(present: Sequence[MigrationFile], first_broken: int | None) -> tuple[Problem, ...]:
    if first_broken is None:
        return ()
    number = len(present) - first_broken
    message = (
        f"{present[first_broken].name} and the migrations after it were not run ({number} of {len(present)} files)"
    )
    return (found("C114", message, None, severity=Severity.NOTE),)


def _notes(present: Sequence[MigrationFile], read: Sequence[Migration], order: Order) -> tuple[Problem, ...]:
    """The warnings of a plan to run all of them: about the order, and about odd files."""
    migrations = annotation_faults.without({migration.version: migration for migration in read})
    readable = [file for file in present if file.version in migrations]
    if not readable:
        return ()
    return plan.up(readable, History(), migrations=migrations, policy=Policy(order=order)).problems
