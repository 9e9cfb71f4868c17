"""A lock report without the values of variables: where one is the name of a table, the report names that table."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Any

from dbmigrate.connection import redaction
from dbmigrate.model import Place

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dbmigrate.impact.values import LockReport

__all__ = ["masked"]


def masked(report: LockReport, values: Sequence[str]) -> LockReport:
    """The report with these values masked in its names. What is of the file (places, SQL) holds none."""
    hidden: LockReport = _without(report, sorted(values, key=len, reverse=True))
    return hidden


def _without(value: Any, values: Sequence[str]) -> Any:  # noqa: ANN401 (every field of every value)
    if isinstance(value, Enum | Place):
        return value
    if isinstance(value, str):
        return redaction.without(value, values)
    if isinstance(value, tuple):
        return tuple(_without(each, values) for each in value)
    if is_dataclass(value) and not isinstance(value, type):
        kept = {each.name: getattr(value, each.name) for each in fields(value) if each.name not in ("version", "sql")}
        return replace(value, **{name: _without(each, values) for name, each in kept.items()})
    return value
