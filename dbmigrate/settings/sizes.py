"""Sizes as people write them in options."""

from __future__ import annotations

import re

from dbmigrate.errors import ConfigError

__all__ = ["size"]

# PostgreSQL's units: https://www.postgresql.org/docs/current/config-setting.html
_UNITS = {"b": 1, "kb": 1 << 10, "mb": 1 << 20, "gb": 1 << 30, "tb": 1 << 40}
_SIZE = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([kKmMgGtT]?[bB])\s*")


def size(text: str, name: str) -> int:
    """Bytes, from ``500MB`` or ``1.5 GB``, for the option `name`. Raises ConfigError E205."""
    found = _SIZE.fullmatch(text)
    if found is None:
        hint = "write a number with its unit: 500MB, 1.5GB"
        raise ConfigError(f"{name}: {text!r} is not a size", code="E205", hint=hint)
    return int(float(found[1]) * _UNITS[found[2].lower()])
