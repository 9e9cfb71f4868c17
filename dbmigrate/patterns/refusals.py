"""Why a pattern is not for this schema."""

from __future__ import annotations

from dbmigrate.errors import PlanError, Refused

__all__ = ["misfit", "refused"]


def misfit(message: str, hint: str = "") -> PlanError:
    """The arguments do not fit to the schema."""
    return PlanError(message, code="E266", hint=hint or None)


def refused(message: str, hint: str = "") -> Refused:
    """The pattern would lose something."""
    return Refused(message, code="E770", hint=hint or None)
