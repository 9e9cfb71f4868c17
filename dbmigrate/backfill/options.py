"""The options of a section that is a backfill: ``-- migrate:up backfill:TABLE key:a,b batch:1000 target:100ms``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dbmigrate.backfill.names import folded
from dbmigrate.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["CHECKS", "EXAMPLES", "Settings", "clash", "settings"]

LARGEST_BATCH = 100_000
_NAME = r'(?:[^\W\d][\w$]*|"(?:[^"]|"")+")'
_TABLE = re.compile(rf"{_NAME}(?:\.{_NAME})?").fullmatch
_COLUMNS = re.compile(rf"{_NAME}(?:,{_NAME})*").fullmatch
_EACH = re.compile(_NAME)
_DURATION = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?(?:ms|s|min|m|h))+", re.ASCII).fullmatch
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|min|m|h)", re.ASCII)
_RATE = re.compile(r"([0-9]+)/s", re.ASCII).fullmatch
_SHARE = re.compile(r"([0-9]+)%", re.ASCII).fullmatch
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


@frozen
class Settings:
    """What the header of a backfill says. Times are in seconds.

    `table` is its schema, if it is named, and its name; no `key` is the primary key. `pause` None is half of the last
    page's time, `max_lag` None is off, and `asks_for_lag` says that the file names it. `max_rate` is in rows per
    second, `vacuum` a share of the table's rows.
    """

    table: tuple[str | None, str]
    key: tuple[str, ...] = ()
    batch: int = 1000
    target: float = 0.1
    pause: float | None = None
    max_lag: float | None = 10.0
    asks_for_lag: bool = False
    max_rate: int | None = None
    vacuum: float | None = None


def settings(options: Mapping[str, str]) -> Settings:
    """The settings of a section with the option ``backfill``, whose values were checked by `CHECKS`."""
    *schema, name = map(folded, _EACH.findall(options["backfill"]))
    lag, rate, share = options.get("max_lag"), options.get("max_rate"), options.get("vacuum")
    pause = options.get("pause")
    return Settings(
        (schema[0] if schema else None, name),
        tuple(map(folded, _EACH.findall(options.get("key", "")))),
        batch=int(options.get("batch", "1000")),
        target=_seconds(options.get("target", "100ms")),
        pause=None if pause is None else _seconds(pause),
        max_lag=None if lag == "off" else _seconds(lag or "10s"),
        asks_for_lag=lag not in (None, "off"),
        max_rate=int(rate.removesuffix("/s")) if rate else None,
        vacuum=int(share.removesuffix("%")) / 100 if share else None,
    )


def clash(options: Mapping[str, str]) -> tuple[str, str, str] | None:
    """An option that cannot stand in its header, why, and what to do."""
    if "backfill" not in options:
        mine = next((key for key in options if key in CHECKS), None)
        return (mine, f"{mine} is an option of a backfill", "name its table: `backfill:TABLE`") if mine else None
    if "transaction" in options:
        return "transaction", "each page of a backfill is a transaction of its own", "remove the option `transaction`"
    return None


def _seconds(text: str) -> float:
    return sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(text))


# ------------------------------------------------------------------------------- the values, checked as a file is read


def _is_table(value: str) -> str | None:
    return None if _TABLE(value) else f"has to be the name of a table, not `{value}`"


def _is_key(value: str) -> str | None:
    return None if _COLUMNS(value) else f"has to be a column or several with commas between them, not `{value}`"


def _is_batch(value: str) -> str | None:
    if value.isascii() and value.isdecimal() and 1 <= int(value[:9]) <= LARGEST_BATCH and len(value) < 9:
        return None
    return f"has to be a number of rows from 1 to {LARGEST_BATCH}, not `{value}`"


def _is_target(value: str) -> str | None:
    return None if _DURATION(value) and _seconds(value) > 0 else f"has to be a duration such as 100ms, not `{value}`"


def _is_pause(value: str) -> str | None:
    return None if value == "0" or _DURATION(value) else f"has to be a duration such as 50ms or 0, not `{value}`"


def _is_lag(value: str) -> str | None:
    if value == "off" or (_DURATION(value) and _seconds(value) > 0):
        return None
    return f"has to be a duration such as 10s, or off, not `{value}`"


def _is_rate(value: str) -> str | None:
    match = _RATE(value)
    return None if match and int(match[1]) else f"has to be a number of rows per second such as 5000/s, not `{value}`"


def _is_share(value: str) -> str | None:
    match = _SHARE(value)
    if match and 1 <= int(match[1][:9]) <= 100 and len(match[1]) < 9:
        return None
    return f"has to be a share of the rows such as 10%, not `{value}`"


CHECKS: dict[str, Callable[[str], str | None]] = {
    "backfill": _is_table,
    "key": _is_key,
    "batch": _is_batch,
    "target": _is_target,
    "pause": _is_pause,
    "max_lag": _is_lag,
    "max_rate": _is_rate,
    "vacuum": _is_share,
}
EXAMPLES = {
    "backfill": "users",
    "key": "id",
    "batch": "1000",
    "target": "100ms",
    "pause": "50ms",
    "max_lag": "10s",
    "max_rate": "5000/s",
    "vacuum": "10%",
}
