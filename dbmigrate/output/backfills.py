"""How far a backfill is, as text. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.output import text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dbmigrate.events import BackfillProgress
    from dbmigrate.model import Unfinished

__all__ = ["line", "unfinished_lines"]


def line(event: BackfillProgress) -> str:
    """``users: 43 %, 2.1 of about 5.0 million rows, 9300 rows/s, pages of 1800 in 96 ms, 5 min 2 s left``"""
    rows, seconds = event.page
    parts = [_how_far(event.share, event.rows, event.total)]
    parts += [f"{_short(event.rate)} rows/s"] if event.rate else []
    parts += [f"pages of {rows} in {text.duration(seconds)}"] if rows else []
    parts += [f"{text.duration(event.left)} left"] if event.left is not None else []
    waiting = f"; waiting: {event.waiting}" if event.waiting else ""
    return f"{event.table}: {', '.join(parts)}{waiting}"


def unfinished_lines(item: Unfinished) -> Iterator[str]:
    """How far an unfinished or deferred backfill is, and which command goes on with it."""
    command = f"`dbmigrate backfill {item.version}`" if item.is_deferred else "`dbmigrate up`"
    progress = item.progress
    if progress is None:
        yield "its backfill is deferred"
        yield f"hint: run it with {command}"
        return
    at = _keys(progress)
    passed, left, rate = (_number(progress.get(name)) for name in ("passed", "left", "rate"))
    share = None if left is None else (passed or 0) / max((passed or 0) + left, 1)
    parts = [_how_far(share, int(passed or 0), None if left is None else (passed or 0) + left)]
    parts += [f"{_short(rate)} rows/s"] if rate else []
    parts += [f"about {text.duration(left / rate)} left"] if left and rate else []
    what = "paused" if item.is_deferred else "stopped"
    error = f" ({item.error})" if item.error else ""
    yield f"its backfill {what}{at}: {', '.join(parts)}{error}"
    yield f"hint: continue with {command}"


def _keys(progress: Mapping[str, object]) -> str:
    after, key = progress.get("after"), progress.get("key")
    if not isinstance(after, list) or not isinstance(key, list):
        return ""
    return f" after {', '.join(map(str, key))} = {', '.join(map(str, after))}"


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _how_far(share: float | None, rows: int, total: float | None) -> str:
    if share is None or total is None:
        return f"{_short(rows)} rows"
    # the estimate may be short of the rest: only the end is 100 %
    return f"{min(int(share * 100), 99)} %, {_short(rows)} of about {_short(total)} rows"


def _short(number: float) -> str:
    """``950``, ``12,300``, ``2.1 million``"""
    return f"{number / 1e6:.1f} million" if number >= 1e6 else f"{number:,.0f}"
