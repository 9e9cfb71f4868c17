"""Function bodies are compared without their comments, and without anything else."""

from __future__ import annotations

import pytest

from dbmigrate.importing.bodies import differ_in_comments_alone

HEAD = "CREATE OR REPLACE FUNCTION public.f()\n RETURNS trigger\n LANGUAGE plpgsql\nAS $function$"


def definition(body: str, *, head: str = HEAD, tag: str = "$function$") -> str:
    return f"{head}{body}{tag}\n"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("begin return new; -- why\nend", "begin return new;\nend"),
        ("begin\n  return new;\nend", "begin return new; end"),
        ("begin /* a */ return new; end", "begin return new; end"),
        ("begin return new;\r\nend", "begin return new;\nend"),
        ("begin return 'a' || $$b$$; end", "begin return 'a'  ||  $$b$$ ; end"),
    ],
)
def test_comments_and_blanks_do_not_count(one: str, other: str) -> None:
    assert differ_in_comments_alone(definition(one), definition(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("begin return new; end", "begin return old; end"),
        ("begin return '-- a'; end", "begin return '-- b'; end"),
        ("begin return 'a b'; end", "begin return 'a  b'; end"),
        ("begin return new; end", "begin perform 1; return new; end"),
    ],
)
def test_everything_else_counts(one: str, other: str) -> None:
    assert not differ_in_comments_alone(definition(one), definition(other))


def test_what_stands_around_the_body_counts() -> None:
    stable = HEAD.replace("LANGUAGE plpgsql", "LANGUAGE plpgsql STABLE")

    assert not differ_in_comments_alone(definition("begin end"), definition("begin end -- x", head=stable))


@pytest.mark.parametrize("text", ["numeric(8,2)", "CREATE VIEW v AS SELECT 1 -- a", ""])
def test_what_has_no_body_differs(text: str) -> None:
    assert not differ_in_comments_alone(text, definition("begin end"))


def test_a_body_that_is_no_sql_differs() -> None:
    assert not differ_in_comments_alone(definition("print('it''s')  # '"), definition("print('it''s') # 'x"))
