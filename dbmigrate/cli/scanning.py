"""Findings for code scanning: what a SARIF file needs to know beside them."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from dbmigrate.cli.call import Call
    from dbmigrate.model import Problem, Severity
    from dbmigrate.output.sarif import Rule


def sarif(call: Call, command: str, problems: Sequence[Problem]) -> str:
    """The findings as SARIF, with their paths in the repository."""
    from dbmigrate.output import reports
    from dbmigrate.output import sarif as output
    from dbmigrate.tracking import provenance

    prefix, directories = provenance.prefix(), call.settings().migrations_dirs
    placed = reports.below(prefix, tuple(map(_from_here, problems)))
    run = output.Run(command, in_repository(directories[0]), os.path.join(prefix, _anchor(directories)))
    return output.report(placed, _rules(placed), run)


def in_repository(path: str) -> str:
    """The path as the repository has it."""
    from dbmigrate.tracking import provenance

    here = os.path.relpath(os.path.realpath(path), os.path.realpath(os.curdir)) if os.path.isabs(path) else path
    return os.path.normpath(os.path.join(provenance.prefix(), here)).replace(os.sep, "/")


def _from_here(problem: Problem) -> Problem:
    """The same with a path that begins in the current directory."""
    place = problem.place
    if place is None or not os.path.isabs(place.path):
        return problem
    path = os.path.relpath(os.path.realpath(place.path), os.path.realpath(os.curdir))
    return replace(problem, place=replace(place, path=path))


def _anchor(directories: Sequence[str]) -> str:
    """A file where a finding is shown that is about no file: the last migration, else the project file.

    A file outside of the current directory may be outside of the repository, where nothing can be shown.
    """
    for directory in directories:
        names = [name for name in _names(directory) if name.endswith(".sql")]
        path = os.path.relpath(os.path.join(directory, max(names))) if names else ""
        if path and not path.startswith(os.pardir):
            return path
    return "dbmigrate.toml"


def _names(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:  # the command itself names it
        return []


def _rules(problems: Iterable[Problem]) -> Mapping[str, Rule]:
    """The pages of the codes that were found."""
    return dict(_each_rule({problem.code: problem.severity for problem in problems}))


def _each_rule(found: Mapping[str, Severity]) -> Iterator[tuple[str, Rule]]:
    from dbmigrate.cli import explanations
    from dbmigrate.lint import RULES
    from dbmigrate.output.sarif import Rule

    pages = explanations.pages() if found else {}
    for code, severity in found.items():
        own, page = RULES.get(code), pages.get(code)
        title, body = (page.title, page.body) if page else (code, "")
        yield code, Rule(title, body, own.severity if own else severity, own.name if own else "")
