"""What to do: pure functions from files, history and a wish to a `Plan`. Nothing here reads, writes or prints."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from dbmigrate.errors import NeedsAttention, PlanError, Refused
from dbmigrate.model import (
    ALL,
    LAST,
    Action,
    Applied,
    Direction,
    Goal,
    History,
    Migration,
    MigrationFile,
    MigrationState,
    Plan,
    Policy,
    Problem,
    Severity,
    Status,
    StatusRow,
    Step,
    Unfinished,
)

Migrations = Mapping[str, Migration]


def up(
    files: Sequence[MigrationFile], history: History, *, migrations: Migrations, goal: Goal = ALL, policy: Policy
) -> Plan:
    """Apply what is pending, in file-name order, as far as `goal` says.

    `migrations` holds the parsed file of every pending version. Raises PlanError E230 (no files at all), E232 (the
    goal is no version of these files); NeedsAttention E502 (an earlier run is unfinished); Refused E702 (`policy` is
    strict and a pending version is not higher than the highest applied one).
    """
    if not files:
        raise PlanError("no migration files found", code="E230", hint="make one with `dbmigrate new NAME`")
    _refuse_unfinished(history)
    waiting = frozenset(pending_versions(files, history))
    pending = [file for file in files if file.version in waiting]
    late = _out_of_order(pending, history)
    if policy.strict and late:
        raise Refused(
            f"migration `{late[0].version}` is out of order with already applied migrations, the version number has "
            f"to be higher than the applied migration `{_highest(history)}` in --strict mode",
            code="E702",
            hint="give the file a newer version, or run without --strict",
        )
    chosen = _until(pending, files, goal)
    steps = tuple(_run(migrations[file.version], Direction.UP) for file in chosen)
    highest, running = _highest(history), {file.version for file in chosen}
    problems = [_late_problem(file, highest) for file in late if file.version in running]
    return Plan(steps, (*_order_problems(files), *problems, *_file_problems(steps)))


def pending_versions(files: Sequence[MigrationFile], history: History) -> Sequence[str]:
    """The versions that are not applied, in file-name order."""
    applied = _versions(history)
    return [file.version for file in files if file.version not in applied]


def down(files: Sequence[MigrationFile], history: History, *, migrations: Migrations, goal: Goal = LAST) -> Plan:
    """Undo applied migrations from the last one in file-name order.

    A `goal` with steps undoes that many, one with a version undoes everything after that version, and `ALL` undoes
    everything. Raises PlanError E231 (nothing is applied), E232 (the version is not applied), E233 (irreversible),
    E234 (no file and no kept down SQL); NeedsAttention E502.
    """
    _refuse_unfinished(history)
    chosen = rollback_order(files, history, goal)
    steps = tuple(_undo(applied, migrations) for applied in chosen)
    present = {file.version for file in files}
    gone = tuple(_gone_problem(step) for step in steps if step.version not in present)
    return Plan(steps, (*gone, *_file_problems(steps)))


def redo(files: Sequence[MigrationFile], history: History, *, migrations: Migrations) -> Plan:
    """Undo the last applied migration and apply its file again. Raises as `down`, and PlanError E234 without a file."""
    undo = down(files, history, migrations=migrations)
    by_version = {file.version: file for file in files}
    version = undo.steps[0].version
    if version not in by_version:
        raise PlanError(
            f"the file of migration {version} is gone, so it cannot be applied again",
            code="E234",
            hint="restore the file from version control, or undo the migration with `dbmigrate rollback`",
        )
    again = _run(migrations[version], Direction.UP)
    return Plan((*undo.steps, again), (*undo.problems, *_file_problems((again,))))


def rollback_order(files: Sequence[MigrationFile], history: History, goal: Goal) -> tuple[Applied, ...]:
    """The applied versions that `goal` undoes, last first. Raises PlanError E231, E232."""
    applied = sorted(history.applied, key=_sort_key(files))
    if not applied:
        raise PlanError("can't rollback: no migrations have been applied", code="E231")
    if goal.version is not None:
        names = [item.version for item in applied]
        if goal.version not in names:
            raise PlanError(
                f"version {goal.version} is not applied, so it is nothing to roll back to",
                code="E232",
                hint="see `dbmigrate status`",
            )
        applied = applied[names.index(goal.version) + 1 :]
    last_first = tuple(reversed(applied))
    return last_first if goal.steps is None else last_first[: goal.steps]


def resume(unfinished: Unfinished, migration: Migration, *, history: History, done: frozenset[int]) -> Plan:
    """Go on with a migration without a transaction, after the statements in `done`.

    A down section that stopped is a rollback where the version is recorded, else the undoing of an unfinished up.
    """
    is_undo = unfinished.direction is Direction.DOWN and unfinished.version not in history
    action = Action.UNDO if is_undo else Action.RUN
    return Plan((Step(unfinished.version, unfinished.name, unfinished.direction, action, migration, done),))


def undo(unfinished: Unfinished, migration: Migration) -> Plan:
    """Run the down section of a migration whose up section is unfinished. Raises PlanError E233, E243."""
    if unfinished.direction is Direction.DOWN:
        raise PlanError(
            f"{unfinished.name} stopped while it was rolled back, so there is nothing to undo",
            code="E243",
            hint="finish the rollback with `dbmigrate resume`",
        )
    if migration.is_irreversible:
        raise PlanError(f"{migration.name} is irreversible", code="E233")
    return Plan((Step(unfinished.version, unfinished.name, Direction.DOWN, Action.UNDO, migration),))


def up_to(files: Sequence[MigrationFile], version: str) -> Sequence[str]:
    """The versions of the files up to and including `version`, in file-name order. Raises PlanError E232."""
    return [file.version for file in _until(files, files, Goal(version=version))]


def status(files: Sequence[MigrationFile], history: History) -> Status:
    """Every file and every applied version, in file-name order."""
    rows = {file.version: StatusRow(file.version, file.name, MigrationState.PENDING) for file in files}
    for item in history.applied:
        row = rows.get(item.version)
        state = MigrationState.APPLIED if row else MigrationState.MISSING
        name = row.name if row else item.name or item.version
        rows[item.version] = StatusRow(item.version, name, state, item.applied_at, item.applied_by)
    for broken in history.unfinished:
        row = rows.get(broken.version) or StatusRow(broken.version, broken.name, MigrationState.UNFINISHED)
        rows[broken.version] = replace(row, state=MigrationState.UNFINISHED, unfinished=broken)
    ordered = sorted(rows.values(), key=lambda row: os.fsencode(row.name))
    return Status(tuple(ordered), _order_problems(files))


def newest(files: Sequence[MigrationFile], versions: Sequence[str]) -> str | None:
    """The applied version that stands last in file-name order."""
    names = {file.version: file.name for file in files}
    return max(versions, key=lambda version: os.fsencode(names.get(version) or version), default=None)


# ------------------------------------------------------------------------------------------------------------- details


def _versions(history: History) -> frozenset[str]:
    return frozenset(item.version for item in history.applied)


def _refuse_unfinished(history: History) -> None:
    if not history.unfinished:
        return
    broken = history.unfinished[0]
    stopped = broken.stopped_at
    where = f" at statement {stopped.number}" if stopped else f" after statement {max(broken.done, default=0)}"
    raise NeedsAttention(
        f"{broken.name} ({broken.direction}, without a transaction) is unfinished: it stopped{where}",
        code="E502",
        hint="see `dbmigrate status`, then continue with `dbmigrate resume`",
    )


def _until(pending: Sequence[MigrationFile], files: Sequence[MigrationFile], goal: Goal) -> Sequence[MigrationFile]:
    if goal.version is None:
        return pending if goal.steps is None else pending[: goal.steps]
    names = {file.version: os.fsencode(file.name) for file in files}
    if goal.version not in names:
        raise PlanError(f"no migration file has version {goal.version}", code="E232", hint="see `dbmigrate status`")
    return [file for file in pending if os.fsencode(file.name) <= names[goal.version]]


def _run(migration: Migration, direction: Direction) -> Step:
    return Step(migration.version, migration.name, direction, Action.RUN, migration)


def _undo(applied: Applied, migrations: Migrations) -> Step:
    migration = migrations.get(applied.version)
    if migration is None:
        raise PlanError(
            f"the file of applied migration {applied.name or applied.version} is gone, and the log holds no down SQL",
            code="E234",
            hint="restore the file from version control, or undo the change with a new migration",
        )
    if migration.is_irreversible:
        raise PlanError(
            f"{migration.name} is irreversible",
            code="E233",
            hint="it says `irreversible:true` in its down header; undo it with a new migration",
        )
    return _run(migration, Direction.DOWN)


def _sort_key(files: Sequence[MigrationFile]) -> Callable[[Applied], bytes]:
    """File-name order, where a version whose file is gone stands where its recorded name would."""
    names = {file.version: file.name for file in files}

    def key(applied: Applied) -> bytes:
        return os.fsencode(names.get(applied.version) or applied.name or applied.version)

    return key


def _highest(history: History) -> str:
    return max(_versions(history), default="")


def _out_of_order(pending: Sequence[MigrationFile], history: History) -> list[MigrationFile]:
    """dbmate compares versions as texts (db.go): what is not above the highest applied version came late."""
    highest = _highest(history)
    return [file for file in pending if highest and file.version <= highest]


def _late_problem(file: MigrationFile, highest: str) -> Problem:
    return Problem(
        "W301",
        f"{file.name} is applied out of order: {highest} is already applied",
        Severity.NOTE,
        hint="--strict refuses this",
    )


def _order_problems(files: Sequence[MigrationFile]) -> tuple[Problem, ...]:
    """Files run in the order of their names' bytes; where their numbers say otherwise, people are surprised."""
    for first, second in itertools.pairwise(files):
        if int(first.version) > int(second.version):
            return (
                Problem(
                    "W302",
                    f"{first.name} runs before {second.name}: files are ordered by name, not by number",
                    hint="pad the numbers with zeros, or use timestamps",
                ),
            )
    return ()


def _gone_problem(step: Step) -> Problem:
    return Problem("W305", f"the file of {step.name} is gone; it is undone with the down SQL kept in the log")


def _file_problems(steps: Sequence[Step]) -> tuple[Problem, ...]:
    found: list[Problem] = []
    for step in steps:
        if step.migration is None:
            continue
        found += step.migration.problems if step.direction is Direction.UP else ()
        if step.direction is Direction.DOWN and not any(s.count for s in step.migration.run_order(Direction.DOWN)):
            found.append(
                Problem("W303", f"{step.name} has an empty down section: its version is forgotten, nothing is undone")
            )
    return tuple(found)
