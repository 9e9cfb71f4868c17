"""One check, from the files to the report."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from dbmigrate.check import prerequisites, reading
from dbmigrate.check.values import Report
from dbmigrate.model import Severity
from dbmigrate.scratch import choose
from dbmigrate.tracking import provenance

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dbmigrate.check.options import Options
    from dbmigrate.check.reading import Reading
    from dbmigrate.model import Problem
    from dbmigrate.scratch.ahead import Ahead
    from dbmigrate.scratch.choose import Choice


def run(options: Options, choice: Choice) -> Report:
    """Check the migrations on a scratch database.

    Raises PlanError E235 (no migrations directory), ConfigError E247 (no such revision), and what
    `scratch.open_server` raises.
    """
    began = time.monotonic()
    with choose.ahead(choice) as begun:
        report = _checked(options, choice, begun)
    return replace(report, seconds=time.monotonic() - began)


def _checked(options: Options, choice: Choice, begun: Ahead) -> Report:
    read = reading.read(options.directories, options.order, options.variables)
    selected = _selected(read, options)
    report = Report(_only(read.problems, selected, options), files=len(read.files), selected=len(selected))
    if options.lint is not None:
        linted = options.lint(read.migrations, selected)
        report = replace(report, problems=tuple(_once((*report.problems, *linted))))
    if read.sound or (read.repeatables and not read.files):
        ordered = prerequisites.ordered(read.sound, options.project, options.order, options.variables)
        report = replace(report, problems=(*report.problems, *ordered.problems))
        from dbmigrate.check.scratch_run import Work, on_scratch  # now, because the server is still at work

        work = Work(read, ordered, selected)
        effects = work.effects(options)
        with choose.open_server(replace(choice, effects=effects, spared=choice.target), begun) as server:
            report = on_scratch(report, work, server, options)
    return report


def _selected(read: Reading, options: Options) -> frozenset[str]:
    """The versions that are tried down and up again, and linted."""
    if options.since is None:
        return frozenset(file.version for file in read.files)
    changed: set[str] = set()
    for directory in options.directories:
        changed |= provenance.changed_since(options.since, directory)
    return frozenset(file.version for file in read.files if os.path.realpath(file.path) in changed)


def _only(problems: Sequence[Problem], selected: frozenset[str], options: Options) -> tuple[Problem, ...]:
    """With ``--since``, only errors and findings without a place: the others are about unchanged files."""
    if options.since is None:
        return tuple(problems)
    return tuple(problem for problem in problems if problem.severity is Severity.ERROR or problem.place is None)


def _once(problems: Iterable[Problem]) -> Iterable[Problem]:
    """Without duplicates: the parser and the linter may have found the same."""
    return {(problem.code, problem.place, problem.message): problem for problem in problems}.values()
