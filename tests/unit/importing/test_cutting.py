"""SQL of another tool cut into what runs together here: nothing lost, nothing but the necessary changed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbmigrate.errors import MigrationFileError
from dbmigrate.importing.cutting import cut
from dbmigrate.importing.values import Part


def parts(sql: str, *, transaction: bool = True) -> list[tuple[str, bool]]:
    return [(each.sql, each.transaction) for each in cut(Part(sql, transaction), "old.sql").parts]


def told(sql: str) -> list[str]:
    return [f"{each.place}: {each.message}" for each in cut(Part(sql), "old.sql").judgements]


@pytest.mark.parametrize(
    "sql",
    [
        "",
        "-- nothing\n",
        "/* a licence */\n\nselect 1;\n",
        "select 1;\r\n-- c\r\nselect ';';\r\n",
        "select 1",
        "select $a$ commit; vacuum; $a$;",
        "create function f() returns int language sql begin atomic select 1; end;",
        "copy t from stdin;\nbegin;\n\\.\nselect 2;\n",
        "savepoint a; rollback to a; release a;",
        "do $$ begin perform 1; end $$;",
    ],
)
def test_what_is_plain_stays_as_it_is(sql: str) -> None:
    assert parts(sql) == [(sql, True)]
    assert told(sql) == []


def test_a_byte_order_mark_is_dropped() -> None:
    assert parts("\ufeffselect 1;") == [("select 1;", True)]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("BEGIN;\nselect 1;\nCOMMIT;\n", "select 1;\n"),
        ("-- why\nBEGIN;\n\nselect 1;\n\nCOMMIT;\n-- end\n", "-- why\n\nselect 1;\n\n-- end\n"),
        ("begin transaction; select 1; end;", " select 1; "),
        ("START TRANSACTION;\r\nselect 1;\r\nCOMMIT WORK;\r\n", "select 1;\r\n"),
        ("begin; -- all of it\nselect 1;\ncommit", " -- all of it\nselect 1;\n"),
        ("/* x */ begin;\nselect 1;\ncommit;", "/* x */ \nselect 1;\n"),
    ],
)
def test_a_wrapper_is_taken_out_and_said(sql: str, expected: str) -> None:
    assert parts(sql) == [(expected, True)]
    assert "BEGIN and COMMIT around all of it" in told(sql)[0]


@pytest.mark.parametrize("end", ["COMMIT;\n", "commit work;\r\n", "end;"])
def test_a_lone_commit_at_the_end_is_taken_out_and_said(end: str) -> None:
    assert parts(f"select 1;\n\n{end}") == [("select 1;\n\n", True)]
    assert told(f"select 1;\n\n{end}") == [
        "old.sql:3:1: the COMMIT at its end is taken out: it runs in one transaction"
    ]


@pytest.mark.parametrize("sql", ["commit;", "select 1; commit and chain;", "vacuum; commit;"])
def test_another_lone_commit_is_refused(sql: str) -> None:
    with pytest.raises(MigrationFileError) as caught:
        parts(sql)

    assert caught.value.code == "E281"


def test_a_wrapper_makes_a_transaction_of_what_had_none() -> None:
    assert parts("begin;\nselect 1;\ncommit;\n", transaction=False) == [("select 1;\n", True)]


def test_without_a_transaction_everything_else_stays() -> None:
    sql = "vacuum;\nbegin;\nselect 1;\ncommit;\nselect 2;\n"

    assert parts(sql, transaction=False) == [(sql, False)]


def test_a_wrapper_with_options_keeps_them() -> None:
    with pytest.raises(MigrationFileError) as caught:
        parts("begin isolation level serializable;\nselect 1;\ncommit;\n")

    assert (caught.value.code, str(caught.value.place)) == ("E281", "old.sql:1:1")


def test_a_single_statement_that_no_transaction_may_hold_gets_none() -> None:
    sql = "-- slow\ncreate index concurrently i on t (a);\n"

    assert parts(sql) == [(sql, False)]
    assert "transaction:false" in told(sql)[0]


def test_such_a_statement_among_others_gets_a_section_of_its_own() -> None:
    first = "-- one\ncreate table t (a int); -- t\n"
    sql = f"{first}-- two\ncreate index concurrently i on t (a); /* i */\n-- three\nselect 1;\n-- end\n"

    found = parts(sql)

    assert [transaction for _, transaction in found] == [True, False, True]
    assert "".join(text for text, _ in found) == sql
    assert found[0][0] == first
    assert found[2][0].endswith("-- three\nselect 1;\n-- end\n")


def test_blocks_of_a_file_become_sections() -> None:
    index = "create index concurrently i on t (a);\n"
    sql = f"begin;\ncreate table a ();\ncommit;\n{index}begin;\ncreate table b ();\ncommit;\n"

    assert parts(sql) == [
        ("create table a ();\n", True),
        (index, False),
        ("create table b ();\n", True),
    ]


def test_a_commit_in_the_middle_of_what_had_a_transaction_is_refused_with_its_place() -> None:
    with pytest.raises(MigrationFileError) as caught:
        cut(Part("select 1;\n  commit;\nselect 2;\n"), "old.sql", first_line=11)

    assert (caught.value.code, str(caught.value.place)) == ("E281", "old.sql:12:3")


@pytest.mark.parametrize(
    "sql", ["rollback;", "begin;\nselect 1;", "prepare transaction 'x';", "begin;\nvacuum;\ncommit;\n"]
)
def test_transactions_that_cannot_be_told_are_refused(sql: str) -> None:
    with pytest.raises(MigrationFileError, match="cannot be converted"):
        parts(sql)


@pytest.mark.parametrize(
    "line", ["\\i other.sql", "\\set x 1", "\\copy t from 'x'", "\\restrict abc", "select 1 \\gexec"]
)
def test_psql_commands_are_refused_with_their_place(line: str) -> None:
    with pytest.raises(MigrationFileError) as caught:
        cut(Part(f"select 0;\n{line}\n"), "old.sql", first_line=5)

    assert caught.value.code == "E218"
    assert str(caught.value.place).startswith("old.sql:6:")


def test_what_is_not_closed_is_told_with_its_place() -> None:
    with pytest.raises(MigrationFileError) as caught:
        cut(Part("select 1;\nselect 'x;\n"), "old.sql")

    assert (caught.value.code, str(caught.value.place)) == ("E217", "old.sql:2:8")


@pytest.mark.parametrize(
    "line",
    [
        "-- migrate:up",
        "-- migrate:down transaction:false",
        "--migrate:up",
        "-- Migrate: up",
        "-- migrate up",
        "  -- migrate:down",
        "-- migrate:env dev",
    ],
)
def test_a_comment_that_would_begin_a_section_is_marked(line: str) -> None:
    (found,) = parts(f"select 1;\n{line}\nselect 2;\n")

    assert "(old comment)" in found[0]
    assert f"old.sql:2:1: `{line.strip()}`" in told(f"select 1;\n{line}\nselect 2;\n")[0]


@pytest.mark.parametrize(
    "text", ["select '\n-- migrate:up\n';", "do $$\n-- migrate:down\n$$;", "/*\n-- migrate:up\n*/ select 1;"]
)
def test_quoted_text_that_looks_like_a_header_stays(text: str) -> None:
    assert parts(text) == [(text, True)]


PIECES = ["select 1;", "select 'a;b';", "-- c\n", "/* d */", "\n", "\r\n", "  ", "vacuum t;", "-- e;\n"]
PIECES += ["create index concurrently i on t (a);", "insert into t values ($$;$$);"]


@given(st.lists(st.sampled_from(PIECES), max_size=12))
def test_cut_in_any_way_the_pieces_are_the_text(chosen: list[str]) -> None:
    sql = "".join(chosen)

    found = parts(sql)

    assert "".join(text for text, _ in found) == sql
    assert all(
        transaction or ("vacuum" in text) != ("concurrently" in text) or len(found) == 1 for text, transaction in found
    )
