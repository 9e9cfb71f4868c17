"""What the rows of an old table say of each file, and what a person has to say about it."""

from __future__ import annotations

import pytest

from dbmigrate.errors import Refused
from dbmigrate.importing import records
from dbmigrate.importing.convert import Conversion, NewFile
from dbmigrate.importing.flyway import TOOL
from dbmigrate.importing.records import Dirty, Record
from dbmigrate.importing.values import ForeignMigration, Part, Row, State
from dbmigrate.model import Order


def conversion(*versions: str) -> Conversion:
    files = []
    for version in versions:
        migration = ForeignMigration(version, "x", f"V{version}__x.sql", (Part(""),), None, (), sums={"crc32": "1"})
        files.append(NewFile(migration, version, f"{version}_x.sql", ""))
    return Conversion("flyway", "db/migrations", tuple(files), Order.NAME)


def states(*rows: Row, versions: tuple[str, ...] = ("1", "2")) -> list[State]:
    return [each.state for each in records.of_rows(TOOL, conversion(*versions), rows)]


def test_a_file_without_a_row_is_pending() -> None:
    assert states(Row("1", State.APPLIED)) == [State.APPLIED, State.PENDING]


def test_the_last_row_counts() -> None:
    assert states(Row("1", State.FAILED), Row("1", State.APPLIED)) == [State.APPLIED, State.PENDING]


def test_a_row_after_a_baseline_counts_more_than_it() -> None:
    assert states(Row("2", State.BASELINE), Row("2", State.APPLIED)) == [State.BASELINE, State.APPLIED]


def test_rows_without_a_file_are_found_and_undone_ones_do_not_matter() -> None:
    rows = (Row("1", State.APPLIED), Row("7", State.APPLIED), Row("8", State.PENDING), Row("9", State.FAILED))

    assert [row.key for row in records.without_file(TOOL, conversion("1"), rows)] == ["7", "9"]


def test_a_failure_stops_with_its_name_until_it_is_answered() -> None:
    found = records.of_rows(TOOL, conversion("1"), (Row("1", State.FAILED, name="boats", remark="it failed"),))

    with pytest.raises(Refused, match=r"1 boats \(it failed\)") as caught:
        records.refuse_failed(found, (), None)

    assert caught.value.code == "E724"
    assert records.refuse_failed(found, (), Dirty.APPLIED)[0].state is State.APPLIED
    assert records.refuse_failed(found, (), Dirty.FAILED)[0].state is State.PENDING


def test_a_failure_without_a_file_stops_as_well() -> None:
    with pytest.raises(Refused):
        records.refuse_failed((), (Row("9", State.FAILED),), None)


def test_another_sum_stops_for_what_was_done_alone() -> None:
    rows = (Row("1", State.APPLIED, checksum="2"), Row("2", State.PENDING, checksum="2"))
    found = records.of_rows(TOOL, conversion("1", "2"), rows)

    with pytest.raises(Refused, match=r"V1__x\.sql") as caught:
        records.refuse_other_sums(TOOL, found, None)

    assert caught.value.code == "E725"
    assert "V2__x.sql" not in caught.value.message
    assert [each.file.version for each in records.refuse_other_sums(TOOL, found, "why")] == ["1"]


@pytest.mark.parametrize(
    ("state", "applied", "adopted", "expected"),
    [
        (State.PENDING, {"1"}, set(), State.APPLIED),  # dbmigrate has applied it
        (State.APPLIED, {"1"}, {"1"}, State.APPLIED),
        (State.MARKED, {"1"}, {"1"}, State.MARKED),
        (State.APPLIED, set(), {"1"}, State.PENDING),  # taken over, and undone since
        (State.APPLIED, set(), set(), State.APPLIED),  # new in the old table
        (State.FAILED, {"1"}, set(), State.APPLIED),
    ],
)
def test_our_own_history_knows_better(state: State, applied: set[str], adopted: set[str], expected: State) -> None:
    record = Record(conversion("1").files[0], None, state)

    assert records.since([record], applied=applied, adopted=adopted)[0].state is expected
