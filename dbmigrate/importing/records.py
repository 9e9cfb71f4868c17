"""What an old tool's table says of each migration of its files. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from dbmigrate.errors import Refused, unchanged
from dbmigrate.frozen import frozen
from dbmigrate.importing.lost_files import ANSWER
from dbmigrate.importing.tools import GUESSES_SUMS
from dbmigrate.importing.values import State

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from dbmigrate.importing.convert import Conversion, NewFile
    from dbmigrate.importing.values import Row, Tool

__all__ = ["Dirty", "Record", "about_lost", "of_rows", "refuse_failed", "refuse_other_sums", "since", "without_file"]

_DONE = (State.APPLIED, State.BASELINE, State.MARKED)


class Dirty(StrEnum):
    """What is true of migrations that the old tool has recorded as failed."""

    APPLIED = "applied"
    FAILED = "failed"
    DOWN_FAILED = "down-failed"  # it was the down of the next one that failed: both are applied


@frozen
class Record:
    """A converted file and the row that is about it; `state` is what counts, after a person's answer."""

    file: NewFile
    row: Row | None
    state: State

    @property
    def counts(self) -> bool:
        """Whether the old tool takes it for done."""
        return self.state in _DONE


def of_rows(tool: Tool, conversion: Conversion, rows: Sequence[Row]) -> tuple[Record, ...]:
    """A record for each file, with the last row that is about it."""
    found = []
    for file in conversion.files:
        row = next((each for each in reversed(rows) if tool.matches(file.migration, each)), None)
        found.append(Record(file, row, row.state if row else State.PENDING))
    return tuple(found)


def since(records: Iterable[Record], *, applied: Collection[str], adopted: Collection[str]) -> tuple[Record, ...]:
    """The records of a later import: of what was taken over before, or applied by dbmigrate, our own history knows."""
    found = []
    for each in records:
        version = each.file.version
        if version and version in applied:
            found.append(Record(each.file, each.row, each.state if each.counts else State.APPLIED))
        elif version in adopted:
            found.append(Record(each.file, each.row, State.PENDING))
        else:
            found.append(each)
    return tuple(found)


def without_file(tool: Tool, conversion: Conversion, rows: Iterable[Row]) -> tuple[Row, ...]:
    """Rows of something that was done, and that no file is there for."""
    migrations = [file.migration for file in conversion.files]
    lost = (row for row in rows if row.state in (State.APPLIED, State.MARKED, State.FAILED))
    return tuple(row for row in lost if not any(tool.matches(migration, row) for migration in migrations))


def about_lost(tool: Tool, lost: Iterable[Row]) -> list[str]:
    """A sentence for each row without a file, with the way to get it back where the table has its SQL."""
    found = []
    for row in lost:
        more = f"; `--option {ANSWER}=write` makes one of what the table keeps" if row.sql else ""
        found.append(f"{row.key} is recorded by {tool.name}, and has no file{more}")
    return found


def refuse_failed(records: Sequence[Record], lost: Iterable[Row], dirty: Dirty | None) -> tuple[Record, ...]:
    """The records after the answer about failed ones. Raises Refused E724 where there is none."""
    failed = [record for record in records if record.state is State.FAILED]
    rows = [record.row for record in failed if record.row] + [row for row in lost if row.state is State.FAILED]
    if rows and dirty is None:
        names = dict.fromkeys(_named(row) for row in rows)
        raise unchanged(
            Refused(
                f"the old tool has recorded a failure: {'; '.join(names)}",
                code="E724",
                hint="look whether its objects are there. If all are: `--dirty applied`; if none is, because the server"
                " rolled it back: `--dirty failed`; if some are, finish or undo it by hand first",
            )
        )
    if dirty is Dirty.DOWN_FAILED and rows:
        return _of_a_failed_down(records, failed)
    answered = State.APPLIED if dirty is Dirty.APPLIED else State.PENDING
    return tuple(Record(each.file, each.row, answered) if each in failed else each for each in records)


def _of_a_failed_down(records: Sequence[Record], failed: Sequence[Record]) -> tuple[Record, ...]:
    """The failed ones are applied, and so is the one behind the last of them; the first one of all where none is."""
    behind = max((place for place, each in enumerate(records) if each in failed), default=-1) + 1
    undone = [*failed, *records[behind : behind + 1]]
    return tuple(Record(each.file, each.row, State.APPLIED) if each in undone else each for each in records)


def refuse_other_sums(tool: Tool, records: Iterable[Record], accepted: str | None) -> tuple[Record, ...]:
    """The records whose file is not what ran. Raises Refused E725 where nobody has accepted that."""
    differing = tuple(_differing(tool, [each for each in records if each.counts and each.row]))
    if differing and accepted is None:
        names = ", ".join(each.file.migration.path for each in differing)
        raise unchanged(
            Refused(
                f"the checksum that {tool.name} recorded is not that of the file: {names}",
                code="E725",
                hint="restore what ran from version control; if the files are right as they are: --accept-drift REASON",
            )
        )
    return differing


def _differing(tool: Tool, records: Sequence[Record]) -> Iterator[Record]:
    """Where the algorithm had to be guessed, a sum that fits one file shows which it is for all sums of its length."""
    found = [(each, each.row, tool.verifies(each.file.migration, each.row)) for each in records if each.row]
    known = {len(row.checksum) for _, row, verdict in found if verdict and row.checksum}
    for each, row, verdict in found:
        is_guessed = tool.name in GUESSES_SUMS and row.checksum is not None and len(row.checksum) in known
        if verdict is False or (verdict is None and is_guessed):
            yield each


def _named(row: Row) -> str:
    name = f"{row.key} {row.name}" if row.name and row.name != row.key else row.key
    return f"{name} ({row.remark})" if row.remark else name
