"""What a lint rule is: a function that yields findings, with its code, name, title and severity.

A decorator turns the function into a rule, and says what the rule is called with. `registry` collects the rules:

    @statement_rule("L122", "drop-table", "DROP TABLE", squawk=("ban-drop-table",))
    def drops_table(context: StatementContext) -> Iterator[Finding]: ...
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

from dbmigrate.model import Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Unpack

    from dbmigrate.lint.context import File, Finding, StatementContext

__all__ = ["FileRule", "ProjectRule", "Rule", "StatementRule", "file_rule", "project_rule", "statement_rule"]


class Options(TypedDict, total=False):
    """What few rules need."""

    squawk: tuple[str, ...]
    is_optional: bool
    most: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule, without its function.

    `squawk` are squawk's rules about the same thing, which are left out. An optional rule is off unless the
    configuration enables it. Of more findings than `most` in one file only the first is shown, with the lines of the
    others.
    """

    code: str
    name: str
    title: str
    severity: Severity
    squawk: tuple[str, ...] = ()
    is_optional: bool = False
    most: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementRule(Rule):
    """A rule about one statement: called with every statement of the up sections."""

    find: Callable[[StatementContext], Iterator[Finding]]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRule(Rule):
    """A rule about one migration: called once, after its statements."""

    find: Callable[[File], Iterator[Finding]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectRule(Rule):
    """A rule about one migration that depends on later ones: called after all migrations were read."""

    find: Callable[[File], Iterator[Finding]]


def statement_rule(
    code: str, name: str, title: str, severity: Severity = Severity.WARNING, **options: Unpack[Options]
) -> Callable[[Callable[[StatementContext], Iterator[Finding]]], StatementRule]:
    """Make a `StatementRule` of a function."""
    return lambda find: StatementRule(code=code, name=name, title=title, severity=severity, find=find, **options)


def file_rule(
    code: str, name: str, title: str, severity: Severity = Severity.WARNING, **options: Unpack[Options]
) -> Callable[[Callable[[File], Iterator[Finding]]], FileRule]:
    """Make a `FileRule` of a function."""
    return lambda find: FileRule(code=code, name=name, title=title, severity=severity, find=find, **options)


def project_rule(
    code: str, name: str, title: str, severity: Severity = Severity.WARNING, **options: Unpack[Options]
) -> Callable[[Callable[[File], Iterator[Finding]]], ProjectRule]:
    """Make a `ProjectRule` of a function."""
    return lambda find: ProjectRule(code=code, name=name, title=title, severity=severity, find=find, **options)
