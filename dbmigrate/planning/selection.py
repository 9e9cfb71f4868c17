"""Which of the pending and of the applied versions a goal names. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.errors import PlanError, Refused, unchanged
from dbmigrate.model import Problem, Severity, leading_number

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from dbmigrate.model import Applied, Goal, History, Migration, MigrationFile, Policy
    from dbmigrate.planning.replaces import Replacement

__all__ = ["left_out", "of_last_run", "pending", "refuse_elsewhere", "unknown_version"]


def unknown_version(asked: str, known: Sequence[str], message: str) -> PlanError:
    """The error for a version that is not among the `known` ones: perhaps its zeros, or its end, are missing.

    A file name is taken for its version.
    """
    digits = leading_number(asked)
    same = [version for version in known if digits and leading_number(version) == digits]
    begun = [version for version in known if asked and version.startswith(asked)]
    meant = same or begun
    hint = f"did you mean {meant[0]}?" if len(meant) == 1 else "see `dbmigrate status`"
    return PlanError(message, code="E232", hint=hint)


def pending(waiting: Sequence[MigrationFile], files: Sequence[MigrationFile], goal: Goal) -> Sequence[MigrationFile]:
    """Those of the `waiting` files that `goal` names. Raises PlanError E232 if no file has its version."""
    version = goal.version if goal.only is None else goal.only
    if version is None:
        return waiting if goal.steps is None else waiting[: goal.steps]
    names = [file.version for file in files]
    if version not in names:
        raise unknown_version(version, names, f"no migration file has version {version}")
    if goal.only is not None:
        return [file for file in waiting if file.version == version]
    wanted = frozenset(names[: names.index(version) + 1])
    return [file for file in waiting if file.version in wanted]


def refuse_elsewhere(goal: Goal, away: Collection[str], names: Mapping[str, Migration]) -> None:
    """Raise Refused E727 if the only migration that is asked for is not for this environment."""
    if goal.only in away:
        message = f"{names[goal.only].name} is only for other environments" if goal.only else ""
        raise unchanged(Refused(message, code="E727", hint="name one of its environments with -e"))


def _needed(chosen: Migration, before: Sequence[MigrationFile], replaced: Mapping[str, str]) -> Iterator[Problem]:
    """What is wrong with running `chosen` while the files `before` it stay pending: it depends on one of them.

    In the place of a `replaced` version is the one of the file that replaces it.
    """
    from dbmigrate.planning import dependencies

    left = {file.version: file.name for file in before}
    for annotation, given in dependencies.named(chosen):
        version = replaced.get(given, given)
        if version in left:
            message = f"{chosen.name} depends on {left[version]}, which would stay pending"
            hint = f"apply that first: `dbmigrate up --only {version}`, or both with `--to {chosen.version}`"
            yield Problem("E293", message, Severity.ERROR, annotation.place, hint)


def left_out(
    chosen: Sequence[MigrationFile],
    pending: Sequence[MigrationFile],
    migrations: Mapping[str, Migration],
    found: Sequence[Replacement],
    policy: Policy,
) -> tuple[Problem, ...]:
    """What `up --only` leaves out before the one that it runs. Raises MigrationFileError E293, Refused E702."""
    if not chosen:
        return ()
    before = pending[: pending.index(chosen[0])]
    if found or migrations[chosen[0].version].annotations:
        from dbmigrate.planning import annotation_faults, replaces

        by_version = replaces.by_version(found)
        annotation_faults.refuse(_needed(migrations[chosen[0].version], before, by_version))
    return _skipped(chosen[0], before, policy=policy)


def _skipped(chosen: MigrationFile, before: Sequence[MigrationFile], *, policy: Policy) -> tuple[Problem, ...]:
    """The note that `before` stays pending, and will be out of order. Raises Refused E702 if `policy` is strict."""
    if not before:
        return ()
    more = f" and {len(before) - 1} more" if len(before) > 1 else ""
    message = f"{chosen.name} is applied before {before[0].name}{more}, which will be out of order"
    if policy.strict:
        hint = f"apply all of them with `dbmigrate up --to {chosen.version}`, or run without --strict"
        raise unchanged(Refused(message, code="E702", hint=hint))
    return (Problem("W301", message, Severity.NOTE, hint="--strict refuses this"),)


def of_last_run(applied: Sequence[Applied], history: History) -> tuple[Applied, ...]:
    """What the last run applied, the newest first; `applied` is in order.

    Raises PlanError E226 if no run is known, Refused E726 if something else was done since, and would stay.
    """
    run = frozenset(history.last_run)
    if not run:
        hint = "`dbmigrate history` shows the log; -n N or --to VERSION says how far to go back"
        raise unchanged(PlanError("the log knows no run that applied what is applied", code="E226", hint=hint))
    after = applied[min(number for number, item in enumerate(applied) if item.version in run) :]
    foreign = [item.version for item in after if item.applied_at is None]  # by dbmate, nobody knows when
    begun = [item.name for item in history.deferred if item.progress and item.progress.get("pages")]
    if history.recorded_since or foreign:
        raise _not_last([*history.recorded_since, *foreign], "was recorded, or run in another way,")
    if begun:
        raise _not_last(begun, "has pages of a backfill that ran")
    by_version = {item.version: item for item in applied}
    return tuple(by_version[version] for version in history.last_run)


def _not_last(names: Sequence[str], what: str) -> Refused:
    more = f" (and {len(names) - 1} more)" if len(names) > 1 else ""
    message = f"{names[0]}{more} {what} after the last run, and would stay"
    return unchanged(Refused(message, code="E726", hint="say how far to go back with -n N or --to VERSION"))
