"""What a rehearsal with rows measured: lines for people, a table for summaries, values for JSON. Pure."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from dbmigrate.impact.values import LockMode
from dbmigrate.output import text
from dbmigrate.output.impact import byte_size, code, number, row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from dbmigrate.impact.measured import (
        Latencies,
        LockHeld,
        Measurement,
        QueryFailure,
        Rewritten,
        StatementMeasured,
        TrafficMeasured,
    )

_SQL_WIDTH = 60
_QUERY_WIDTH = 80
_ALL, _BRIEF = 50, 0.1  # statements that are all shown; seconds


def lines(found: Measurement) -> Iterator[str]:
    """A line for each statement, under the name of its file; then what the traffic felt. `!!` marks a stall."""
    path = None
    shown = _shown(found)
    for statement in shown:
        if statement.impact.place.path != path:
            path = statement.impact.place.path
            yield text.one_line(path)
        mark = "!!" if statement.stall is not None else "  "
        sql = _cut(statement.impact.sql, _SQL_WIDTH)
        sql += f" (x {statement.impact.count})" if statement.impact.count > 1 else ""
        parts = " · ".join((text.duration(statement.seconds), *_parts(statement)))
        yield text.one_line(f"{mark} :{statement.impact.place.line}  {sql}  {parts}")
    if len(shown) < len(found.statements):
        yield f"  {_left_out(found, shown)}"
    yield from map(text.one_line, _in_all(found))


def _shown(found: Measurement) -> Sequence[StatementMeasured]:
    """All statements; of very many those that matter."""
    if len(found.statements) <= _ALL:
        return found.statements
    return [each for each in found.statements if _matters(each)]


def _matters(statement: StatementMeasured) -> bool:
    is_locking = any(held.lock >= LockMode.SHARE_UPDATE_EXCLUSIVE for held in statement.locks)
    return is_locking or bool(statement.rewritten) or statement.stall is not None or statement.seconds >= _BRIEF


def _left_out(found: Measurement, shown: Sequence[StatementMeasured]) -> str:
    left = text.count(len(found.statements) - len(shown), "more statement")
    return f"... and {left}, below {text.duration(_BRIEF)} each and without a lock on a table"


def _in_all(found: Measurement) -> Iterator[str]:
    if found.temporary_bytes:
        yield f"Temporary files in all: {byte_size(found.temporary_bytes)}"
    if found.traffic is not None:
        yield from _traffic_lines(found.traffic)


def _parts(statement: StatementMeasured) -> Iterator[str]:
    if statement.locks:
        yield _held(statement.locks[0])
        if len(statement.locks) > 1:
            yield f"locks on {text.count(len(statement.locks) - 1, 'more table')}"
    if statement.holding:
        held = ", ".join(f"{held.lock.sql} on {held.table}" for held in statement.holding)
        yield f"while {held} is held"
    yield from map(_rewritten, statement.rewritten)
    if statement.rows is not None:
        yield text.count(statement.rows, "row")
    if statement.wal_bytes:
        yield f"WAL {byte_size(statement.wal_bytes)}"
    if statement.temporary_bytes:
        yield f"temporary files {byte_size(statement.temporary_bytes)}"
    if statement.stall is not None:
        yield f"a query waited {text.duration(statement.stall)}"


def _held(held: LockHeld) -> str:
    return f"{held.lock.sql} on {held.table}, held {text.duration(held.seconds)}"


def _rewritten(written: Rewritten) -> str:
    rows = "an unknown number of rows" if written.rows is None else f"≈ {number(written.rows)} rows"
    size = f"({rows}, {byte_size(written.size)})"
    return f"rewrites {written.table} {size}" if written.index is None else f"builds index {written.index} {size}"


def _traffic_lines(traffic: TrafficMeasured) -> Iterator[str]:
    yield f"Traffic, {text.count(traffic.sessions, 'session')}:"
    yield from (f"  {line}" for line in _felt(traffic))
    yield f"  {_stall(traffic)}"
    yield from (f"  {_failure(each)}" for each in traffic.failures)


def _felt(traffic: TrafficMeasured) -> Iterator[str]:
    for when, felt in (("before", traffic.alone), ("during", traffic.during)):
        if felt is not None:
            yield (
                f"{when}: p50 {_latency(felt.p50)} · p99 {_latency(felt.p99)} · longest {_latency(felt.longest)}"
                f" ({felt.count} {'query' if felt.count == 1 else 'queries'})"
            )


def _stall(traffic: TrafficMeasured) -> str:
    if traffic.stall is None:
        return "no query had to wait for a migration"
    table = f" for {traffic.stall.table}" if traffic.stall.table else ""
    return f"longest stall {text.duration(traffic.stall.seconds)}{table}: {_cut(traffic.stall.query, _QUERY_WIDTH)}"


def _failure(failure: QueryFailure) -> str:
    return f"failed {failure.count} times: {_cut(failure.query, _QUERY_WIDTH)}: {failure.message}"


def _latency(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 0.1 else text.duration(seconds)


def _cut(sql: str, width: int) -> str:
    line = " ".join(sql.split())
    return line if len(line) <= width else f"{line[: width - 1]}…"


# ------------------------------------------------------------------------------------------------------ for summaries


def markdown(found: Measurement) -> Iterator[str]:
    """The same as a table and a list; cells are escaped."""
    yield from ("", "|  | statement | took | lock | what it did |", "|---|---|---|---|---|")
    shown = _shown(found)
    for statement in shown:
        impact = statement.impact
        place = f"{PurePath(impact.place.path).name}:{impact.place.line}"
        lock = _held(statement.locks[0]) if statement.locks else ""
        rest = list(_parts(statement))[1 if statement.locks else 0 :]
        mark = "⚠️" if statement.stall is not None else ""
        first = f"{place} {code(_cut(impact.sql, _SQL_WIDTH))}"
        yield row(mark, first, text.duration(statement.seconds), lock, " · ".join(rest))
    yield ""
    if len(shown) < len(found.statements):
        yield from (f"{_left_out(found, shown)}.", "")
    if found.temporary_bytes:
        yield f"Temporary files in all: {byte_size(found.temporary_bytes)}."
        yield ""
    if found.traffic is not None:
        yield from (f"- {line}" for line in _felt(found.traffic))
        stall = found.traffic.stall
        if stall is None:
            yield f"- {_stall(found.traffic)}"
        else:
            yield f"- longest stall {text.duration(stall.seconds)}: {code(_cut(stall.query, _QUERY_WIDTH))}"
        for each in found.traffic.failures:
            yield f"- failed {each.count} times: {code(f'{_cut(each.query, _QUERY_WIDTH)}: {each.message}')}"


# -------------------------------------------------------------------------------------------------------- for programs


def value(found: Measurement, *, hide: Callable[[str], str]) -> dict[str, object]:
    """For JSON: durations in milliseconds, sizes in bytes; null is what could not be known. `hide` masks secrets."""
    return {
        "statements": [_statement(each, hide) for each in found.statements],
        "temporary_bytes": found.temporary_bytes,
        "traffic": None if found.traffic is None else _traffic(found.traffic, hide),
    }


def _statement(statement: StatementMeasured, hide: Callable[[str], str]) -> dict[str, object]:
    impact = statement.impact
    return {
        "version": impact.version,
        "path": impact.place.path,
        "line": impact.place.line,
        "sql": hide(impact.sql),
        "statements": impact.count,
        "duration_ms": _ms(statement.seconds),
        "locks": [
            {"schema": each.table.schema, "table": each.table.name, "lock": each.lock.sql, "held_ms": _ms(each.seconds)}
            for each in statement.locks
        ],
        "while_holding": [{"table": str(held.table), "lock": held.lock.sql} for held in statement.holding],
        "rewritten": [
            {
                "schema": each.table.schema,
                "table": each.table.name,
                "index": each.index,
                "rows": each.rows,
                "bytes": each.size,
            }
            for each in statement.rewritten
        ],
        "rows": statement.rows,
        "wal_bytes": statement.wal_bytes,
        "temporary_bytes": statement.temporary_bytes,
        "stall_ms": None if statement.stall is None else _ms(statement.stall),
    }


def _traffic(traffic: TrafficMeasured, hide: Callable[[str], str]) -> dict[str, object]:
    stall = traffic.stall
    return {
        "sessions": traffic.sessions,
        "before": _latencies(traffic.alone),
        "during": _latencies(traffic.during),
        "longest_stall": None
        if stall is None
        else {
            "query": hide(stall.query),
            "table": None if stall.table is None else str(stall.table),
            "duration_ms": _ms(stall.seconds),
        },
        "failures": [
            {"query": hide(each.query), "message": hide(each.message), "count": each.count} for each in traffic.failures
        ],
    }


def _latencies(felt: Latencies | None) -> dict[str, object] | None:
    if felt is None:
        return None
    return {
        "queries": felt.count,
        "p50_ms": _ms(felt.p50),
        "p99_ms": _ms(felt.p99),
        "longest_ms": _ms(felt.longest),
    }


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)
