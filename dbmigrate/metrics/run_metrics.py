"""Which metrics a run has. Pure: from its result, from the log table, and from what an earlier run has written.

Counters come from the log, so that runners that live for one run keep them; what the log cannot know (runs that were
refused) and what is unknown this time (no connection) is taken over from the earlier file. Gauges of the last run are
those of the last one that was not refused: a typing error on a protected environment is not a failure in production.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.frozen import frozen
from dbmigrate.metrics import exposition
from dbmigrate.metrics.exposition import Metric, Sample
from dbmigrate.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dbmigrate.reports import RunResult
    from dbmigrate.tracking.read_totals import Totals

__all__ = ["Now", "text"]

_COMMANDS = ("up", "rollback", "redo")
_RESULTS = ("success", "failure", "refused")
_KINDS = {"rollback": "rollback", "redo": "redo"}  # every other command is up: what the log shows of it

_BLOCKING = "How long the last run held ACCESS EXCLUSIVE locks on tables that were there before."

_Key = tuple[str, tuple[tuple[str, str], ...]]


@frozen
class Now:
    """What is known at the end of a run: the time, the log and what is pending (None: the server cannot be asked).

    `blocking` is for how long the run has held ACCESS EXCLUSIVE locks on tables that were there before.
    """

    timestamp: float
    totals: Totals | None = None
    pending: int | None = None
    unfinished: int | None = None
    blocking: float | None = None


def text(result: RunResult, now: Now, earlier: str) -> str:
    """The content of the file; `earlier` is what it held."""
    labels = {
        name: value
        for name, value in (
            ("environment", result.environment),
            ("database", result.database),
            ("service", result.service),
        )
        if value
    }
    before = _of_same(earlier, labels)
    return exposition.written(_metrics(result, now, before), labels)


def _of_same(earlier: str, labels: Mapping[str, str]) -> dict[_Key, float]:
    """The samples of the earlier file, without the labels of the run; nothing if they are of another database."""
    found: dict[_Key, float] = {}
    for name, given, value in exposition.read(earlier):
        if all(given.get(key) == text for key, text in labels.items()):
            own = tuple(sorted((key, text) for key, text in given.items() if key not in labels))
            if not {"environment", "database", "service"} & {key for key, _ in own}:
                found[name, own] = value
    return found


def _metrics(result: RunResult, now: Now, before: Mapping[_Key, float]) -> Iterator[Metric]:
    yield Metric("dbmigrate_info", "gauge", "The version of dbmigrate.", (Sample(1, (("version", __version__),)),))
    yield from _states(now, before)
    yield from _counters(result, now, before)
    yield from _last_run(result, now, before)
    yield _times("dbmigrate_last_rollback_timestamp_seconds", "When a migration was last rolled back.", now, before)
    yield _times(
        "dbmigrate_last_outside_window_timestamp_seconds",
        "When a run was last allowed outside the maintenance window.",
        now,
        before,
    )


def _states(now: Now, before: Mapping[_Key, float]) -> Iterator[Metric]:
    for name, value, help_ in (
        ("dbmigrate_pending_migrations", now.pending, "Migrations that are not applied yet."),
        ("dbmigrate_unfinished_migrations", now.unfinished, "Migrations that stopped partway and need a person."),
    ):
        yield Metric(name, "gauge", help_, _known(value, before.get((name, ()))))


def _counters(result: RunResult, now: Now, before: Mapping[_Key, float]) -> Iterator[Metric]:
    name, samples = "dbmigrate_runs_total", []
    for command in _COMMANDS:
        for ended in _RESULTS:
            own = (("command", command), ("result", ended))
            old = before.get((name, tuple(sorted(own))), 0)
            if ended == "refused":
                is_this = result.result == ended and _KINDS.get(result.command, "up") == command
                value = old + is_this
            else:
                value = old if now.totals is None else now.totals.runs.get((command, ended), 0)
            samples.append(Sample(value, own))
    yield Metric(name, "counter", "Runs that changed something, tried to, or were refused.", tuple(samples))
    name = "dbmigrate_rollbacks_total"
    rollbacks = before.get((name, ()), 0) if now.totals is None else now.totals.rollbacks
    yield Metric(name, "counter", "Migrations that were rolled back.", (Sample(rollbacks),))


def _last_run(result: RunResult, now: Now, before: Mapping[_Key, float]) -> Iterator[Metric]:
    is_new = result.result != "refused"
    succeeded = result.result == "success"
    success_at = now.timestamp if succeeded else now.totals.last_success if now.totals else None
    for name, value, help_ in (
        ("dbmigrate_last_run_success", float(succeeded), "Whether the last run succeeded."),
        ("dbmigrate_last_run_timestamp_seconds", now.timestamp, "When the last run ended."),
        ("dbmigrate_last_run_duration_seconds", result.seconds, "How long the last run took."),
        (
            "dbmigrate_blocking_lock_seconds",
            now.blocking,
            "How long the last run held ACCESS EXCLUSIVE locks on older tables.",
        ),
    ):
        yield Metric(name, "gauge", help_, _known(value, None) if is_new else _known(None, before.get((name, ()))))
    name = "dbmigrate_last_success_timestamp_seconds"
    old = before.get((name, ()))
    yield Metric(name, "gauge", "When a run last succeeded.", _known(_later(success_at, old), None))
    yield _durations(result, before, is_new=is_new)


def _durations(result: RunResult, before: Mapping[_Key, float], *, is_new: bool) -> Metric:
    """Of the last run alone: otherwise each file would be a series for ever."""
    name = "dbmigrate_migration_duration_seconds"
    found = {step.version: step.seconds for step in result.steps if step.version}
    samples = [Sample(seconds, (("version", version),)) for version, seconds in found.items()]
    if not is_new:
        samples = [Sample(value, own) for (of, own), value in before.items() if of == name]
    return Metric(name, "gauge", "How long each migration of the last run took.", tuple(samples))


def _times(name: str, help_: str, now: Now, before: Mapping[_Key, float]) -> Metric:
    """A moment, absent until it came: an alert on a counter would miss the first time."""
    totals = now.totals
    found = None
    if totals is not None:
        found = totals.last_rollback if "rollback" in name else totals.last_outside_window
    return Metric(name, "gauge", help_, _known(_later(found, before.get((name, ()))), None))


def _later(one: float | None, other: float | None) -> float | None:
    return max((value for value in (one, other) if value is not None), default=None)


def _known(value: float | None, otherwise: float | None) -> tuple[Sample, ...]:
    found = otherwise if value is None else value
    return () if found is None else (Sample(found),)
