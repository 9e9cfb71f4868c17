"""``report --markdown``: the catalogue of the migrations, and whether the one that is there is stale."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from dbmigrate.cli import scratch
from dbmigrate.errors import Error
from dbmigrate.model import Direction, Place, Problem, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dbmigrate.check.changes import Changes
    from dbmigrate.cli.call import Call
    from dbmigrate.migrations.find import Directory
    from dbmigrate.model import Migration
    from dbmigrate.planning.graph import Node
    from dbmigrate.reporting.catalogue import Catalogue, Entry
    from dbmigrate.settings.load import Settings

NAME = "MIGRATIONS.md"
_REMEDY = "run `dbmigrate report --markdown`, and commit the file"


def default_path(settings: Settings) -> str:
    """Beside the first migrations directory: ``db/MIGRATIONS.md``."""
    directory = os.path.normpath(settings.migrations_dirs[0])
    return os.path.join(os.path.dirname(directory), NAME)


def written(call: Call, path: str) -> tuple[str, int]:
    """The text of the catalogue for a file at `path`, and the number of its entries.

    Raises PlanError E230, E235, ConfigError E207, and what making a scratch database raises.
    """
    from dbmigrate import check
    from dbmigrate.check import changes
    from dbmigrate.migrations import find
    from dbmigrate.reporting import catalogue

    settings = call.settings()
    own = settings.service.name if settings.service else ""
    options = check.Options(
        settings.migrations_dirs,
        settings.version_order,
        settings.migrations_table,
        variables=settings.variables,
        project=check.Project(own, tuple(each for each in settings.services if each.name != own)),
    )
    found = changes.run(options, scratch.for_check(call, settings.target_if_configured(), None))
    scratch.show_notes(call, filter(None, (found.note,)))
    _warn(call, found)
    listing = find.look(settings.migrations_dirs, settings.version_order)
    made = _catalogue(settings, found, listing, path)
    return catalogue.write(made, _sum(listing), hide=call.hide_values), len(made.entries)


def stale(settings: Settings) -> tuple[Problem, ...]:
    """W774 if there is a catalogue that is not of these files, or was edited."""
    from dbmigrate.migrations import find
    from dbmigrate.reporting import catalogue

    path = default_path(settings)
    try:
        text = Path(path).read_text(encoding="utf-8", errors="replace")
        known = catalogue.sums_in(text)
        if known is None:
            return ()  # somebody else's file
        sums, is_untouched = known
        is_current = sums.files == _sum(find.look(settings.migrations_dirs, settings.version_order))
    except (OSError, Error):  # no such file; another finding names what is wrong with the directory
        return ()
    if is_current and is_untouched:
        return ()
    why = "was edited after it was made" if is_current else "is not of the migrations as they are now"
    return (Problem("W774", f"{path} {why}", Severity.WARNING, Place(path, 1), _REMEDY),)


def _sum(listing: Directory) -> str:
    from dbmigrate.reporting import catalogue

    return catalogue.sum_of_files((file.name, file.path) for file in (*listing.files, *listing.repeatables))


def _warn(call: Call, found: Changes) -> None:
    """What could not be run, and why: the catalogue says only that it is not known."""
    problems = [each for each in found.read.problems if each.severity is Severity.ERROR]
    if found.failed is not None and found.failure is not None:
        message = f"what {found.failed} and the migrations after it change is not known: {found.failure.message}"
        problems.append(Problem("W773", message, Severity.WARNING, found.failure.place, found.failure.hint))
    call.warn(problems)


def _catalogue(settings: Settings, found: Changes, listing: Directory, path: str) -> Catalogue:
    from dbmigrate.migrations import peek
    from dbmigrate.planning import dependencies, graph, replaces
    from dbmigrate.reporting import schema
    from dbmigrate.reporting.catalogue import Catalogue

    said = tuple(peek.mentioning(listing.files, dependencies.WORD, replaces.WORD))
    nodes = graph.nodes(listing.files, said, {})
    drawn = tuple(graph.mermaid(nodes)) if any(node.depends or node.unknown for node in nodes) else ()
    tables = None if found.catalog is None or found.failed is not None else schema.of(found.catalog)
    entries = tuple(_entries(settings, found, {node.version: node for node in nodes}, path))
    return Catalogue(entries, tables, drawn, _about(settings))


def _about(settings: Settings) -> tuple[str, ...]:
    """Whose migrations these are, where they are those of a service."""
    service = settings.service
    if service is None or not service.name:
        return ()
    owner = f", owned by {service.owner}" if service.owner else ""
    return tuple(filter(None, (f"Service {service.name}{owner}.", service.notes)))


def _entries(settings: Settings, found: Changes, nodes: Mapping[str, Node], path: str) -> Iterator[Entry]:
    from dbmigrate.migrations import head
    from dbmigrate.planning import description, target_environments
    from dbmigrate.reporting import catalogue

    tickets = description.TICKETS if settings.ticket_pattern is None else settings.ticket_pattern
    read = {each.version: each for each in (*found.read.migrations, *found.read.repeatables)}
    files = [*found.read.files, *(each.file for each in found.read.repeatables)]
    names = {file.version: file.name for file in files}
    for file in files:
        migration, node = read.get(file.version), nodes.get(file.version)
        differences = found.by_version.get(file.version)
        yield catalogue.Entry(
            file.name,
            catalogue.link(file.path, path),
            "not known, the file cannot be read" if migration is None else _rollback(migration),
            description.of(head.read(file.path), tickets),
            () if node is None else (*(names.get(each, each) for each in node.depends), *node.unknown),
            migration is None or migration.is_transactional(Direction.UP),
            ", ".join(target_environments.names(migration)) if migration else None,
            differences,
            None if differences is not None else _unknown(migration),
        )


def _rollback(migration: Migration) -> str:
    if migration.file.is_repeatable:
        return "its earlier text, which the log keeps"
    if migration.is_irreversible:
        return "nothing, it is irreversible"
    if not any(section.count for section in migration.run_order(Direction.DOWN)):
        return "nothing: its down section is empty"
    return "down section" if migration.is_transactional(Direction.DOWN) else "down section, not in a transaction"


def _unknown(migration: Migration | None) -> str:
    from dbmigrate.planning import target_environments

    if migration is None:
        return "the file cannot be read"
    if target_environments.names(migration):
        return f"it is {target_environments.only_for(migration)}"
    return "it could not be run on an empty database"
