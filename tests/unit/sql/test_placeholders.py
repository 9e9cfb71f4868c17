"""Where the placeholders of variables are in a statement."""

from __future__ import annotations

import pytest

from dbmigrate.sql.placeholders import fill, uses

VALUES = {"x": "v", "t": "n"}


@pytest.mark.parametrize(
    ("sql", "sent"),
    [
        ("select :'x', :\"t\"", "select 'v', \"n\""),
        ("(:'x')", "('v')"),
        ('create table :"t".:"x" ()', 'create table "n"."v" ()'),
        ("f(a := :'x')", "f(a := 'v')"),
        ("a = ANY (array[:'x', :'t'])", "a = ANY (array['v', 'n'])"),
        ("array[[:'x'], [:'t']]", "array[['v'], ['n']]"),
        ("a[(:'x')]", "a[('v')]"),
        ("data ->:'x'", "data -> 'v'"),
        ('1:::"t"', '1:: "n"'),
        ("json_object(:'x': :'t')", "json_object('v' : 'n')"),
        ("json_object('k' value :'x', a || :'t': 1)", "json_object('k' value 'v', a || 'n' : 1)"),
        ("json_object(k: f(:'x', 'y'), 'l': :'t')", "json_object(k: f('v', 'y'), 'l': 'n')"),
        ("/* a */ :'x' -- :'t'\n;", "/* a */ 'v' -- :'t'\n;"),
        # nothing sticks to a value
        ("b:'x'", "b 'v'"),
        ("'a':'x':'t'", "'a' 'v'  'n'"),
        ("U&:'x'", "U& 'v'"),
        ("e:'x'b", "e 'v' b"),
    ],
)
def test_a_placeholder_becomes_a_literal_or_a_name(sql, sent):
    filled = fill(sql, VALUES)

    assert filled is not None
    assert filled.text == sent
    assert filled.source == sql
    assert len(filled.neutral) == len(sql)
    slowly = fill(f"{sql} /* */", VALUES)  # rows of data take a shorter way
    assert slowly is not None
    assert slowly.patches[:-1] == filled.patches[:-1]
    assert [patch.begin for patch in slowly.patches] == [patch.begin for patch in filled.patches]


@pytest.mark.parametrize(
    "sql",
    [
        ":'y'",
        ":x",
        ": 'x'",
        ":/**/'x'",
        "'x'::text",
        "f(a :='x')",
        "':''x'''",
        "':x'",
        '":""x"""',
        "$$ :'x' $$",
        '$a$ :"t" $a$',
        "-- :'x'",
        "/* /* */ :'x' */ select 1",
        r"E'\' :\'x\' '",
        ":'x''t'",
        ":E'x'",
        ":'x y'",
        "a[1:'x']",
        "a[:'x']",
        "a[f(1)[2]:'x']",
        "(array[1, 2])[1:'x']",
        "a[lo:hi]",
        "json_object('k':'x')",
        "json_object(k:'x', 'l':\"t\")",
        "json_objectagg(k:'x')",
        "json_object(a || 'b':'x')",
        "data ? ':x'",
    ],
)
def test_everything_else_stays_what_it_is(sql):
    assert fill(sql, VALUES) is None
    assert fill(f"{sql} /* */", VALUES) is None
    assert list(uses(sql, VALUES)) == []


def test_a_place_in_the_sent_text_is_one_in_the_file():
    filled = fill("select :'x', é, :'x' from t", {"x": "long value"})
    assert filled is not None

    assert filled.source[filled.origin(filled.text.index("é"))] == "é"
    assert filled.origin(filled.text.index("from")) == filled.source.index("from")
    assert filled.origin(filled.text.index("value")) == filled.source.index(":'x'")
    assert [filled.is_value(filled.text.index(word)) for word in ("é", "value", "from")] == [False, True, False]
