"""From migrations to findings: call every rule, then squawk, then apply the ignore comments."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING

from dbmigrate.backfill import options
from dbmigrate.backfill.names import folded
from dbmigrate.lint import squawk, suppression
from dbmigrate.lint.catalog import Catalog
from dbmigrate.lint.config import LintConfig, is_known
from dbmigrate.lint.context import File, Finding, StatementContext, Transaction, Unit, created, units
from dbmigrate.lint.document import Document, read_document
from dbmigrate.lint.registry import RULES
from dbmigrate.lint.rule import FileRule, ProjectRule, StatementRule
from dbmigrate.lint.rules.repeatables import REPEATABLE
from dbmigrate.lint.rules.security import secret_words
from dbmigrate.lint.sql.shape import ActionKind, AlterTable, Name
from dbmigrate.lint.suppression import Span
from dbmigrate.migrations import parser
from dbmigrate.migrations.source import Cursor
from dbmigrate.model import Direction, Migration, Place, Problem, Severity, Statement, StatementKind
from dbmigrate.sql import words

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from dbmigrate.lint.rule import Rule
    from dbmigrate.model import Section

__all__ = ["lint"]

_MOST_STATEMENTS = 10_000  # of a section; what comes after them are rows of data
_COPY_SAMPLE = 64 << 10  # characters of COPY data that are searched
# findings of squawk that are left out where one of dbmigrate's rules has found the same in the statement
_DROPS_CONSTRAINT = "squawk:ban-drop-constraint"
_SAME = {squawk.UNREAD: frozenset(("L151",))}


def lint(
    migrations: Sequence[Migration],
    *,
    config: LintConfig | None = None,
    only: Collection[str] | None = None,
    unapplied: Collection[str] = (),
) -> tuple[Problem, ...]:
    """The findings about `migrations`, in the order of their places. Reads their files, needs no database.

    The migrations come in their order, because a rule knows what earlier ones have created. `only` are the versions
    whose findings are wanted (default: all); the others are context. `unapplied` are versions that are not applied
    anywhere: nobody uses what they create yet, so that later migrations may lock it. The parser's warnings (W2xx) are
    among the findings.

    Raises ConfigError E207 and MigrationFileError E210, E222 for a file that has changed meanwhile.
    """
    chosen = config or LintConfig()
    rules = [rule for rule in RULES.values() if chosen.is_on(rule.code)]
    catalog, linters = Catalog(), []
    for migration in migrations:
        new_versions = frozenset({migration.version, *unapplied})
        linter = _MigrationLinter(migration, read_document(migration.file.path), new_versions, chosen)
        is_wanted = only is None or migration.version in only
        linter.run(catalog, [rule for rule in rules if _is_about(rule, migration)] if is_wanted else ())
        if is_wanted:
            linters.append(linter)
    versioned = [linter for linter in linters if not linter.migration.file.is_repeatable]
    numbered = [migration for migration in migrations if not migration.file.is_repeatable]
    for linter in versioned:
        linter.run_project_rules(catalog, rules, numbered)
    foreign = _squawk(versioned, chosen)
    found = [problem for linter in linters for problem in linter.findings(foreign.get(linter.path, ()))]
    return tuple(sorted([*found, *foreign.get("", ())], key=_order))


def _is_about(rule: Rule, migration: Migration) -> bool:
    """Repeatable migrations have neither a version nor a down section: one rule is theirs."""
    return migration.file.is_repeatable is (rule.code == REPEATABLE)


def _order(problem: Problem) -> tuple[str, int, int, str]:
    place = problem.place or Place("", 0, 0)
    return place.path, place.line, place.column, problem.code


def _squawk(linters: Sequence[_MigrationLinter], config: LintConfig) -> dict[str, list[Problem]]:
    """squawk's findings by file; under the empty name a finding about squawk itself."""
    program = squawk.find_program() if config.uses_squawk else None
    by_path: dict[str, list[Problem]] = {}
    if program is not None:
        parts = [part for linter in linters for part in linter.squawk_parts()]
        for problem in squawk.run(program, parts, server=config.server):
            by_path.setdefault(problem.place.path if problem.place else "", []).append(problem)
    elif config.uses_squawk and linters:
        message = "squawk is not installed: only dbmigrate's own rules were run"
        by_path[""] = [Problem("W650", message, Severity.NOTE, hint=_INSTALL)]
    return by_path


_INSTALL = "pip install 'dbmigrate[lint]', or set `squawk = false` in [tool.dbmigrate.lint]"


@dataclass(slots=True)
class _MigrationLinter:
    """Gathers the findings about one migration."""

    migration: Migration
    document: Document
    new_versions: frozenset[str]
    config: LintConfig
    ups: list[Unit] = field(default_factory=list)
    downs: list[Unit] = field(default_factory=list)
    changed: list[Name] = field(default_factory=list)
    _changed: dict[str, list[Name]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    _sections: list[tuple[Section, list[Statement]]] = field(default_factory=list)
    _up_units: list[tuple[Section, list[Unit]]] = field(default_factory=list)

    @property
    def path(self) -> str:
        return self.migration.file.path

    def file(self, catalog: Catalog) -> File:
        comments = [(comment.line, comment.text) for comment in self.document.comments]
        return File(
            self.migration, self.ups, self.downs, comments, self.new_versions, catalog, created(self.ups), self.changed
        )

    # -- dbmigrate's own rules

    def run(self, catalog: Catalog, rules: Sequence[Rule]) -> None:
        """Call the rules for each statement in order, updating the catalog after it; then those about the file."""
        self._sections = [(section, list(_statements(self.migration, section))) for section in self.migration.sections]
        for section, statements in self._sections:
            inside = [unit for statement in statements for unit in units(statement)]
            if section.direction is Direction.UP:
                self.ups += inside
                self._up_units.append((section, inside))
            else:
                self.downs += inside
        about_statements = [rule for rule in rules if isinstance(rule, StatementRule)]
        for context in self._contexts(catalog):
            for rule in about_statements:
                for found in rule.find(context):
                    self._add(rule, found, found.unit or context.unit)
            self._remember(context)
            context.transaction.add(context)
            catalog.apply(context.shape, self.migration.version)
        file = self.file(catalog)
        for about_file in (rule for rule in rules if isinstance(rule, FileRule)):
            for found in about_file.find(file):
                self._add(about_file, found, found.unit)
        for section, inside in self._up_units:
            if section.is_backfill:
                schema, name = options.settings(section.options).table
                said = frozenset(folded(word) for unit in inside for word in words(unit.statement.sql))
                catalog.backfills.append((self.migration.version, Name(schema, name), said))

    def run_project_rules(self, catalog: Catalog, rules: Sequence[Rule], migrations: Sequence[Migration]) -> None:
        """Call the rules that need to know all migrations; `catalog` is what there is after the last one."""
        file = replace(self.file(catalog), all=migrations)
        for rule in (rule for rule in rules if isinstance(rule, ProjectRule)):
            for found in rule.find(file):
                self._add(rule, found, found.unit)

    def _contexts(self, catalog: Catalog) -> Iterator[StatementContext]:
        shared, names = Transaction(), created(self.ups)
        is_one = self.migration.is_transactional(Direction.UP)
        for section, found in self._up_units:
            for unit, transaction in _grouped(found, section, shared if is_one else Transaction()):
                yield StatementContext(unit, transaction, names, catalog, self.new_versions, self.config.server)

    def _remember(self, context: StatementContext) -> None:
        """Keep what is needed after the statement: the secrets in it, the table that it changes."""
        for word in secret_words(context):
            self.document.hide(self._place(context.unit, word.start), word.end - word.start)
        shape = context.shape
        altered = shape.table if isinstance(shape, AlterTable) and not _only_moves(shape) else None
        if altered and not context.is_new(altered):
            same = self._changed.setdefault(altered.name, [])  # there may be thousands of others
            if not any(altered.means(name) for name in same):
                same.append(altered)
                self.changed.append(altered)

    def _add(self, rule: Rule, found: Finding, unit: Unit | None) -> None:
        place = self._place(unit, found.at) if unit else Place(self.path, found.at)
        self.problems.append(Problem(rule.code, found.message, rule.severity, place, found.hint))

    def _place(self, unit: Unit, at: int) -> Place:
        cursor = Cursor()
        cursor.line, cursor.column = unit.statement.line, unit.statement.column
        offset = unit.offset + at
        filled = unit.statement.filled
        before = unit.statement.sql[:offset] if filled is None else filled.source[: filled.origin(offset)]
        return Place(self.path, *cursor.after(before))

    # -- squawk

    def squawk_parts(self) -> Iterator[squawk.Part]:
        """The statements that squawk reads."""
        for in_transaction in (True, False):
            shown = [
                statement
                for section, statements in self._sections
                if section.direction is Direction.UP and section.transaction is in_transaction
                for statement in statements
                if statement.kind is not StatementKind.META
            ]
            if self.document.is_whole:
                yield squawk.Part(self.document, shown, in_transaction)

    # -- the result

    def findings(self, foreign: Sequence[Problem]) -> Iterator[Problem]:
        """All findings that no comment ignores and no setting disables, with their lines; `foreign` are squawk's."""
        spans = list(self._spans())
        ignores = suppression.ignores(self.path, self.document.comments, spans, is_known=is_known)
        parsed = (problem for problem in self.migration.problems if problem.code != "W675")  # L145 reports it
        every = (*parsed, *self.problems, *self._of_squawk(foreign, spans))
        kept = [each for each in every if self.config.is_on(each.code) and not self._is_ignored(each, ignores)]
        codes_of_squawk = {each.code for each in foreign}
        about_comments = ignores.problems(lambda code: self._can_occur(code, codes_of_squawk))
        for problem in (
            *_folded(kept),
            *(each for each in about_comments if self.config.is_on(each.code)),
            *self._too_large(),
        ):
            severity = self.config.severity_of(problem.code, problem.severity)
            excerpt = self.document.excerpt(problem.place) if problem.place else None
            yield replace(problem, severity=severity, excerpt=excerpt)

    def _is_ignored(self, problem: Problem, ignores: suppression.Ignores) -> bool:
        return ignores.suppress(problem.code, problem.place.line if problem.place else 1)

    def _can_occur(self, code: str, codes_of_squawk: set[str]) -> bool:
        """Whether the rule was run, so that a comment to ignore it has a purpose."""
        return self.config.is_on(code) and (code in RULES or code in codes_of_squawk)

    def _of_squawk(self, foreign: Sequence[Problem], spans: Sequence[Span]) -> Iterator[Problem]:
        """squawk's findings, without those that one of dbmigrate's rules makes superfluous."""
        unread: set[Span | None] = set()
        for problem in foreign:
            span = _span_at(spans, problem.place.line if problem.place else 0)
            same = _SAME.get(problem.code, frozenset())
            lines = range(span.first, span.last + 1) if span else ()
            if any(own.code in same and own.place and own.place.line in lines for own in self.problems):
                continue
            if problem.code == _DROPS_CONSTRAINT and self._drops_own(lines):
                continue
            if problem.code == squawk.UNREAD:
                if span not in unread:
                    yield replace(problem, message=f"squawk cannot parse this statement: {problem.message}")
                unread.add(span)
            else:
                yield problem

    def _drops_own(self, lines: Collection[int]) -> bool:
        """Whether a statement drops only constraints that nobody relied on: this migration has added them, or DETACH
        PARTITION CONCURRENTLY has left them.
        """
        added, detached = set[str](), set[str]()
        for unit in self.ups:
            actions = unit.shape.actions if isinstance(unit.shape, AlterTable) else ()
            added |= {action.name for action in actions if action.kind is ActionKind.ADD_CONSTRAINT}
            detached |= {action.partition.name for action in actions if action.partition and action.is_concurrent}
        for unit in self.ups:
            if unit.statement.line in lines and isinstance(unit.shape, AlterTable):
                dropped = [each for each in unit.shape.actions if each.kind is ActionKind.DROP_CONSTRAINT]
                return unit.shape.table.name in detached or all(each.name in added for each in dropped)
        return False

    def _spans(self) -> Iterator[Span]:
        for section, statements in self._sections:
            yield Span(section.line, section.line)
            for statement in statements:
                text = statement.filled.source if statement.filled else statement.sql
                yield Span(statement.line, statement.line + text.count("\n"))

    def _too_large(self) -> Iterator[Problem]:
        if not self.document.is_whole or any(len(each) == _MOST_STATEMENTS for _, each in self._sections):
            yield Problem(
                "W655",
                "the file is large: only its first statements were checked",
                Severity.NOTE,
                Place(self.path, 1),
            )


def _only_moves(shape: AlterTable) -> bool:
    """L125 reports these."""
    return all(action.kind is ActionKind.SET_SCHEMA for action in shape.actions)


def _folded(problems: Sequence[Problem]) -> Iterator[Problem]:
    """The findings of one file; of a rule with more than its `most` the first, with the lines of the others."""
    by_code: dict[str, list[Problem]] = {}
    for problem in problems:
        by_code.setdefault(problem.code, []).append(problem)
    for code, found in by_code.items():
        most = RULES[code].most if code in RULES else None
        if most is None or len(found) <= most:
            yield from found
        else:
            first, *others = sorted(found, key=_order)
            lines = ", ".join(str(each.place.line) for each in others if each.place)
            yield replace(first, message=f"{first.message}; {len(others)} more like it in this file, in lines {lines}")


def _span_at(spans: Sequence[Span], line: int) -> Span | None:
    """The first span that holds a line; spans are in the order of their lines."""
    at = bisect_left(spans, line, key=lambda span: span.last)
    return spans[at] if at < len(spans) and spans[at].first <= line else None


def _statements(migration: Migration, section: Section) -> Iterator[Statement]:
    """The first statements of a section, each with the beginning of its COPY data."""
    for written in islice(parser.statements(migration, section), _MOST_STATEMENTS):
        statement = written if written.filled is None else replace(written, sql=written.filled.text)
        if statement.copy_data is None:
            yield statement
        else:
            sample = next(iter(statement.copy_data), "")[:_COPY_SAMPLE]
            yield replace(statement, copy_data=(sample,))


def _grouped(found: Sequence[Unit], section: Section, transaction: Transaction) -> Iterator[tuple[Unit, Transaction]]:
    """Each unit with its transaction; the caller adds the unit to it before it takes the next one.

    In a section without a transaction each statement has its own, except between BEGIN and COMMIT. Sections that all
    run in one transaction share it: `transaction` holds what the earlier ones did.
    """
    in_block = section.transaction
    for unit in found:
        kind = unit.statement.kind
        if not in_block and not unit.is_nested:
            transaction = Transaction()
        if not section.transaction:
            in_block = (in_block or kind is StatementKind.BEGIN) and kind is not StatementKind.COMMIT
        yield unit, transaction
