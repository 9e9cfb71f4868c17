"""``dbmigrate check`` in a test session: the migrations up, down and up again on a scratch database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate import check
from dbmigrate.output import findings
from dbmigrate.pytest_plugin import project
from dbmigrate.scratch.choose import Choice

if TYPE_CHECKING:
    from dbmigrate.pytest_plugin.project import Given


def run(given: Given, server: str) -> list[str]:
    """What is wrong, in lines; nothing if all is well."""
    found = project.read(given)
    explicit = project.server_of(server) if server else found.scratch
    options = check.Options(
        directories=found.options.directories,
        order=found.options.order,
        table=found.options.table,
        variables=found.variables,
    )
    is_there = explicit is not None and explicit.embedded is None
    choice = Choice(explicit=explicit if is_there else None, search=found.search, cache=found.cache)
    report = check.run(options, choice)
    if report.is_clean:
        return []
    return [str(line) for line in findings.human(report.problems, files=report.selected)]
