"""A backfill that is left for later: no failure, but its migration is not applied."""

from __future__ import annotations


class Deferred(Exception):  # noqa: N818 (nothing is wrong)
    """A backfill was recorded as deferred, or paused; `message` says how far it is."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
