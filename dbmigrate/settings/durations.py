"""Durations and booleans as people write them in options and environment variables."""

from __future__ import annotations

import re

from dbmigrate.errors import ConfigError

__all__ = ["LONGEST", "SHORTEST", "boolean", "duration", "seconds", "shown"]

# Go's units (time.ParseDuration) and PostgreSQL's (https://www.postgresql.org/docs/current/config-setting.html)
_UNITS = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,  # U+00B5, the micro sign
    "μs": 1e-6,  # U+03BC, the Greek letter
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "min": 60.0,
    "h": 3600.0,
    "d": 86400.0,
}
_PART = re.compile(r"\s*([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*(min|ns|us|µs|μs|ms|s|m|h|d)")
_ZERO = re.compile(r"0+(\.0*)?")
_NUMBER = re.compile(r"[0-9]+(\.[0-9]*)?|\.[0-9]+")

# PostgreSQL keeps its time-outs in milliseconds, as 32-bit integers; below one of them a limit would turn into "none"
LONGEST = 2_147_483.647
SHORTEST = 0.001

# strconv.ParseBool
_TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True"})
_FALSE = frozenset({"0", "f", "F", "false", "FALSE", "False"})


def seconds(text: str) -> float | None:
    """A duration in seconds: ``1m30s``, ``500ms``, ``1.5h``, ``5min``, ``2 d``, or ``0``. None for anything else.

    A bare number is not a duration: Go, PostgreSQL and people disagree on its unit.
    """
    text = text.strip()
    if _ZERO.fullmatch(text):
        return 0.0
    total, position = 0.0, 0
    while part := _PART.match(text, position):
        total += float(part[1]) * _UNITS[part[2]]
        position = part.end()
    return total if text and position == len(text) else None


def duration(text: str, name: str) -> float:
    """As `seconds`, for the option or variable `name`.

    Raises ConfigError E205 for anything else, and for a duration that PostgreSQL cannot keep: above 24 days, or below
    a millisecond and not 0.
    """
    found = seconds(text)
    if found is None:
        raise ConfigError(f"{name}: {_shown(text)} is not a duration", code="E205", hint=_duration_hint(text.strip()))
    if found and not SHORTEST <= found <= LONGEST:
        raise ConfigError(
            f"{name}: {_shown(text)} is out of range", code="E205", hint="write 0, or a duration from 1ms to 24d"
        )
    return found


def shown(given: float) -> str:
    """A duration in seconds, as PostgreSQL writes a time-out: ``300ms``, ``30s``, ``5min``."""
    number = max(round(given * 1000), 1) if given else 0
    for unit, size in (("h", 3_600_000), ("min", 60_000), ("s", 1000)):
        if number and number % size == 0:
            return f"{number // size}{unit}"
    return f"{number}ms" if number else "0"


def _duration_hint(text: str) -> str:
    if _NUMBER.fullmatch(text) and len(text) < 10:
        return f"add the unit: {text}s, {text}ms or {text}m"
    return "write it as 30s, 500ms, 1m30s, 5min or 1.5h"


def boolean(text: str, name: str) -> bool:
    """A boolean in Go's spelling, as dbmate reads it. Raises ConfigError E205 for anything else, ``yes`` too."""
    word = text.strip()
    if word in _TRUE or word in _FALSE:
        return word in _TRUE
    raise ConfigError(
        f"{name}: {_shown(text)} is neither true nor false", code="E205", hint="write true or false, or 1 or 0"
    )


def _shown(text: str) -> str:
    """A value for a message: on one line, without control characters, not too long."""
    shown = "".join(char if char.isprintable() else "?" for char in text)
    return f'"{shown}"' if len(shown) <= 60 else f'"{shown[:60]}..."'
