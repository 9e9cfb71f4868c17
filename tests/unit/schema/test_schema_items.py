"""Cutting a schema file into its items."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbmigrate.schema.items import Kind, split


def texts(text: str) -> list[str]:
    return [item.text for item in split(text)]


def kinds(text: str) -> list[Kind]:
    return [item.kind for item in split(text)]


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT ';', 'it''s;';",
        r"SELECT E'\';', 'C:\', ';';",
        r"SELECT e'\\', U&'\;', type'\';",
        'SELECT ";" AS "a"";";',
        "SELECT $$;$$, $tag$ $$ ; $tag$, $été$;$été$;",
        "SELECT $1;",
        "SELECT a$b$c;",
        "SELECT 1 /* ; /* ; */ ; */;",
        "SELECT 1 -- ;\n;",
        "SELECT 1 - 2 / 3 * -4 -/* ; */- 5;",
        "SELECT '--;', '/*;', \"--;\", '$$;', 'a\nb;';",
        "Create  Function f() returns int begin atomic select 1; end;",
        "CREATE RULE r AS ON INSERT TO t DO ALSO (SELECT 1; SELECT 2;);",
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT CASE WHEN true THEN 1 END; END;",
        "create or replace procedure p()\nbegin atomic\n select 'END;';\nend;",
        "CREATE FUNCTION f() RETURNS int RETURN CASE WHEN true THEN 1 END;",
        "CREATE FUNCTION f() RETURNS int AS $$begin case 1 when 1 then null; end case; end$$;",
        "CREATE TABLE début (\xa0é int);",
    ],
)
def test_a_hidden_semicolon_does_not_end_a_statement(statement):
    assert texts(f"SET a = 1;\n{statement}\nSET b = 2;") == ["SET a = 1;", statement, "SET b = 2;"]


def test_comments_commands_and_data_are_items_of_their_own():
    text = "-- one\n--two\n\\restrict x\n\nCOPY t (a) FROM stdin;\n1\\.;'\n\\.\n\nSELECT 1;"

    assert kinds(text) == [Kind.COMMENT, Kind.COMMAND, Kind.COPY, Kind.STATEMENT]


@pytest.mark.parametrize("between", [" \n", "\r\n", "\n ", "\n\n"])
def test_comment_lines_right_below_each_other_are_one_item(between):
    assert texts("--\n-- a;b -- 'c\n--") == ["--\n-- a;b -- 'c\n--"]
    assert texts(f"-- a{between}-- b\n") == ["-- a", "-- b"]


def test_an_empty_copy_ends_at_once():
    assert texts("COPY t (a) FROM stdin;\n\\.\n\n\\quit\n") == ["COPY t (a) FROM stdin;\n\\.", "\\quit"]


def test_a_backslash_inside_a_body_is_no_command():
    body = "CREATE FUNCTION f() AS $$\n\\restrict x\n\\! rm\n$$;"

    assert texts(body) == [body]


@pytest.mark.parametrize(
    "text", ["SELECT 1", "SELECT 'a''", "SELECT $x$ $$;", 'SELECT "a;', "/* /* */ ;", "COPY t FROM stdin;\n1\n"]
)
def test_what_has_no_end_is_unfinished(text):
    assert [(item.kind, item.text) for item in split(text + "\n")] == [(Kind.UNFINISHED, text.rstrip())]


def test_line_breaks_before_an_item_are_counted():
    assert [item.breaks for item in split("a;\nb; c;\n\n\n-- d")] == [0, 1, 0, 3]


@given(st.text(alphabet="aE;'\"$\\-/*()\n .0é", max_size=60))
def test_no_character_is_lost(text):
    position = 0
    for item in split(text):
        assert text[position : item.start].strip(" \t\n\r\f\v") == ""
        assert text[item.start : item.end] == item.text != ""
        position = item.end
    assert text[position:].strip(" \t\n\r\f\v") == ""
