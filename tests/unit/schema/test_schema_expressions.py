"""The two rewrites that make an expression's spelling stable."""

from __future__ import annotations

import pytest

from dbmigrate.schema.expressions import settle


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("CHECK ((((a >= 1) AND (a <= 3)) AND (b <> 'z')))", "CHECK (((a >= 1) AND (a <= 3) AND (b <> 'z')))"),
        ("CHECK (((x OR y) OR z))", "CHECK ((x OR y OR z))"),
        ("CHECK ((((a AND b) AND c) AND d))", "CHECK ((a AND b AND c AND d))"),
        (
            "(t = ANY ((ARRAY['x'::character varying, v])::text[]))",
            "(t = ANY (ARRAY[('x'::character varying)::text, (v)::text]))",
        ),
        ("(ARRAY[f(a, 'b,c'), (d)])::app.\"My Type\"[]", 'ARRAY[(f(a, \'b,c\'))::app."My Type", ((d))::app."My Type"]'),
        ("(ARRAY[a])::timestamp(3) without time zone[]", "ARRAY[(a)::timestamp(3) without time zone]"),
        ("(ARRAY[a])::numeric(10,2)[]", "ARRAY[(a)::numeric(10,2)]"),
        ("(ARRAY[ARRAY[a, b], ARRAY[c]])::text[]", "ARRAY[ARRAY[(a)::text, (b)::text], ARRAY[(c)::text]]"),
        ("((ARRAY[((p AND q) AND r)])::x[] AND s)", "(ARRAY[((p AND q AND r))::x] AND s)"),
    ],
)
def test_a_spelling_that_changes_when_loaded_is_settled(before, after):
    assert settle(before) == after
    assert settle(after) == after


@pytest.mark.parametrize(
    "statement",
    [
        "CHECK ((a AND (b AND c)))",  # the grammar flattens the left operand only
        "CHECK (((a OR b) AND c))",
        "CHECK ((NOT (a AND b) AND c))",
        "COMMENT ON TABLE t IS '((a AND b) AND c) (ARRAY[a])::t[]'",
        "CREATE FUNCTION f() AS $$((a AND b) AND c) (ARRAY[a])::t[]$$",
        "SELECT \"((a AND b) AND c)\", E'\\'((a AND b) AND c)'",
        "(ARRAY[a, b])::text",
        "(ARRAY[])::text[]",
        "((ARRAY[a, b] || c))::text[]",
        "f(ARRAY[a], b)::text[]",
        "(ARRAY[ARRAY[]])::text[]",
    ],
)
def test_everything_else_is_kept(statement):
    assert settle(statement) == statement


@pytest.mark.parametrize(
    "statement",
    ["((a AND b) AND c))", "(((a AND b) AND c)", "((a AND b) AND c]", "((a AND b) AND 'c)", "((a AND b) AND c) -- x"],
)
def test_what_is_not_understood_comes_back_unchanged(statement):
    assert settle(statement) == statement


def test_an_array_of_arrays_that_have_casts_of_their_own_is_left_alone():
    statement = "(ARRAY[(ARRAY[a])::text[]])::x[]"

    assert settle(statement) == "(ARRAY[ARRAY[(a)::text]])::x[]"
