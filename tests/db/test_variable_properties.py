"""Whatever the value of a variable is, it is the text of one literal, or the name of one object."""

from __future__ import annotations

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dbmigrate.sql.placeholders import fill, identifier, literal

PIECES = ["'", "''", '"', "\\", "\\'", "$$", "$a$", ";", "--", "/*", "*/", "E'", "U&'", ":'x'", "\n", "\r", "é", "a", " "]
TEXTS = st.one_of(
    st.lists(st.sampled_from(PIECES), max_size=8).map("".join),
    st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=20),
)
NAMES = TEXTS.filter(lambda text: 0 < len(text.encode()) < 64)
# before and after a placeholder: what could stick to it, or make something else of it
AROUND = st.sampled_from([("", ""), ("(", ")"), ("/* ' */", "-- '"), ("'' || ", ""), ("e'\\\\' || ", ""), ("b, ", "")])


def checked(conn, value, name, standard, around):
    conn.execute(f"set standard_conforming_strings = {standard}")
    filled = fill("select :'v', :'v' = :'v', (select 'inner') as :\"n\"", {"v": value, "n": name})
    cursor = conn.execute(filled.text.encode())
    assert cursor.fetchall() == [(value, True, "inner")]
    assert cursor.description[2].name == name
    assert cursor.nextset() is None
    before, after = around
    last = conn.execute(fill(f"with t(b) as (values (1)) select {before}:'v'{after}\nfrom t", {"v": value}).text.encode())
    assert len(last.fetchall()) == 1
    assert last.nextset() is None


@pytest.fixture
def conn(database_url):
    with psycopg.connect(database_url, autocommit=True, client_encoding="utf8") as conn:
        yield conn


def _property(examples):
    @settings(max_examples=examples, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(value=TEXTS, name=NAMES, around=AROUND, standard=st.sampled_from(("on", "off")))
    def holds(conn, value, name, around, standard):
        checked(conn, value, name, standard, around)
        escaped = psycopg.sql.Literal(value).as_string(conn)
        assert literal(value).lstrip() == escaped.lstrip()
        assert identifier(name) == psycopg.sql.Identifier(name).as_string(conn)

    return holds


test_no_value_is_more_than_one_literal_or_name = _property(30)
test_no_value_of_very_many_is_more_than_one_literal_or_name = pytest.mark.matrix(_property(1000))
