"""A lock report as lines for people, as values for JSON, as a table for summaries. Pure.

The order is that of the statements; dangerous ones are marked.
"""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import TYPE_CHECKING

from dbmigrate.output import text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from dbmigrate.impact import Priced, PricedTable, Size, TableImpact, Usage

_PRICED = "; sizes and sessions are those of the target now"
_SQL_WIDTH = 60
_TABLES_SHOWN = 20
_UNITS = ((1 << 40, "TB"), (1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "kB"))


def lines(statements: Sequence[Priced]) -> Iterator[str]:
    """One line a statement and table, under the name of its file; nothing for what is harmless."""
    shown = [priced for priced in statements if _is_shown(priced)]
    is_priced = any(table.usage is not None for priced in statements for table in priced.tables)
    yield f"Locks, measured on a scratch database{_PRICED if is_priced else ''}"
    path = None
    for priced in shown:
        if priced.impact.place.path != path:
            path = priced.impact.place.path
            yield text.one_line(path)
        yield from map(text.one_line, _statement_lines(priced))
    yield _summary(statements)


def _is_shown(priced: Priced) -> bool:
    return priced.impact.note is not None or priced.held != () or any(map(_matters, priced.tables))


def _matters(priced: PricedTable) -> bool:
    return priced.impact.matters


def _statement_lines(priced: Priced) -> Iterator[str]:
    impact = priced.impact
    sql = _shortened(impact.sql) + (f" (x {impact.count})" if impact.count > 1 else "")
    where = f"{'!!' if priced.verdict.is_dangerous else '  '} :{impact.place.line}"
    shown = [table for table in priced.tables if _matters(table)]
    for table in shown[:_TABLES_SHOWN]:
        parts = [*table_parts(table), *_around(priced)]
        yield f"{where}  {_name(table.impact)}  {sql}  {' · '.join(parts)}"
    if len(shown) > _TABLES_SHOWN:
        yield f"{where}  ... and {len(shown) - _TABLES_SHOWN} more tables"
    if not shown:
        yield f"{where}  {sql}  {' · '.join(filter(None, (impact.note, *_around(priced))))}"


def _around(priced: Priced) -> Iterator[str]:
    """What concerns the statement, not a table: the locks that it prolongs, whom it waits for."""
    if priced.held:
        held = ", ".join(f"{held.lock.sql} on {held.table}" for held in priced.held)
        yield f"while {held} is held"
    if priced.impact.waits_for:
        oldest = priced.oldest_transaction
        age = f" (the oldest is {text.duration(oldest)} old)" if oldest else ""
        yield f"waits for {priced.impact.waits_for}{age}"


def _name(impact: TableImpact) -> str:
    parts = len(impact.partitions)
    return f"{impact.table} (and {text.count(parts, 'partition')})" if parts else f"{impact.table}"


def table_parts(priced: PricedTable) -> Iterator[str]:
    """The parts of a table's line: the lock, the work, who has to wait, who uses it."""
    impact = priced.impact
    through = f" on {impact.through}" if impact.through else ""
    yield f"{impact.lock.sql}{through}{' (held already)' if impact.is_held else ''}"
    if not priced.exists:
        yield "the table is new on the target"
        return
    size = f" {_size(impact, priced.size)}" if priced.size else ""
    if work := _work(impact):
        yield f"{work}{' over' if size and work.endswith(('index', 'indexes')) else ''}{size}"
    yield _effect(priced)
    if priced.usage and priced.usage.sessions:
        yield _users(priced.usage)
    if age := priced.queues_behind:
        yield f"waits behind a transaction that is open for {text.duration(age)}, and everybody else behind it"


def _work(impact: TableImpact) -> str:
    new, rebuilt = len(impact.new_indexes), len(impact.rebuilt_indexes)
    works = (
        (impact.is_dropped, "drops it"),
        (impact.is_emptied, "empties it"),
        (impact.is_rewritten, "rewrites"),
        (new, f"builds {_indexes(new)}"),
        (rebuilt and not impact.is_rewritten, f"rebuilds {_indexes(rebuilt)}"),
        (impact.is_scanned and not impact.writes_much, "reads"),
    )
    return " and ".join(words for is_so, words in works if is_so)


def _indexes(amount: int) -> str:
    return "1 index" if amount == 1 else f"{amount} indexes"


def _effect(priced: PricedTable) -> str:
    blocks = priced.impact.lock.blocks
    if priced.verdict.is_dangerous:
        return f"blocks {blocks}"
    if not blocks:
        return "blocks nobody"
    return f"blocks {blocks}{' briefly' if 'brief' in priced.verdict else ''}"


def _size(impact: TableImpact, size: Size) -> str:
    weight = size.total_bytes if impact.writes_much else size.table_bytes
    if not weight:
        return "(empty)"
    if size.rows is None:
        return f"an unknown number of rows (never analysed), {byte_size(weight)} on disk"
    return f"≈ {number(size.rows)} rows, {byte_size(weight)}"


def _users(usage: Usage) -> str:
    return f"{text.count(usage.sessions, 'session')} {'uses' if usage.sessions == 1 else 'use'} it{_longest(usage)}"


def _longest(usage: Usage) -> str:
    """The owner of the oldest transaction; nothing where the role may not see it."""
    who = " ".join(filter(None, (usage.user, f"({usage.application})" if usage.application else "")))
    age = text.duration(usage.oldest_transaction) if usage.oldest_transaction is not None else ""
    longest = " of ".join(filter(None, (age, who)))
    return f", the longest for {longest}" if age else ""


def _summary(statements: Sequence[Priced]) -> str:
    dangerous = sum(priced.verdict.is_dangerous for priced in statements)
    if dangerous:
        return f"{text.count(dangerous, 'statement')} would block others for long (marked !!)"
    return "No statement blocks others for long"


def _shortened(sql: str) -> str:
    return sql if len(sql) <= _SQL_WIDTH else f"{sql[: _SQL_WIDTH - 1]}…"


def number(count: int) -> str:
    """``310 M``, ``12 k``, ``7``: as exact as an estimate."""
    for size, unit in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if count >= size:
            return f"{_three_digits(count / size)} {unit}"
    return str(count)


def byte_size(count: int) -> str:
    """``41 GB``: powers of 1024, as PostgreSQL writes them."""
    for size, unit in _UNITS:
        if count >= size:
            return f"{_three_digits(count / size)} {unit}"
    return f"{count} bytes"


def _three_digits(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0") if value < 10 else f"{value:.0f}"


# ------------------------------------------------------------------------------------------------------ for programs


def values(statements: Iterable[Priced]) -> list[dict[str, object]]:
    """The report for JSON. Sizes are bytes, times seconds; null is what could not be known."""
    return [
        {
            "version": priced.impact.version,
            "path": priced.impact.place.path,
            "line": priced.impact.place.line,
            "sql": priced.impact.sql,
            "statements": priced.impact.count,
            "verdict": priced.verdict.name.lower(),
            "dangerous": priced.verdict.is_dangerous,
            "measured": priced.impact.is_measured,
            "note": priced.impact.note,
            "waits_for": priced.impact.waits_for,
            "oldest_transaction": priced.oldest_transaction,
            "while_holding": [
                {"table": str(held.table), "lock": held.lock.sql, "blocks": held.lock.blocks or None}
                for held in priced.impact.holding
            ],
            "tables": [_table_value(table) for table in priced.tables],
        }
        for priced in statements
    ]


def _table_value(priced: PricedTable) -> dict[str, object]:
    impact, size, usage = priced.impact, priced.size, priced.usage
    return {
        "schema": impact.table.schema,
        "table": impact.table.name,
        "lock": impact.lock.sql,
        "lock_held_already": impact.is_held,
        "lock_on": impact.through,
        "blocks": impact.lock.blocks or None,
        "verdict": priced.verdict.name.lower(),
        "rewrites": impact.is_rewritten,
        "scans": impact.is_scanned,
        "empties": impact.is_emptied,
        "drops": impact.is_dropped,
        "new_indexes": list(impact.new_indexes),
        "rebuilt_indexes": list(impact.rebuilt_indexes),
        "partitions": len(impact.partitions),
        "exists": priced.exists,
        "rows": size.rows if size else None,
        "table_bytes": size.table_bytes if size else None,
        "total_bytes": size.total_bytes if size else None,
        "sessions": usage.sessions if usage else None,
        "oldest_transaction": usage.oldest_transaction if usage else None,
        "longest_query": usage.longest_query if usage else None,
        "user": usage.user if usage else None,
        "application": usage.application if usage else None,
    }


def markdown(statements: Iterable[Priced]) -> Iterator[str]:
    """A table for a summary; cells are escaped."""
    yield "|  | statement | table | lock | what it means |"
    yield "|---|---|---|---|---|"
    for priced in statements:
        place = f"{PurePath(priced.impact.place.path).name}:{priced.impact.place.line}"
        for mark, sql, table, lock, meaning in rows(priced):
            is_named = table and not table.endswith(" more")
            yield row(mark, f"{place} {code(sql)}", code(table) if is_named else table, lock, meaning)


def rows(priced: Priced) -> Iterator[tuple[str, str, str, str, str]]:
    """The cells for a statement, one row a table: a mark, the SQL, the table, the lock, what it means."""
    if not _is_shown(priced):
        return
    mark, sql = "⚠️" if priced.verdict.is_dangerous else "", _shortened(priced.impact.sql)
    shown = [table for table in priced.tables if _matters(table)]
    for table in shown[:_TABLES_SHOWN]:
        lock, *rest = table_parts(table)
        yield mark, sql, _name(table.impact), lock, " · ".join((*rest, *_around(priced)))
    if len(shown) > _TABLES_SHOWN:
        yield mark, sql, f"{len(shown) - _TABLES_SHOWN} more", "", ""
    if not shown:
        yield mark, sql, "", "", " · ".join(filter(None, (priced.impact.note, *_around(priced))))


def row(*cells: str) -> str:
    """A row of a table in Markdown."""
    return f"| {' | '.join(text.one_line(cell).replace('|', chr(92) + '|') for cell in cells)} |"


def code(shown: str) -> str:
    """Text that markdown shows as it is: the fence is longer than every run of back-ticks inside."""
    shown = text.one_line(shown)
    runs = re.findall("`+", shown)
    fence, padding = "`" * (max(map(len, runs), default=0) + 1), " " if runs else ""
    return f"{fence}{padding}{shown}{padding}{fence}"
