"""One file: which of its statements are rewritten, and the new text. Pure: findings and facts in, a text out."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from dbmigrate.frozen import frozen
from dbmigrate.lint.fix import forms_alter, forms_column, forms_index, forms_others, forms_partition, naming
from dbmigrate.lint.fix.pieces import cut
from dbmigrate.lint.fix.sections import Item, dependence, layout, split_tail
from dbmigrate.lint.fix.values import Refusal, Rewrite, Target
from dbmigrate.lint.fix.writing import Writer
from dbmigrate.lint.sql.grammar import shape_of
from dbmigrate.lint.sql.shape import AddEnumValue, AlterObject, AlterTable, CreateIndex, Drop
from dbmigrate.migrations import headers
from dbmigrate.model import Direction, StatementKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from dbmigrate.lint.fix.facts import Facts
    from dbmigrate.lint.fix.pieces import FileText, Piece, SectionText
    from dbmigrate.lint.sql.shape import Name, Shape
    from dbmigrate.model import Problem

__all__ = ["FIXABLE", "Change", "Fixed", "Left", "Request", "fixed"]

# findings that a form may answer, or that are said to have no safe form
FIXABLE = frozenset(
    re.findall(
        r"[\w:-]+",
        """
        L101 L102 L103 L104 L105 L106 L111 L112 L113 L114 L121 L123 L124 L137 L152 L181 L182
        squawk:ban-alter-domain-with-add-constraint
        """,
    )
)
_FORMS: tuple[Callable[[Target], Rewrite | Refusal | None], ...] = (
    forms_index.created,
    forms_index.dropped,
    forms_index.rebuilt,
    forms_partition.attached,
    forms_partition.detached,
    forms_others.refreshed,
    forms_others.enum_value,
    forms_others.time_zone,
    forms_alter.constraints,
    forms_others.impossible,
)
_INDEX_CODES = frozenset(("L101", "L102"))
_APART = "L115"
_SPLIT = (
    "--allow-split cuts it: what changes rows before a cut is visible before the rest has run, and stays if that fails"
)


@frozen
class Request:
    """A file: its text, what `lint` finds in it, and the scratch database before it ran and after.

    `server` is the oldest PostgreSQL that it has to work on. `allows_split`: changes of rows may be cut apart.
    `is_rare`: forms for partitioned tables that wait for several locks are wanted too.
    """

    text: str
    problems: tuple[Problem, ...]
    before: Facts
    after: Facts
    server: int
    allows_split: bool = False
    is_rare: bool = False


@frozen
class Change:
    """A statement that was rewritten: its line in the old text, and the codes of the findings."""

    line: int
    codes: tuple[str, ...]


@frozen
class Left:
    """A statement that was found and is left as it is, with the reason."""

    line: int
    codes: tuple[str, ...]
    refusal: Refusal


@frozen
class Fixed:
    """The new text, the same as the old one if nothing was rewritten. `steps` are those of the up sections."""

    text: str
    changes: tuple[Change, ...] = ()
    left: tuple[Left, ...] = ()
    steps: int = 1


def fixed(request: Request) -> Fixed:
    """Rewrite what has a form; a file whose sections may not be cut stays as it is."""
    return _File(request).run()


@dataclass(slots=True)
class _File:
    """The work on one file."""

    request: Request
    changes: list[Change] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)
    newline: str = "\n"
    given: Mapping[tuple[int, int], str] = field(default_factory=dict)
    found: list[tuple[int, str]] = field(default_factory=list)  # where in the text, and the code
    steps: int = 0
    is_split: bool = False

    def run(self) -> Fixed:
        text = self.request.text
        self.found = _placed(text, self.request.problems)
        self.newline = "\r\n" if "\r\n" in text[: text.find("\n") + 1] else "\n"
        whole = cut(text)
        ups = [piece for section in whole.sections if section.direction is Direction.UP for piece in section.pieces]
        shapes = [(piece.at, shape_of(piece.sql)) for piece in ups]
        self.given = naming.given(shapes, self.request.before, self.request.after)
        if len(ups) == 1 and (made := self._filled(whole)) is not None:
            return made
        sections = [self._up(each) if each.direction is Direction.UP else each.text for each in whole.sections]
        if self.is_split and not self.request.allows_split:
            reason = Refusal("the steps would change rows on both sides of a cut", _SPLIT)
            self.left += [Left(change.line, change.codes, reason) for change in self.changes]
            self.changes = []
        if not self.changes:
            return Fixed(text, left=tuple(self.left))
        codes = frozenset(code for change in self.changes for code in change.codes)
        sections = [
            made if each.direction is Direction.UP else self._down(each, codes)
            for made, each in zip(sections, whole.sections, strict=True)
        ]
        return Fixed(whole.top + "".join(sections), tuple(self.changes), tuple(self.left), self.steps)

    def _filled(self, whole: FileText) -> Fixed | None:
        """The file in pairs with a backfill, if its only statement adds a column that has to be filled."""
        piece = next(each for section in whole.sections[:1] for each in section.pieces)
        target = self._target(piece)
        answer = forms_column.filled(target)
        codes, line = ("L111",), self.request.text.count("\n", 0, piece.at) + 1
        if isinstance(answer, Refusal):
            return Fixed(self.request.text, left=(Left(line, codes, answer),))
        if answer is None:
            return None
        comment, ending = split_tail(piece.tail)
        first, *rest = answer.before
        lines = self.newline.join((f"{first}{comment}", *rest)) + (ending or self.newline)
        up, *others = whole.sections
        down = "".join(section.text for section in others)
        down += "" if down.endswith("\n") else self.newline
        text = whole.top + up.header + piece.lead + lines + up.rest + down + self.newline + answer.pairs(self.newline)
        steps = len(answer.before) + 1 + len(answer.after)
        return Fixed(text, (Change(line, codes),), steps=steps)

    # -- up

    def _up(self, section: SectionText) -> str:
        items: list[Item] = []
        found: list[tuple[Piece, Rewrite | Refusal, frozenset[str]]] = []
        block = False
        has_transaction = headers.parse(section.header.rstrip("\r\n")).transaction
        enum_value_used = any("L152" in {code for _, code in self._found(piece)} for piece in section.pieces)
        for piece in section.pieces:
            block = (block or piece.kind is StatementKind.BEGIN) and piece.kind is not StatementKind.COMMIT
            is_enum = enum_value_used and isinstance(shape_of(piece.sql), AddEnumValue)
            target = self._target(piece, extra=((0, "L152"),) if is_enum else ())
            answer = _answer(target)
            if isinstance(answer, Rewrite) and block and not has_transaction:
                answer = Refusal("it stands between BEGIN and COMMIT", "move it out of the block")
            rewrite = answer if isinstance(answer, Rewrite) else None
            if answer is not None:
                found.append((piece, answer, target.codes & FIXABLE))
            items.append(Item(piece, rewrite, is_apart=_APART in target.codes))
        items = self._checked(section, items, found, is_cut=has_transaction)
        made = layout(section, items, Writer(self._is_upper(section), self.newline))
        self.steps += made.steps
        self.is_split |= made.is_split
        return made.text

    def _checked(
        self,
        section: SectionText,
        items: list[Item],
        found: Sequence[tuple[Piece, Rewrite | Refusal, frozenset[str]]],
        *,
        is_cut: bool,
    ) -> list[Item]:
        """Take back what the section does not allow, and remember what is done and what is not."""
        needs_cut = is_cut and any(item.rewrite and item.rewrite.needs_cut for item in items)
        reason = dependence(section.pieces) if needs_cut else ""
        zones = [] if needs_cut or not is_cut else _zones_before_others(items)
        refused: dict[int, Refusal] = {piece.at: Refusal(_ZONE) for piece in zones}
        if reason:
            cutting = [item.piece for item in items if item.rewrite and item.rewrite.needs_cut]
            refused |= {piece.at: Refusal(f"the section cannot be cut: {reason}") for piece in cutting}
        for piece, answer, codes in found:
            final = refused.get(piece.at, answer)
            line = self.request.text.count("\n", 0, piece.at) + 1
            if isinstance(final, Refusal):
                self.left.append(Left(line, tuple(sorted(codes)), final))
            else:
                self.changes.append(Change(line, tuple(sorted(final.codes))))
        return [replace(item, rewrite=None) if item.piece.at in refused else item for item in items]

    def _is_upper(self, section: SectionText) -> bool:
        return all(Writer.like(piece.sql).is_upper for piece in section.pieces)

    def _target(self, piece: Piece, extra: Iterable[tuple[int, str]] = ()) -> Target:
        request = self.request
        return Target(
            piece,
            shape_of(piece.sql),
            (*self._found(piece), *extra),
            request.before,
            request.after,
            Writer.like(piece.sql, self.newline, request.before.names | request.after.names),
            request.server,
            self.given,
            request.is_rare,
        )

    def _found(self, piece: Piece) -> tuple[tuple[int, str], ...]:
        return tuple((at - piece.at, code) for at, code in self.found if piece.at <= at < piece.at + len(piece.sql))

    # -- down

    def _down(self, section: SectionText, codes: frozenset[str]) -> str:
        """As it was written, but for indexes, where the up section has some that are made CONCURRENTLY."""
        if not codes & {*_INDEX_CODES, "L112"} or not headers.parse(section.header.rstrip("\r\n")).transaction:
            return section.text
        before = self.request.before
        back = replace(self.request, before=self.request.after, after=before)
        items = []
        for piece in section.pieces:
            shape = shape_of(piece.sql)
            found = _down_codes(piece, shape, codes)
            write = Writer.like(piece.sql, self.newline)
            target = Target(piece, shape, tuple(found), back.before, back.after, write, self.request.server)
            answer = _answer(target) if found and _is_old(shape, target.before, before) else None
            items.append(Item(piece, answer if isinstance(answer, Rewrite) else None))
        if any(item.rewrite and item.rewrite.needs_cut for item in items) and dependence(section.pieces):
            return section.text
        return layout(section, items, Writer(self._is_upper(section), self.newline)).text


def _placed(text: str, problems: Iterable[Problem]) -> list[tuple[int, str]]:
    """Where in the text the findings are, and their codes."""
    starts = [0, *(found.end() for found in re.finditer("\n", text))]
    places = [(problem.place, problem.code) for problem in problems if problem.place]
    return [(starts[at.line - 1] + at.column - 1, code) for at, code in places if at.line <= len(starts)]


_ZONE = "what comes after it in the section would see another time zone"


def _answer(target: Target) -> Rewrite | Refusal | None:
    if not target.codes & FIXABLE and not isinstance(target.shape, AlterObject):
        return None
    answers = (form(target) for form in _FORMS)
    return next((answer for answer in answers if answer is not None), None)


def _down_codes(piece: Piece, shape: Shape, codes: frozenset[str]) -> list[tuple[int, str]]:
    """What `lint`, which reads up sections, would find in a statement, of what the up section was rewritten for."""
    if isinstance(shape, CreateIndex):
        return [(0, "L101")] if shape.name and codes & _INDEX_CODES else []
    if isinstance(shape, Drop) and shape.kind == "INDEX":
        return [(name.at, "L102") for name in shape.names if codes & _INDEX_CODES]
    if isinstance(shape, AlterTable):
        return [(action.at, "L112") for action in shape.actions if "L112" in codes]
    return []


def _is_old(shape: Shape, now: Facts, before: Facts) -> bool:
    """Whether the table of an index was there before the file: that of a new one is used by nobody."""
    if isinstance(shape, CreateIndex):
        table = now.relation(shape.table)
        return table is not None and before.has_relation(table.oid, now)
    if isinstance(shape, Drop) and shape.kind == "INDEX":
        return all(_is_index_of_old(name, now, before) for name in shape.names)
    return True


def _is_index_of_old(name: Name, now: Facts, before: Facts) -> bool:
    index = now.index(name)
    return index is not None and before.has_relation(index.table, now)


def _zones_before_others(items: Sequence[Item]) -> list[Piece]:
    """The changes between timestamp and timestamptz that are not the last statements of their section."""
    zones: list[Piece] = []
    others_follow = False
    for item in reversed(items):
        if item.rewrite is not None and "L112" in item.rewrite.codes:
            zones += [item.piece] if others_follow else []
        else:
            others_follow = True
    return zones
