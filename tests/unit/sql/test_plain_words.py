"""The words of a statement found at once are those that are found one by one."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dbmigrate.sql import LexerError, plain_words, words
from dbmigrate.sql.plain_words import all_words

PIECES = ["a", "E", "e", "U", "u", "&", "1", "1.", "5", ".", "..", "1e", "_", "é", "\u00a0", "x1", "select"]
PIECES += ["'", "''", "'x'", '"', '"y"', "$", "$$", "$1", "\\", "x'", "U&'", "B'01'", "'é'"]
PIECES += ["-", "--", "+", "/", "*", "/*", "*/", "=", "<", ">", "|", "@", "~", "#", "->", "->>", "<>", "||"]
PIECES += ["::", ":=", ":", ";", "(", ")", ",", "[", "]", "{", " ", "\n", "\t", "\r", "\v", " - ", " 'q' "]
UNITS = [
    "'a",
    "1e",
    "a",
    "/*",
    "1.",
    " ",
    "$",
    "'\"",
    "&'",
    "--",
    "a'",
    "1_",
    "=",
    "1...",
    "''",
    '"a"\'',
    "\\",
    "é",
    "(-",
]


@settings(max_examples=600)
@given(st.lists(st.sampled_from(PIECES), max_size=10).map("".join))
@example("1.''a")  # a number is not cut before its point
@example("'x'.1.|")
@example("5e-1.*&")
@example("a=-1 and b@-2")
@example("select 1 as é, 'É' as É")
def test_words_found_at_once_are_those_found_one_by_one(sql):
    try:
        expected = list(words(sql))
    except LexerError as exc:
        if "" in plain_words.found(sql):
            with pytest.raises(LexerError, match=re.escape(exc.message)):
                all_words(sql)
        else:
            raise AssertionError(f"{sql!r} has no end, and words were found") from exc
    else:
        assert list(all_words(sql)) == expected


@pytest.mark.parametrize(
    "sql",
    [
        "create table t1 (id bigint primary key, name text not null default 'it''s');",
        "INSERT INTO a.\"B\" (x, y) VALUES (1.5, 'C:\\'), (-3, 'é');",
        "update t set a = b->>'c', d = now() - interval '1 day' where e <> 3 and f::text || g like '%x';",
    ],
)
def test_ordinary_statements_do_not_go_the_usual_way(sql):
    assert "" not in plain_words.found(sql)


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("end", ["", "'", '"', "-", "+'"])
def test_the_time_grows_with_the_length_and_no_faster(unit, end):
    text = unit * (200_000 // len(unit)) + end

    began = time.process_time()
    plain_words.found(text)

    assert time.process_time() - began < 3  # takes 10 to 40 ms; what tries twice takes minutes
