"""Sections of pg_service.conf: https://www.postgresql.org/docs/current/libpq-pgservice.html"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dbmigrate.connection.libpq_keywords import KEYWORDS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["read"]


def read(name: str, environ: Mapping[str, str]) -> dict[str, str] | None:
    """The keywords of a service, from the user's file, otherwise from the system's.

    None if it is not found, or has something that only libpq understands (LDAP): then libpq reads it, and reports
    errors. Nothing is raised.
    """
    for path in _paths(environ):
        section = _section(_lines(path), name)
        if section:
            return section if section.keys() <= KEYWORDS - {"service"} else None
    return None


def _paths(environ: Mapping[str, str]) -> Iterator[Path]:
    if environ.get("PGSERVICEFILE"):
        yield Path(environ["PGSERVICEFILE"])
    elif environ.get("HOME"):
        yield Path(environ["HOME"], ".pg_service.conf")
    if environ.get("PGSYSCONFDIR"):
        yield Path(environ["PGSYSCONFDIR"], "pg_service.conf")


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # libpq looks for the same file, and reports the error
        return []


def _section(lines: list[str], name: str) -> dict[str, str]:
    """The first section of this name: ``key=value`` lines, without quotes; ``#`` begins a comment line."""
    found: dict[str, str] = {}
    is_wanted = False
    for line in map(str.strip, lines):
        if line.startswith("["):
            if is_wanted:
                break
            is_wanted = line.partition("]")[0] == f"[{name}"
        elif is_wanted and line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.setdefault(key, value)
    return found
