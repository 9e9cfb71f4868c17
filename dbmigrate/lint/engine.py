"""From migrations to findings: every rule is asked, then come squawk and the ignore comments."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING

from dbmigrate.lint import squawk, suppression
from dbmigrate.lint.catalog import Catalog
from dbmigrate.lint.config import LintConfig, is_known
from dbmigrate.lint.context import Before, Ending, File, Found, Seen, Unit, made, units
from dbmigrate.lint.document import Document, read_document
from dbmigrate.lint.registry import RULES
from dbmigrate.lint.rules.security import secret_words
from dbmigrate.lint.sql.shape import ActionKind, AlterTable, Name
from dbmigrate.lint.suppression import Span
from dbmigrate.migrations import parser
from dbmigrate.migrations.source import Cursor
from dbmigrate.model import Direction, Migration, Place, Problem, Severity, Statement, StatementKind

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from dbmigrate.lint.registry import Rule
    from dbmigrate.model import Section

__all__ = ["lint"]

_MOST_STATEMENTS = 10_000  # of a section; what comes after them are rows of data
_COPY_SAMPLE = 64 << 10  # characters of COPY data that are looked at
# squawk's findings that one of ours about the same statement makes superfluous
_SAME = {squawk.UNREAD: frozenset(("L151",))}


def lint(
    migrations: Sequence[Migration],
    *,
    config: LintConfig | None = None,
    only: Collection[str] | None = None,
    unapplied: Collection[str] = (),
) -> tuple[Problem, ...]:
    """The findings about `migrations`, in the order of their places; their files are read, no database is asked.

    The migrations come in their order, because what the earlier ones make is known to the later ones. `only` are the
    versions that are reported, all without it; the others are context. `unapplied` are versions that are applied
    nowhere: what they create is used by nobody, so that later migrations may lock it. What the parser has noted (W2xx)
    is among the findings.

    Raises ConfigError E207 and MigrationFileError E210, E222 for a file that has changed meanwhile.
    """
    chosen = config or LintConfig()
    rules = [rule for rule in RULES.values() if chosen.is_on(rule.code)]
    catalog, looks = Catalog(), []
    for migration in migrations:
        look = _Look(migration, read_document(migration.file.path), frozenset({migration.version, *unapplied}), chosen)
        is_wanted = only is None or migration.version in only
        look.walk(catalog, rules if is_wanted else ())
        if is_wanted:
            looks.append(look)
    _ask_at_the_end(looks, catalog, rules)
    foreign = _squawk(looks, chosen)
    found = [problem for look in looks for problem in look.settled(foreign.get(look.path, ()))]
    return tuple(sorted([*found, *foreign.get("", ())], key=_order))


def _order(problem: Problem) -> tuple[str, int, int, str]:
    place = problem.place or Place("", 0, 0)
    return place.path, place.line, place.column, problem.code


def _ask_at_the_end(looks: Sequence[_Look], catalog: Catalog, rules: Sequence[Rule]) -> None:
    by_path = {look.path: look for look in looks}
    ending = Ending([look.file(catalog) for look in looks], catalog)
    for rule in rules:
        for file, unit, found in rule.ending(ending) if rule.ending else ():
            by_path[file.migration.file.path].add(rule, found, unit)


def _squawk(looks: Sequence[_Look], config: LintConfig) -> dict[str, list[Problem]]:
    """What squawk says, by file; under no name what is said about squawk."""
    program = squawk.find_program() if config.uses_squawk else None
    said: dict[str, list[Problem]] = {}
    if program is not None:
        for problem in squawk.run(program, [part for look in looks for part in look.parts()], server=config.server):
            said.setdefault(problem.place.path if problem.place else "", []).append(problem)
    elif config.uses_squawk and looks:
        said[""] = [Problem("W650", "squawk is not installed: only the own rules were run", Severity.NOTE, hint=_MORE)]
    return said


_MORE = "pip install 'dbmigrate[lint]', or `squawk = false` in [tool.dbmigrate.lint]"


@dataclass(slots=True)
class _Look:
    """One migration that is being looked at."""

    migration: Migration
    document: Document
    fresh: frozenset[str]
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
        return File(self.migration, self.ups, self.downs, comments, self.fresh, catalog, made(self.ups), self.changed)

    # -- asking the rules

    def walk(self, catalog: Catalog, rules: Sequence[Rule]) -> None:
        """Go through the statements in their order: ask the rules about each, then let the catalog learn it."""
        self._sections = [(section, list(_statements(self.migration, section))) for section in self.migration.sections]
        for section, statements in self._sections:
            inside = [unit for statement in statements for unit in units(statement)]
            if section.direction is Direction.UP:
                self.ups += inside
                self._up_units.append((section, inside))
            else:
                self.downs += inside
        about_statements = [rule for rule in rules if rule.statement]
        for seen in self._seen(catalog):
            for rule in about_statements:
                for found in rule.statement(seen) if rule.statement else ():
                    self.add(rule, found, seen.unit)
            self._note(seen)
            seen.before.add(seen)
            catalog.apply(seen.shape, self.migration.version)
        self._ask_about_file(self.file(catalog), rules)

    def _seen(self, catalog: Catalog) -> Iterator[Seen]:
        shared, names = Before(), made(self.ups)
        is_one = self.migration.is_transactional(Direction.UP)
        for section, found in self._up_units:
            for unit, before in _grouped(found, section, shared if is_one else Before()):
                yield Seen(unit, before, names, catalog, self.fresh, self.config.server)

    def _note(self, seen: Seen) -> None:
        """What of a unit is needed later."""
        for word in secret_words(seen):
            self.document.hide(self._place(seen.unit, word.start), word.end - word.start)
        shape = seen.shape
        altered = shape.table if isinstance(shape, AlterTable) and not _only_moves(shape) else None
        if altered and not seen.is_new(altered):
            same = self._changed.setdefault(altered.name, [])  # there may be thousands of others
            if not any(altered.means(name) for name in same):
                same.append(altered)
                self.changed.append(altered)

    def _ask_about_file(self, file: File, rules: Sequence[Rule]) -> None:
        for rule in rules:
            for found in rule.lines(file) if rule.lines else ():
                self._tell(rule, found, Place(self.path, found.at))
            for unit, found in rule.units(file) if rule.units else ():
                self.add(rule, found, unit)

    def add(self, rule: Rule, found: Found, unit: Unit) -> None:
        """A finding about a unit."""
        self._tell(rule, found, self._place(unit, found.at))

    def _tell(self, rule: Rule, found: Found, place: Place) -> None:
        self.problems.append(Problem(rule.code, found.message, rule.severity, place, found.hint))

    def _place(self, unit: Unit, at: int) -> Place:
        cursor = Cursor()
        cursor.line, cursor.column = unit.statement.line, unit.statement.column
        return Place(self.path, *cursor.after(unit.statement.sql[: unit.offset + at]))

    # -- squawk

    def parts(self) -> Iterator[squawk.Part]:
        """What squawk is shown."""
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

    # -- what is left in the end

    def settled(self, foreign: Sequence[Problem]) -> Iterator[Problem]:
        """The findings that no comment has foreseen and no setting switches off, with their lines."""
        spans = list(self._spans())
        ignores = suppression.ignores(self.path, self.document.comments, spans, is_known=is_known)
        told = (problem for problem in self.migration.problems if problem.code != "W675")  # as L145
        every = (*told, *self.problems, *self._beside(foreign, spans))
        kept = [each for each in every if self.config.is_on(each.code) and not self._is_ignored(each, ignores)]
        was_asked = {each.code for each in foreign}
        about_comments = ignores.problems(lambda code: self._is_asked(code, was_asked))
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

    def _is_asked(self, code: str, was_asked: set[str]) -> bool:
        """Whether a comment about a rule could have been needed at all."""
        return self.config.is_on(code) and (code in RULES or code in was_asked)

    def _beside(self, foreign: Sequence[Problem], spans: Sequence[Span]) -> Iterator[Problem]:
        """squawk's findings but for what one of ours says about the same statement."""
        unread: set[Span | None] = set()
        for problem in foreign:
            span = _span_at(spans, problem.place.line if problem.place else 0)
            same = _SAME.get(problem.code, frozenset())
            lines = range(span.first, span.last + 1) if span else ()
            if any(own.code in same and own.place and own.place.line in lines for own in self.problems):
                continue
            if problem.code == squawk.UNREAD:
                if span not in unread:
                    yield replace(problem, message=f"squawk could not read this statement: {problem.message}")
                unread.add(span)
            else:
                yield problem

    def _spans(self) -> Iterator[Span]:
        for section, statements in self._sections:
            yield Span(section.line, section.line)
            for statement in statements:
                yield Span(statement.line, statement.line + statement.sql.count("\n"))

    def _too_large(self) -> Iterator[Problem]:
        if not self.document.is_whole or any(len(each) == _MOST_STATEMENTS for _, each in self._sections):
            yield Problem(
                "W655",
                "the file is large: only its first statements were looked at",
                Severity.NOTE,
                Place(self.path, 1),
            )


def _only_moves(shape: AlterTable) -> bool:
    """L125 counts these."""
    return all(action.kind is ActionKind.SET_SCHEMA for action in shape.actions)


def _folded(problems: Sequence[Problem]) -> Iterator[Problem]:
    """The findings of one file; of a rule that has found too many the first, with the lines of the others."""
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
    for statement in islice(parser.statements(migration, section), _MOST_STATEMENTS):
        if statement.copy_data is None:
            yield statement
        else:
            sample = next(iter(statement.copy_data), "")[:_COPY_SAMPLE]
            yield replace(statement, copy_data=(sample,))


def _grouped(found: Sequence[Unit], section: Section, before: Before) -> Iterator[tuple[Unit, Before]]:
    """Each unit with what was before it in its transaction, which whoever asks keeps up to date.

    A section without a transaction is one for each statement, but for blocks of the file's own. Sections that all have
    one share it: `before` is what it holds already.
    """
    in_block = section.transaction
    for unit in found:
        kind = unit.statement.kind
        if not in_block and not unit.is_nested:
            before = Before()
        if not section.transaction:
            in_block = (in_block or kind is StatementKind.BEGIN) and kind is not StatementKind.COMMIT
        yield unit, before
