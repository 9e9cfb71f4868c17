"""What cannot be had on this machine."""

from __future__ import annotations


class UnavailableError(Exception):
    """A server version cannot be had on this machine; the message says why."""
