"""A lock report as text, as JSON and as markdown."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from dbmigrate.impact import Held, Impact, LockMode, Priced, PricedTable, Relation, Size, TableImpact, Usage, Verdict
from dbmigrate.impact.verdicts import judged, of
from dbmigrate.model import Place
from dbmigrate.output import impact as output

ORDERS = Relation("public", "orders")
HUGE = Size(310_000_000, 30 << 30, 41 << 30)
SMALL = Size(12, 8192, 16384)
AEL, SHARE, SUE = LockMode.ACCESS_EXCLUSIVE, LockMode.SHARE, LockMode.SHARE_UPDATE_EXCLUSIVE


def statement(*tables: PricedTable, **facts: object) -> Priced:
    sql = "alter table orders alter column id type bigint"
    impact = Impact("3", Place("db/migrations/3_c.sql", 4), sql, tuple(table.impact for table in tables), **facts)
    return judged(impact, tables, oldest=720.0)


def table(lock: LockMode, size: Size | None = HUGE, usage: Usage | None = None, **facts: object) -> PricedTable:
    impact = TableImpact(ORDERS, lock, **facts)
    return PricedTable(impact, of(impact, size), size, usage or Usage())


def line(priced: Priced) -> str:
    return list(output.lines([priced]))[2]


def test_a_rewrite_of_a_large_table_is_marked_with_its_size_and_its_users() -> None:
    found = statement(table(AEL, usage=Usage(37, 3.0, 1.5, "app", "shop"), is_rewritten=True, is_scanned=True))

    assert line(found) == (
        "!! :4  orders  alter table orders alter column id type bigint  ACCESS EXCLUSIVE · rewrites ≈ 310 M rows, 41 GB"
        " · blocks reads and writes · 37 sessions use it, the longest for 3.0 s of app (shop)"
    )


@pytest.mark.parametrize(
    ("found", "end"),
    [
        (table(AEL), "ACCESS EXCLUSIVE · blocks reads and writes briefly"),
        (table(AEL, SMALL, is_rewritten=True), "rewrites ≈ 12 rows, 16 kB · blocks reads and writes briefly"),
        (
            table(AEL, replace(HUGE, rows=None), is_scanned=True),
            "reads an unknown number of rows (never analysed), 30 GB on disk · blocks reads and writes",
        ),
        (table(AEL, None, is_scanned=True), "ACCESS EXCLUSIVE · reads · blocks reads and writes"),
        (
            table(SHARE, new_indexes=("a", "b"), is_scanned=True),
            "SHARE · builds 2 indexes over ≈ 310 M rows, 41 GB · blocks writes",
        ),
        (table(SUE, is_scanned=True), "reads ≈ 310 M rows, 30 GB · blocks schema changes and VACUUM"),
        (table(LockMode.ROW_EXCLUSIVE, is_scanned=True), "reads ≈ 310 M rows, 30 GB · blocks nobody"),
        (
            table(AEL, is_held=True, is_scanned=True),
            "ACCESS EXCLUSIVE (held already) · reads ≈ 310 M rows, 30 GB · blocks reads and writes",
        ),
        (table(AEL, through="orders_pkey"), "ACCESS EXCLUSIVE on orders_pkey · blocks reads and writes briefly"),
        (table(AEL, is_emptied=True), "empties it ≈ 310 M rows, 30 GB · blocks reads and writes briefly"),
        (table(AEL, usage=Usage(1)), "briefly · 1 session uses it"),
        (
            table(AEL, usage=Usage(1, 720.0)),
            "briefly · 1 session uses it, the longest for 12 min 0 s"
            " · waits behind a transaction that is open for 12 min 0 s, and everybody else behind it",
        ),
        (replace(table(AEL, is_rewritten=True), exists=False), "ACCESS EXCLUSIVE · the table is new on the target"),
        (table(AEL, partitions=(ORDERS, ORDERS)), "ACCESS EXCLUSIVE · blocks reads and writes briefly"),
    ],
)
def test_a_table_is_told_in_a_line(found: PricedTable, end: str) -> None:
    assert line(statement(found)).endswith(end)


def test_what_holds_up_others_meanwhile_is_blamed() -> None:
    held = Held(Relation("public", "users"), AEL)

    found = statement(table(LockMode.ROW_EXCLUSIVE, is_scanned=True), holding=(held,))

    assert (found.verdict, found.verdict.is_dangerous) == (Verdict.BLOCKS_ALL, True)
    assert line(found).startswith("!!")
    assert line(found).endswith(" · blocks nobody · while ACCESS EXCLUSIVE on users is held")


def test_whom_a_statement_waits_for_is_told_with_the_oldest() -> None:
    found = statement(table(SUE, new_indexes=("i",), is_scanned=True), waits_for="all older transactions")

    assert found.verdict is Verdict.LONG
    assert line(found).endswith("waits for all older transactions (the oldest is 12 min 0 s old)")


def test_what_could_not_be_measured_says_why() -> None:
    assert line(statement(note="not run")) == "   :4  alter table orders alter column id type bigint  not run"


def test_everyday_statements_are_left_out() -> None:
    assert list(output.lines([statement(table(LockMode.ROW_EXCLUSIVE))])) == [
        "Locks, measured on a scratch database; sizes and sessions are those of the target now",
        "No statement blocks others for long",
    ]


def test_the_order_is_that_of_the_statements() -> None:
    first, second = statement(table(AEL)), statement(table(AEL, is_rewritten=True))

    assert [each[:2] for each in output.lines([first, second])][2:] == ["  ", "!!", "1 "]


def test_many_tables_are_cut_short() -> None:
    many = statement(*(table(AEL) for _ in range(50)))

    lines = list(output.lines([many]))

    assert (len(lines), lines[-2].strip()) == (24, ":4  ... and 30 more tables")


def test_hostile_text_stays_in_its_line() -> None:
    impact = TableImpact(Relation("public", "a\n\x1b[2J"), AEL)
    found = judged(Impact("1", Place("a\nb.sql", 1), "x\r\x1b]0;", (impact,)), [PricedTable(impact, Verdict.BRIEF)])

    lines = [*output.lines([found]), *output.markdown([found])]

    assert all(character.isprintable() for each in lines for character in each)


def test_json_has_everything() -> None:
    found = statement(table(AEL, is_rewritten=True, is_scanned=True), holding=(Held(ORDERS, SHARE),))

    (value,) = json.loads(json.dumps(output.values([found])))

    assert (value["verdict"], value["dangerous"], value["line"]) == ("blocks_all", True, 4)
    assert value["while_holding"] == [{"table": "orders", "lock": "SHARE", "blocks": "writes"}]
    assert (value["tables"][0]["rows"], value["tables"][0]["total_bytes"]) == (310_000_000, 41 << 30)
    assert (value["tables"][0]["rewrites"], value["tables"][0]["lock"]) == (True, "ACCESS EXCLUSIVE")


def test_markdown_is_a_table_whatever_is_in_it() -> None:
    found = replace(statement(table(AEL, is_rewritten=True)))
    found = replace(found, impact=replace(found.impact, sql="select '`a|b`'"))

    header, rule, row = output.markdown([found])

    assert (header.count("|"), rule.count("|")) == (6, 6)
    assert row == (
        "| ⚠️ | 3_c.sql:4 `` select '`a\\|b`' `` | `orders` | ACCESS EXCLUSIVE"
        " | rewrites ≈ 310 M rows, 41 GB · blocks reads and writes |"
    )


@pytest.mark.parametrize(
    ("lock", "size", "facts", "verdict"),
    [
        (AEL, HUGE, {"is_rewritten": True}, Verdict.BLOCKS_ALL),
        (AEL, HUGE, {"is_scanned": True}, Verdict.BLOCKS_ALL),
        (AEL, HUGE, {}, Verdict.BRIEF),
        (AEL, HUGE, {"is_emptied": True}, Verdict.BRIEF),
        (AEL, SMALL, {"is_rewritten": True}, Verdict.BRIEF),
        (AEL, Size(1, 1, 16 << 20), {"is_rewritten": True}, Verdict.BLOCKS_ALL),
        (AEL, Size(1, 127 << 20, 200 << 20), {"is_scanned": True}, Verdict.BRIEF),
        (AEL, Size(1, 128 << 20, 200 << 20), {"is_scanned": True}, Verdict.BLOCKS_ALL),
        (AEL, None, {"is_scanned": True}, Verdict.BLOCKS_ALL),
        (AEL, None, {}, Verdict.BRIEF),
        (LockMode.EXCLUSIVE, HUGE, {"is_scanned": True}, Verdict.BLOCKS_WRITES),
        (SHARE, HUGE, {"new_indexes": ("i",)}, Verdict.BLOCKS_WRITES),
        (SUE, HUGE, {"new_indexes": ("i",)}, Verdict.LONG),
        (SUE, HUGE, {}, Verdict.HARMLESS),
        (LockMode.ROW_EXCLUSIVE, HUGE, {}, Verdict.HARMLESS),
    ],
)
def test_the_verdict_is_lock_times_work_times_size(
    lock: LockMode, size: Size | None, facts: dict[str, object], verdict: Verdict
) -> None:
    assert of(TableImpact(ORDERS, lock, **facts), size) is verdict


@pytest.mark.parametrize(
    ("amount", "said"),
    [(0, "0 bytes"), (8192, "8 kB"), (1536 << 10, "1.5 MB"), (41 << 30, "41 GB"), (1 << 50, "1024 TB")],
)
def test_sizes_are_rounded(amount: int, said: str) -> None:
    assert output.byte_size(amount) == said


@pytest.mark.parametrize(("amount", "said"), [(7, "7"), (1500, "1.5 k"), (310_400_000, "310 M"), (2 * 10**9, "2 G")])
def test_rows_are_rounded(amount: int, said: str) -> None:
    assert output.number(amount) == said
