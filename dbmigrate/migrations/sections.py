"""One section while its file is read: what it holds, and whether that can run the way the section says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from dbmigrate.backfill import placement
from dbmigrate.errors import MigrationFileError
from dbmigrate.migrations import left_settings
from dbmigrate.migrations.source import Cursor
from dbmigrate.model import Direction, Problem, Section, Statement, StatementKind
from dbmigrate.sql import statements

if TYPE_CHECKING:
    from dbmigrate.migrations.batch_ranges import BatchRanges
    from dbmigrate.migrations.headers import Header
    from dbmigrate.migrations.source import Origin

_NO_TRANSACTION = "write `-- migrate:{0} transaction:false`, or split the file in two"
_SPOKEN = {
    StatementKind.BEGIN: "begins a transaction of its own",
    StatementKind.COMMIT: "ends the transaction that makes this section all or nothing",
    StatementKind.ROLLBACK: "undoes what the section has done, which would be recorded as applied",
    StatementKind.TWO_PHASE: "hands the section's transaction over to somebody else",
}


BOTH = tuple(Direction)
_NOTHING: frozenset[int] = frozenset()  # one for all sections: each of its own is 216 bytes


def tolerated(fault: MigrationFileError, direction: Direction) -> Problem:
    """The warning about a fault in a section that is not to run now."""
    later = "`rollback` will refuse this file" if direction is Direction.DOWN else "it is not run now"
    return Problem(
        "W673",
        f"{fault.message}, in the {direction} section: {later} ({fault.code})",
        place=fault.place,
        hint=fault.hint,
        excerpt=fault.excerpt,
    )


class _Control(NamedTuple):
    """A statement that begins or ends transactions; `ordinal` counts the section's statements from 0."""

    ordinal: int
    statement: Statement

    @property
    def kind(self) -> StatementKind:
        return self.statement.kind

    @property
    def is_bare(self) -> bool:
        return statements.is_bare(self.statement.sql)


@dataclass(slots=True)
class Draft:
    """A section that is being read. `offset` is that of its header in the text."""

    origin: Origin
    header: Header
    number: int
    line: int = 1
    offset: int = 0
    kept: list[Statement] | None = None
    ranges: BatchRanges | None = None
    count: int = 0
    problems: list[Problem] = field(default_factory=list)
    fault: MigrationFileError | None = None  # the first one
    _controls: list[_Control] = field(default_factory=list)
    _has_slotless_subscription: bool = False
    _left: left_settings.Left = field(default_factory=left_settings.Left)

    def add(self, statement: Statement) -> None:
        """The next statement; `fault` may be E220 afterwards."""
        if self.header.is_backfill:
            self.fault = self.fault or self._unpaged_fault(statement)
        elif statement.kind is StatementKind.OUTSIDE:
            self.fault = self.fault or self._outside_fault(statement)
        elif statement.kind is not StatementKind.PLAIN:
            self._controls.append(_Control(self.count, statement))
        elif statements.releases_slot(statement.sql):
            self._has_slotless_subscription = True
        if self.kept is not None:
            self.kept.append(statement)
        if self.header.direction is Direction.UP:
            self._left.add(statement)
        self.count += 1

    def finish(self) -> Section:
        """The whole section; `fault` may be E219 afterwards."""
        redundant = _NOTHING
        try:
            redundant = self._redundant() if self.header.transaction else self._check_blocks()
        except MigrationFileError as fault:
            self.fault = self.fault or fault
        self._tell_left()
        return Section(
            self.header.direction,
            self.number,
            self.line,
            transaction=self.header.transaction,
            irreversible=self.header.irreversible,
            options=self.header.options,
            count=self.count - len(redundant),
            redundant=redundant,
            statements=None if self.kept is None else tuple(self.kept),
            batch_ranges=None if self.ranges is None else self.ranges.without(redundant),
            fault=self.fault.message if self.fault else None,
        )

    def _tell_left(self) -> None:
        if self._left.found:
            first = self._left.first
            place = self.origin.place((first.line, first.column))
            self.problems.append(Problem("W675", self._left.message, place=place, hint=left_settings.HINT))

    def _unpaged_fault(self, statement: Statement) -> MigrationFileError | None:
        try:
            placement.paged(statement.sql)
        except placement.PlacementError as exc:
            line, column = Cursor(statement.line, statement.column).after(statement.sql[: exc.start])
            width = len(":batch") if exc.start else len(statement.sql.partition("\n")[0].rstrip("\r"))
            return self.origin.error(exc.code, exc.message, (line, column), hint=exc.hint, width=width)
        return None

    # -- outside of transactions

    def _outside_fault(self, statement: Statement) -> MigrationFileError | None:
        block = self._open_block()
        if not self.header.transaction and block is None:
            return None
        if self._has_slotless_subscription and statements.first_word(statement.sql) == "DROP":
            return None  # without a slot the server drops a subscription in a transaction too
        name = statements.label(statement.sql)
        if block is not None:
            return self._error(
                "E220",
                f"{name} cannot run inside a transaction, and line {block.statement.line} begins one",
                statement,
                hint="move it before the BEGIN or behind the COMMIT",
            )
        return self._error(
            "E220",
            f"{name} cannot run inside a transaction",
            statement,
            hint=_NO_TRANSACTION.format(self.header.direction),
        )

    def _open_block(self) -> _Control | None:
        if self.header.transaction or not self._controls:
            return None
        last = self._controls[-1]
        return last if last.kind is StatementKind.BEGIN else None

    # -- transaction control

    def _redundant(self) -> frozenset[int]:
        """The BEGIN and COMMIT around a whole transactional section; any other transaction control is an error."""
        if not self._controls:
            return _NOTHING
        begin, commit = self._wrapper()
        found = frozenset(control.ordinal for control in (begin, commit) if control is not None)
        others = [control for control in self._controls if control.ordinal not in found]
        if others:
            ends = [control for control in others if control.kind is not StatementKind.BEGIN]
            raise self._misplaced((ends or others)[0].statement)
        if begin is not None and commit is None:
            raise self._misplaced(begin.statement)
        wrapper = begin or commit
        if wrapper is not None:
            self.problems.append(self._redundant_problem(wrapper.statement, is_pair=begin is not None))
        return found

    def _wrapper(self) -> tuple[_Control | None, _Control | None]:
        first, last = (self._controls[0], self._controls[-1]) if self._controls else (None, None)
        if first is None or first.kind is not StatementKind.BEGIN or first.ordinal != 0 or not first.is_bare:
            first = None
        if last is None or last.kind is not StatementKind.COMMIT or last.ordinal != self.count - 1 or not last.is_bare:
            last = None
        return first, last

    def _misplaced(self, statement: Statement) -> MigrationFileError:
        hint = _NO_TRANSACTION.format(self.header.direction)
        if statement.kind is StatementKind.ROLLBACK:
            hint = "remove it; a migration must not contain what must not happen"
        elif statement.kind is StatementKind.BEGIN and statements.is_bare(statement.sql):
            hint = "remove it: the section runs in a transaction already"
        elif statement.kind is StatementKind.BEGIN:
            hint = f"to keep its options write `-- migrate:{self.header.direction} transaction:false`; else remove it"
        return self._error("E219", f"{statements.label(statement.sql)} {_SPOKEN[statement.kind]}", statement, hint=hint)

    def _redundant_problem(self, statement: Statement, *, is_pair: bool) -> Problem:
        what = "BEGIN and COMMIT around the whole section are" if is_pair else "the COMMIT at the section's end is"
        return Problem(
            "W201",
            f"{what} not run: the section has a transaction already",
            place=self.origin.place((statement.line, statement.column)),
            hint="leave it out" if not is_pair else "leave them out",
        )

    def _check_blocks(self) -> frozenset[int]:
        """Without a transaction of ours, every BEGIN needs its own COMMIT."""
        block: _Control | None = None
        for control in self._controls:
            is_begin = control.kind is StatementKind.BEGIN
            is_end = control.kind is StatementKind.COMMIT and control.is_bare
            if is_begin and block is None:
                block = control
            elif is_end and block is not None:
                block = None
            else:
                raise self._unbalanced(control.statement, block)
        if block is not None:
            raise self._unbalanced(block.statement, None)
        return _NOTHING

    def _unbalanced(self, statement: Statement, block: _Control | None) -> MigrationFileError:
        lacking = "COMMIT" if statement.kind is StatementKind.BEGIN else "BEGIN"
        where = f"inside the block that line {block.statement.line} begins" if block else f"without a {lacking}"
        return self._error(
            "E219",
            f"{statements.label(statement.sql)} {where}",
            statement,
            hint="in a section without a transaction, `BEGIN; ... COMMIT;` makes a block of what belongs together",
        )

    def _error(self, code: str, message: str, statement: Statement, *, hint: str) -> MigrationFileError:
        width = len(statement.sql.partition("\n")[0].rstrip("\r"))
        return self.origin.error(code, message, (statement.line, statement.column), hint=hint, width=width)
