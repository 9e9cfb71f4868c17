"""A schema file without some of its objects."""

from __future__ import annotations

from dbmigrate.schema import normalise, parts
from dbmigrate.schema.parts import Title


def titled(name: str, kind: str, sql: str) -> str:
    return f"--\n-- Name: {name}; Type: {kind}; Schema: public; Owner: -\n--\n\n{sql}\n\n\n"


ROWS = "\n--\n-- Dbmate schema migrations\n--\n\nINSERT INTO public.t (version) VALUES\n    ('001');\n"
HEAD = f"{normalise.PREAMBLE}\n"
A = titled("a", "TABLE", "CREATE TABLE public.a (\n    id integer\n);")
B = titled("b", "TABLE", "CREATE TABLE public.b (\n    id integer\n);")
TOUCH = titled("touch()", "FUNCTION", "CREATE FUNCTION public.touch() RETURNS text AS $$select '--\n-- Name: a'$$;")
OTHER = "SET default_table_access_method = columnar;\n\n\n"


def test_each_object_has_its_title_and_its_sql() -> None:
    found = parts.texts(HEAD + A + TOUCH + ROWS)

    assert list(found) == [Title("TABLE", "public", "a"), Title("FUNCTION", "public", "touch()")]
    assert found[Title("TABLE", "public", "a")].endswith("CREATE TABLE public.a (\n    id integer\n);")
    assert str(Title("TABLE", "public", "a")) == "table public.a"


def test_without_an_object_the_rest_stays_byte_for_byte() -> None:
    a, b = Title("TABLE", "public", "a"), Title("TABLE", "public", "b")

    assert parts.without(HEAD + A + B + ROWS, {a}) == HEAD + B + ROWS
    assert parts.without(HEAD + A + TOUCH + B, {a}) == HEAD + TOUCH + B
    assert parts.without(HEAD + A + B, ()) == HEAD + A + B
    assert "CREATE TABLE public.a" not in parts.without(HEAD + A + B + ROWS, {a, b})
    assert parts.without(HEAD + A + B + ROWS, {a, b}).endswith("VALUES\n    ('001');\n")


def test_a_setting_between_two_objects_stays() -> None:
    a = Title("TABLE", "public", "a")

    assert parts.without(HEAD + A + OTHER + B, {a}) == HEAD + OTHER + B
