"""The token checksum leaves out what is not run, and still knows what was recorded when that counted."""

from __future__ import annotations

import hashlib

import pytest

from dbmigrate.migrations.parser import token_checksum, token_sum
from dbmigrate.sql import words

UP, DOWN = "-- migrate:up", "-- migrate:down"
PLAIN = f"{UP}\ncreate table a ();\n{DOWN}\ndrop table a;\n"


def wrapped(begin: str, commit: str, *, header: str = UP) -> str:
    return f"{header}\n{begin}\ncreate table a ();\n{commit}\n{DOWN}\ndrop table a;\n"


def counted_before(*parts: str) -> str:
    """The sum as it was made when every statement counted: of the tokens of headers and statements, one by one."""
    made = hashlib.sha256()
    for part in parts:
        tokens = ["--migrate", *part.removeprefix("--").split()] if part.startswith("--") else list(words(part))
        made.update("\0".join((*tokens, "")).encode())
    return made.hexdigest()


@pytest.mark.parametrize("begin", ["", "begin;", "BEGIN WORK;", "start transaction;", "begin transaction ;"])
@pytest.mark.parametrize("commit", ["commit;", "END;", "commit work;", "commit transaction", "end transaction;"])
def test_a_redundant_wrapper_does_not_count(begin: str, commit: str) -> None:
    assert token_checksum(wrapped(begin, commit)) == token_checksum(PLAIN)


@pytest.mark.parametrize(
    "text",
    [
        wrapped("begin;", "commit;", header=f"{UP} transaction:false"),
        wrapped("begin read only;", "commit;"),
        wrapped("begin;", "commit and chain;"),
        wrapped("begin;", "rollback;"),
        wrapped("begin;", "commit; select 1;"),
        wrapped("select 1; begin;", "commit;"),
    ],
)
def test_any_other_transaction_control_counts(text: str) -> None:
    bare = text.replace("begin;", "").replace("commit;", "")

    assert token_checksum(text) != token_checksum(PLAIN)
    assert token_checksum(text) != token_checksum(bare)


def test_a_file_without_a_wrapper_has_the_sum_that_it_always_had() -> None:
    before = counted_before(UP, "create table a ();", DOWN, "drop table a;")

    assert token_checksum(PLAIN) == before


@pytest.mark.parametrize(
    "around",
    [("begin;", "commit;"), ("start transaction;", "commit;"), ("begin work;", "commit work;"), ("begin;", "end;")],
)
def test_a_sum_that_was_recorded_with_its_wrapper_is_known(around: tuple[str, str]) -> None:
    begin, commit = around
    both = counted_before(UP, begin, "create table a ();", commit, DOWN, begin, "drop table a;", commit)
    up_only = counted_before(UP, begin, "create table a ();", commit, DOWN, "drop table a;")
    end_only = counted_before(UP, "create table a ();", commit, DOWN, "drop table a;")

    for recorded in (both, up_only, end_only):
        assert token_sum(PLAIN).equals(recorded)
        assert token_sum(wrapped(begin, commit)).equals(recorded)


def test_a_sum_of_several_pairs_is_known_too() -> None:
    text = PLAIN + PLAIN.replace("table a", "table b")
    recorded = counted_before(
        *(UP, "begin;", "create table a ();", "commit;", DOWN, "begin;", "drop table a;", "commit;"),
        *(UP, "begin;", "create table b ();", "commit;", DOWN, "begin;", "drop table b;", "commit;"),
    )

    assert token_sum(text).equals(recorded)


def test_another_change_is_never_taken_for_a_wrapper() -> None:
    for other in (
        PLAIN.replace("a ()", "b ()"),
        PLAIN.replace("drop", "truncate"),
        wrapped("", "", header=f"{UP} transaction:false"),
    ):
        recorded = counted_before(UP, "begin;", "create table a ();", "commit;", DOWN, "drop table a;")
        assert not token_sum(other).equals(recorded)


def test_a_file_without_a_statement_is_empty() -> None:
    assert token_sum(f"{UP}\n-- later\n{DOWN}\n").is_empty
    assert not token_sum(PLAIN).is_empty
