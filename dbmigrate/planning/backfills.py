"""Deferred backfills in a plan: which ones run, and what has to wait for them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dbmigrate.errors import PlanError, Refused, unchanged
from dbmigrate.model import Direction, Plan, Problem, Severity, Step, Turn
from dbmigrate.planning import dependencies

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from dbmigrate.model import Goal, History, Migration, MigrationFile, Order, Policy, Unfinished

__all__ = ["applied", "goes_on", "half_done", "has_any", "notes", "plan", "waiting"]


def waiting(files: Sequence[MigrationFile], history: History, version: str | None) -> tuple[Unfinished, ...]:
    """The backfills that `dbmigrate backfill` runs, in the order of `files`: deferred, paused and interrupted ones."""
    found = {item.version: item for item in (*history.deferred, *history.unfinished) if _runs(item)}
    chosen = [found[file.version] for file in files if file.version in found and version in (None, file.version)]
    if version is not None and not chosen:
        hint = f"waiting: {', '.join(found)}" if found else "no backfill is deferred: see `dbmigrate status`"
        raise PlanError(f"version {version} has no deferred or interrupted backfill", code="E232", hint=hint)
    return tuple(chosen)


def _runs(item: Unfinished) -> bool:
    return item.is_deferred or goes_on(item)


def goes_on(item: Unfinished) -> bool:
    """Whether nobody has to decide anything: a backfill goes on at its cursor, or has its version row to write."""
    return len(item.steps) == 1 and item.steps[0].progress is not None and item.direction is Direction.UP


def applied(steps: Sequence[Step], history: History, policy: Policy) -> tuple[Step, ...]:
    """The steps of `up`: an interrupted backfill goes on, `policy` may have them deferred. Raises Refused E764."""
    interrupted = {item.version: item for item in history.unfinished if goes_on(item)}
    made = []
    for step in steps:
        if item := interrupted.get(step.version):
            step = replace(step, done=item.done, begun=frozenset(each.number for each in item.steps))
        if policy.defers_backfills and step.runs_sql and step.migration and has_any(step.migration, Direction.UP):
            step = replace(step, turn=Turn.LATER)
        made.append(step)
    refuse_depending(made, history)
    return tuple(made)


def has_any(migration: Migration, direction: Direction) -> bool:
    """Whether a section of this direction is a backfill."""
    return any(section.is_backfill for section in migration.run_order(direction))


def plan(items: Sequence[Unfinished], migrations: Mapping[str, Migration]) -> Plan:
    """Run those backfills, each from where it is."""
    return Plan(
        tuple(
            Step(
                item.version,
                item.name,
                Direction.UP,
                migration=migrations[item.version],
                done=item.done,
                begun=frozenset(each.number for each in item.steps),
                turn=Turn.DEFERRED if item.is_deferred else Turn.NOW,
            )
            for item in items
        )
    )


def half_done(history: History, goal: Goal, order: Order) -> tuple[Unfinished, ...]:
    """The backfills of which pages are done, as far as `goal` undoes them, the last one in `order` first.

    Rows hold what they have written, so `rollback` undoes them before anything that is applied.
    """
    found = [item for item in (*history.unfinished, *history.deferred) if _runs(item) and _has_pages(item)]
    found.sort(key=lambda item: order.key(item.version), reverse=True)
    if goal.last_run:
        return ()
    if goal.version is not None:
        return tuple(item for item in found if order.key(item.version) > order.key(goal.version))
    return tuple(found if goal.steps is None else found[: goal.steps])


def _has_pages(item: Unfinished) -> bool:
    return any(step.progress and step.progress.get("pages") for step in item.steps)


def notes(history: History) -> tuple[Problem, ...]:
    """The deferred backfills, of which a run says that it leaves them alone."""
    return tuple(
        Problem(
            "W350",
            f"the backfill of {item.name} is deferred",
            Severity.NOTE,
            hint=f"run it with `dbmigrate backfill {item.version}`",
        )
        for item in history.deferred
    )


def refuse_depending(steps: Iterable[Step], history: History) -> None:
    """Raise Refused E764 for a migration that depends on a deferred backfill, or on one that this run defers."""
    deferred = {item.version: item.name for item in history.deferred}
    for step in steps:
        for annotation, version in dependencies.named(step.migration) if step.migration else ():
            if version in deferred:
                error = Refused(
                    f"{step.name} depends on {deferred[version]}, whose backfill is deferred",
                    code="E764",
                    place=annotation.place,
                    hint=f"run it first: `dbmigrate backfill {version}`",
                )
                raise unchanged(error)
        if step.turn is Turn.LATER:
            deferred[step.version] = step.name
