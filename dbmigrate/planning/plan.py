"""What to do: pure functions from files, history and a goal to a `Plan`. Nothing here reads, writes or prints."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from dbmigrate.errors import NeedsAttention, PlanError
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
    Order,
    Plan,
    Policy,
    Problem,
    Severity,
    SortKey,
    Step,
    Unfinished,
)
from dbmigrate.reports import MigrationState, Status, StatusRow

if TYPE_CHECKING:
    from dbmigrate.planning.replaces import Replacement

Migrations = Mapping[str, Migration]


def up(
    files: Sequence[MigrationFile], history: History, *, migrations: Migrations, goal: Goal = ALL, policy: Policy
) -> Plan:
    """Apply what is pending, in the order of `files`, as far as `goal` says.

    `migrations` holds the parsed file of every pending version, and of every one that replaces others; it may hold
    applied files that pending ones depend on. Raises PlanError E232 (no file has the goal's version), E208 (a file is
    for some environments, and `policy` does not say which one this is); NeedsAttention E502 (an earlier run is
    unfinished); Refused E702 (`policy` is strict and a pending version is not higher than the highest applied one),
    E744 (of what a file replaces some is applied); MigrationFileError E262, E290 to E294 (annotations).
    """
    _refuse_unfinished(history, _going_on(history))
    found = _replacements(migrations, history)
    files = _in_force(files, found, goal, migrations)
    waiting = frozenset(pending_versions(files, history))
    read = [migrations[file.version] for file in files if file.version in waiting and file.version in migrations]
    away = elsewhere(read, policy)
    here = waiting - away
    pending = [file for file in files if file.version in here]
    highest = policy.order.highest(_versions(history))
    recorded = frozenset(each.migration.version for each in found if each.takes_over)
    late = [
        file
        for file in pending
        if highest and file.version not in recorded and policy.order.key(file.version) <= policy.order.key(highest)
    ]
    if policy.strict and late:
        from dbmigrate.planning import strict

        raise strict.out_of_order(late[0], highest, policy.order)
    _refuse_annotations([each for each in read if each.version in here], migrations, files, history, found)
    chosen = _chosen(pending, files, goal)
    skipped: tuple[Problem, ...] = ()
    if goal.only is not None:
        from dbmigrate.planning import selection

        selection.refuse_elsewhere(goal, away, migrations)
        skipped = selection.left_out(chosen, pending, migrations, found, policy)
    steps, notes = _with_backfills([_apply(migrations[file.version], found) for file in chosen], history, policy)
    problems = [_late_problem(file, highest) for file in late if file in chosen]
    order_problems = _order_problems(files, policy.order)
    said = (*notes, *_variable_problems(steps), *_breaking_problems(steps))
    return Plan(steps, (*order_problems, *problems, *skipped, *said, *_file_problems(steps)))


def _chosen(waiting: Sequence[MigrationFile], files: Sequence[MigrationFile], goal: Goal) -> Sequence[MigrationFile]:
    if goal == ALL:
        return waiting
    from dbmigrate.planning import selection

    return selection.pending(waiting, files, goal)


def _with_backfills(
    steps: Sequence[Step], history: History, policy: Policy
) -> tuple[tuple[Step, ...], tuple[Problem, ...]]:
    if not steps and not history.deferred:
        return (), ()
    from dbmigrate.planning import backfills

    return backfills.applied(steps, history, policy), backfills.notes(history)


def _going_on(history: History) -> frozenset[str]:
    """The versions of interrupted backfills, which go on at their cursor."""
    if not history.unfinished:
        return frozenset()
    from dbmigrate.planning import backfills

    return frozenset(each.version for each in history.unfinished if backfills.goes_on(each))


def pending_versions(files: Sequence[MigrationFile], history: History) -> Sequence[str]:
    """The versions that are neither applied nor deferred, in the order of `files`."""
    known = {*_versions(history), *(item.version for item in history.deferred)}
    return [file.version for file in files if file.version not in known]


def down(
    files: Sequence[MigrationFile],
    history: History,
    *,
    migrations: Migrations,
    goal: Goal = LAST,
    order: Order = Order.NAME,
) -> Plan:
    """Undo applied migrations from the last one in `order`.

    A `goal` with steps undoes that many, one with a version undoes everything after that version, `ALL` everything,
    and one of the last run what that applied. Raises PlanError E231 (nothing is applied), E232 (the version is not
    applied), E233 (irreversible), E234 (no file and no kept down SQL), E226; Refused E726; NeedsAttention E502.
    """
    half = half_done_versions(history, goal, order)
    _refuse_unfinished(history, half)
    begun = {item.version: item for item in (*history.unfinished, *history.deferred)}
    chosen = rollback_order(files, history, goal, order)
    steps = (
        *(step for version in half for step in undo(begun[version], _file_of(begun[version], migrations)).steps),
        *(_undo(applied, migrations) for applied in chosen),
    )
    _refuse_unsupported(steps)
    present = {file.version for file in files}
    gone = tuple(_gone_problem(step) for step in steps if step.version not in present)
    return Plan(steps, (*gone, *_file_problems(steps)))


def redo(
    files: Sequence[MigrationFile], history: History, *, migrations: Migrations, order: Order = Order.NAME
) -> Plan:
    """Undo the last applied migration and apply its file again. Raises as `down`, and PlanError E234 without a file."""
    undo = down(files, history, migrations=migrations, order=order)
    by_version = {file.version: file for file in files}
    version = undo.steps[0].version
    if version not in by_version:
        raise PlanError(
            f"the file of migration {version} is gone, so it cannot be applied again",
            code="E234",
            hint="restore the file from version control, or undo the migration with `dbmigrate rollback`",
        )
    again = _run(migrations[version], Direction.UP)
    _refuse_unsupported((again,))
    problems = [problem for problem in _file_problems((again,)) if problem.code != "W201"]  # it ran that way already
    return Plan((*undo.steps, again), (*undo.problems, *problems))


def rollback_order(
    files: Sequence[MigrationFile], history: History, goal: Goal, order: Order = Order.NAME
) -> tuple[Applied, ...]:
    """The applied versions that `goal` undoes, last first. Raises PlanError E231, E232, E226; Refused E726.

    Half-done backfills are undone before them, and count among the steps of `goal`.
    """
    applied = sorted(history.applied, key=_sort_key(files, order))
    half = half_done_versions(history, goal, order)
    if half and (not applied or goal.steps is not None):
        goal = Goal(steps=max((goal.steps or 0) - len(half), 0))
    elif not applied:
        raise PlanError("can't rollback: no migrations have been applied", code="E231")
    from dbmigrate.planning import selection

    if goal.last_run:
        return selection.of_last_run(applied, history)
    if goal.version is not None:
        names = [item.version for item in applied]
        if goal.version not in names:
            message = f"version {goal.version} is not applied, so a rollback cannot end there"
            raise selection.unknown_version(goal.version, names, message)
        applied = applied[names.index(goal.version) + 1 :]
    last_first = tuple(reversed(applied))
    return last_first if goal.steps is None else last_first[: goal.steps]


def half_done_versions(history: History, goal: Goal, order: Order) -> tuple[str, ...]:
    """The versions of half-done backfills that `goal` undoes, the last one first."""
    if not history.unfinished and not history.deferred:
        return ()
    from dbmigrate.planning import backfills

    return tuple(item.version for item in backfills.half_done(history, goal, order))


def _file_of(item: Unfinished, migrations: Migrations) -> Migration:
    if item.version not in migrations:
        raise PlanError(f"the file of {item.name} is gone", code="E234", hint="restore it to go on")
    return migrations[item.version]


def resume(unfinished: Unfinished, migration: Migration, *, history: History, done: frozenset[int]) -> Plan:
    """Go on with a migration without a transaction, after the statements in `done`.

    A down section that stopped is a rollback where the version is recorded, else the undoing of an unfinished up.
    """
    is_undo = unfinished.direction is Direction.DOWN and unfinished.version not in history
    action = Action.UNDO if is_undo else Action.RUN
    begun = frozenset(step.number for step in unfinished.steps)
    step = Step(unfinished.version, unfinished.name, unfinished.direction, action, migration, done, begun=begun)
    _refuse_unsupported((step,))
    return Plan((step,))


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
    step = Step(unfinished.version, unfinished.name, Direction.DOWN, Action.UNDO, migration)
    _refuse_unsupported((step,))
    return Plan((step,))


def up_to(files: Sequence[MigrationFile], version: str, migrations: Migrations | None = None) -> Sequence[str]:
    """The versions of the files up to and including `version`, in file-name order. Raises PlanError E232.

    Those that one of `migrations` replaces do not count.
    """
    goal = Goal(version=version)
    files = _in_force(files, _replacements(migrations or {}, History()), goal, migrations or {})
    return [file.version for file in _chosen(files, files, goal)]


def status(files: Sequence[MigrationFile], history: History, order: Order = Order.NAME) -> Status:
    """Every file and every applied version, in `order`."""
    rows = {file.version: StatusRow(file.version, file.name, MigrationState.PENDING) for file in files}
    for item in history.applied:
        row = rows.get(item.version)
        state = MigrationState.APPLIED if row else MigrationState.MISSING
        name = row.name if row else item.name or item.version
        rows[item.version] = StatusRow(item.version, name, state, item.applied_at, item.applied_by)
    for broken in (*history.unfinished, *history.deferred):
        state = MigrationState.DEFERRED if broken.is_deferred else MigrationState.UNFINISHED
        row = rows.get(broken.version) or StatusRow(broken.version, broken.name, state)
        rows[broken.version] = replace(row, state=state, unfinished=broken)
    ordered = sorted(rows.values(), key=lambda row: order.key(row.name))
    return Status(tuple(ordered), _order_problems(files, order))


# what a file says of itself: without a file to run none of these modules is needed


def _replacements(migrations: Migrations, history: History) -> Sequence[Replacement]:
    if not any(migration.annotations for migration in migrations.values()):
        return ()
    from dbmigrate.planning import replaces

    return replaces.of(migrations.values(), history)


def _in_force(
    files: Sequence[MigrationFile], found: Sequence[Replacement], goal: Goal, migrations: Migrations
) -> Sequence[MigrationFile]:
    if not found:
        return files
    from dbmigrate.planning import annotation_faults, replaced, replaces

    annotation_faults.refuse(replaced.faults(found, migrations))
    replaces.refuse_replaced(goal.version if goal.only is None else goal.only, found)
    return replaces.in_force(files, found)


def _apply(migration: Migration, found: Sequence[Replacement]) -> Step:
    """Run the file; or record it, where all that it replaces is applied."""
    from dbmigrate.planning import replaces

    return (replaces.step(migration, found) if found else None) or _run(migration, Direction.UP)


def _refuse_annotations(
    read: Sequence[Migration],
    known: Migrations,
    files: Sequence[MigrationFile],
    history: History,
    found: Sequence[Replacement],
) -> None:
    if read:
        from dbmigrate.planning import annotation_faults, dependencies, replaces, target_environments

        annotation_faults.refuse(fault for migration in read for fault in annotation_faults.faults(migration))
        annotation_faults.refuse(replaces.faults(read))
        replaces.refuse_split(found)
        annotation_faults.refuse(dependencies.faults(read, files, history, replaces.by_version(found)))
        annotation_faults.refuse(target_environments.faults(read, known))


def elsewhere(read: Sequence[Migration], policy: Policy) -> frozenset[str]:
    """The versions of those migrations that are only for other environments. Raises PlanError E208."""
    if not any(migration.annotations for migration in read):
        return frozenset()
    from dbmigrate.planning import target_environments

    return target_environments.elsewhere(read, policy.environment)


def _refuse_unsupported(steps: Sequence[Step]) -> None:
    if steps:
        from dbmigrate.planning import annotation_faults

        annotation_faults.refuse_unsupported(steps)
        _variable_problems(steps)


def _variable_problems(steps: Sequence[Step]) -> tuple[Problem, ...]:
    """Warnings about variables. Raises MigrationFileError E298, E299."""
    if not any(step.migration and step.migration.bound for step in steps):
        return ()
    from dbmigrate.planning import variables

    variables.refuse_unusable(steps)
    return variables.problems(steps)


def _breaking_problems(steps: Sequence[Step]) -> tuple[Problem, ...]:
    if not steps:
        return ()
    from dbmigrate.planning import breaking

    return breaking.problems(steps)


def with_breaking(status: Status, pending: Iterable[Migration]) -> Status:
    """`status` with what the pending migrations say that they break."""
    from dbmigrate.planning import breaking

    texts = {migration.version: breaking.described(migration) for migration in pending}
    return replace(status, rows=tuple(replace(row, breaking=texts.get(row.version)) for row in status.rows))


def newest(files: Sequence[MigrationFile], versions: Sequence[str], order: Order = Order.NAME) -> str | None:
    """The applied version that comes last in `order`."""
    names = {file.version: file.name for file in files}
    return max(versions, key=lambda version: order.key(names.get(version) or version), default=None)


# ------------------------------------------------------------------------------------------------------------- details


def _versions(history: History) -> frozenset[str]:
    return frozenset(item.version for item in history.applied)


def _refuse_unfinished(history: History, but: Collection[str] = ()) -> None:
    broken = next((each for each in history.unfinished if each.version not in but), None)
    if broken is None:
        return
    stopped = broken.stopped_at
    where = f" at statement {stopped.number}" if stopped else f" after statement {max(broken.done, default=0)}"
    raise NeedsAttention(
        f"{broken.name} ({broken.direction}, without a transaction) is unfinished: it stopped{where}",
        code="E502",
        hint="see `dbmigrate status`, then continue with `dbmigrate resume`",
    )


def _run(migration: Migration, direction: Direction) -> Step:
    return Step(migration.version, migration.name, direction, Action.RUN, migration)


def _undo(applied: Applied, migrations: Migrations) -> Step:
    migration = migrations.get(applied.version)
    if migration is None:
        raise PlanError(
            f"the file of applied migration {applied.name or applied.version} is gone, and the log holds no down SQL",
            code="E234",
            hint="restore the file from version control, or undo the change with a new migration; once undone by hand:"
            f" `dbmigrate mark pending {applied.version} --reason TEXT`",
        )
    if migration.is_irreversible:
        raise PlanError(
            f"{migration.name} is irreversible",
            code="E233",
            hint="it says `irreversible:true` in its down header; undo it with a new migration; once undone by hand:"
            f" `dbmigrate mark pending {applied.version} --reason TEXT`",
        )
    return _run(migration, Direction.DOWN)


def _sort_key(files: Sequence[MigrationFile], order: Order) -> Callable[[Applied], SortKey]:
    """A version whose file is gone stands where its recorded name would."""
    names = {file.version: file.name for file in files}

    def key(applied: Applied) -> SortKey:
        return order.key(names.get(applied.version) or applied.name or applied.version)

    return key


def _late_problem(file: MigrationFile, highest: str) -> Problem:
    return Problem(
        "W301",
        f"{file.name} is applied out of order: {highest} is already applied",
        Severity.NOTE,
        hint="--strict refuses this",
    )


def _order_problems(files: Sequence[MigrationFile], order: Order) -> tuple[Problem, ...]:
    """Files run in the order of their names' bytes; where their numbers say otherwise, people are surprised."""
    by_number = Order.NUMERIC.key
    for first, second in itertools.pairwise(files if order is Order.NAME else ()):
        if by_number(first.version) > by_number(second.version):
            message = f"{first.name} runs before {second.name}: files are ordered by name, not by number"
            from dbmigrate.planning.strict import BY_NUMBER

            return (Problem("W302", message, hint=f"{BY_NUMBER}; or pad the numbers with zeros"),)
    return ()


def _gone_problem(step: Step) -> Problem:
    return Problem("W305", f"the file of {step.name} is gone; it is undone with the down SQL kept in the log")


def _file_problems(steps: Sequence[Step]) -> tuple[Problem, ...]:
    found: list[Problem] = []
    for step in steps:
        if step.migration is None:
            continue
        is_up = step.direction is Direction.UP
        found += (problem for problem in step.migration.problems if is_up or problem.code == "W673")
        if step.direction is Direction.DOWN and not any(s.count for s in step.migration.run_order(Direction.DOWN)):
            found.append(
                Problem("W303", f"{step.name} has an empty down section: its version is forgotten, nothing is undone")
            )
    return tuple(found)
