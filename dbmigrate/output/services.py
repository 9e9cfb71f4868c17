"""Several services in one database: their status for people and for programs. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.output import text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dbmigrate.reports import ServiceStatus
    from dbmigrate.services import Service

ITSELF = "-"  # the project itself, whose migrations belong to no service


def lines(found: Sequence[ServiceStatus], *, verbose: bool) -> Iterator[str]:
    """A table; with `verbose` owners and notes, too. Below it why a service could not be read."""
    grid = [_head(verbose=verbose), *(_row(each, verbose=verbose) for each in found)]
    widths = [max(text.cells(row[number]) for row in grid) for number in range(len(grid[0]))]
    for row in grid:
        padded = (cell + " " * (width - text.cells(cell)) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(padded).rstrip()
    for each in found:
        if each.failure is not None:
            yield f"{prefix(each.service)}{text.one_line(each.failure)}"


def prefix(service: Service) -> str:
    """What a message about one of several services begins with."""
    return f"[{service.name or ITSELF}] "


def _head(*, verbose: bool) -> list[str]:
    return ["service", "version", "applied", "pending", "failed", *(("owner", "notes") if verbose else ())]


def _row(found: ServiceStatus, *, verbose: bool) -> list[str]:
    cells = [found.service.name or ITSELF, found.version or "none", str(len(found.recorded))]
    cells.append("?" if found.status is None else str(len(found.pending)))
    cells.append(", ".join(found.failed) or "none")
    if verbose:
        cells += [found.service.owner, found.service.notes]
    return [text.one_line(cell) for cell in cells]


def about(service: Service) -> str:
    """A service in one line: ``service ai · team assistants · PostgreSQL only``."""
    return text.one_line(" · ".join(filter(None, (service.title, service.owner, service.notes))))


def value(found: Sequence[ServiceStatus]) -> dict[str, object]:
    """All services; `version` and `pending` are null where they are not known."""
    return {"current": all(each.is_current for each in found), "services": list(map(_value, found))}


def identity(service: Service | None) -> dict[str, object] | None:
    """Its name, its owner, the notes about it."""
    if service is None:
        return None
    return {"name": service.name or None, "owner": service.owner or None, "notes": service.notes or None}


def _value(found: ServiceStatus) -> dict[str, object]:
    return {
        **(identity(found.service) or {}),
        "table": found.service.table,
        "directories": list(found.service.directories),
        "version": found.version,
        "applied": len(found.recorded),
        "pending": None if found.status is None else list(found.pending),
        "failed": list(found.failed),
        "current": found.is_current,
        "error": found.failure,
    }
