"""What the normaliser removes from pg_dump's text, and what it must not touch."""

from __future__ import annotations

import pytest

from dbmigrate.errors import DatabaseError
from dbmigrate.schema.normalise import PREAMBLE, normalise, problems

HEAD = r"""--
-- PostgreSQL database dump
--

\restrict a8JZ

-- Dumped from database version 18.4
-- Dumped by pg_dump version 18.6

-- Started on 2026-01-01 10:00:00 UTC

SET statement_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET row_security = off;

"""
TAIL = r"""
-- Completed on 2026-01-01 10:00:01 UTC

--
-- PostgreSQL database dump complete
--

\unrestrict a8JZ

"""
END = "--\n-- PostgreSQL database dump complete\n--\n\n"


def entry(title: str, statements: str) -> str:
    name, kind = title.rsplit("; ", 1)
    return f"--\n-- Name: {name}; Type: {kind}; Schema: app; Owner: -\n--\n\n{statements}\n\n\n"


def check(*, before: str, after: str) -> None:
    """`before` is written as `after`, and is stable from then on."""
    text = normalise(HEAD + before + TAIL)

    assert text == f"{PREAMBLE}\n{after}{END}"
    assert normalise(text) == text


def check_kept(entries: str) -> None:
    check(before=entries, after=entries)


TABLE = entry("t; TABLE", "CREATE TABLE app.t (\n    a integer\n);")
OTHER = entry("u; TABLE", "CREATE TABLE app.u (\n    a integer\n);")


def test_versions_times_restrict_lines_and_settings_are_removed():
    check(before=TABLE, after=TABLE)


def test_a_database_without_objects_has_a_preamble_and_an_end():
    check(before="", after="")


def test_titles_without_statements_are_removed():
    public = "--\n-- Name: public; Type: SCHEMA; Schema: -; Owner: -\n--\n\n"
    remark = "-- *not* creating schema, since initdb creates it\n\n\n"

    check(before=public + remark + TABLE, after=TABLE)


def test_verbose_lines_with_oids_are_removed():
    verbose = TABLE.replace("-- Name", "-- TOC entry 215 (class 1259 OID 16385)\n-- Dependencies: 7\n-- Name", 1)

    check(before=verbose, after=TABLE)


@pytest.mark.parametrize("setting", ["SET default_tablespace = '';", "SET default_table_access_method = heap;"])
def test_the_defaults_for_tables_stand_in_the_preamble(setting):
    check(before=f"{TABLE}{setting}\n\n{OTHER}", after=TABLE + OTHER)


def test_several_access_methods_are_kept_where_they_are():
    heap, other = "SET default_table_access_method = heap;", "SET default_table_access_method = columnar;"

    check(
        before=f"SET default_tablespace = '';\n\n{heap}\n\n{TABLE}{other}\n\n{OTHER}",
        after=f"{TABLE}{other}\n\n\n{OTHER}",
    )
    check_kept(f"{TABLE}{other}\n\n\n{OTHER}{heap}\n\n\n{TABLE}")


def test_comments_on_extensions_and_empty_comments_on_public_are_removed():
    extension = entry("EXTENSION hstore; COMMENT", "COMMENT ON EXTENSION hstore IS 'x';")
    public = entry("SCHEMA public; COMMENT", "COMMENT ON SCHEMA public IS '';")
    kept = entry("SCHEMA app; COMMENT", "COMMENT ON SCHEMA app IS '';")

    check(before=extension + public + kept, after=kept)


def test_user_mappings_are_removed_and_warned_of():
    mapping = entry("USER MAPPING x; USER MAPPING", "CREATE USER MAPPING FOR x SERVER s OPTIONS (password 'sekret');")

    check(before=mapping + TABLE, after=TABLE)
    assert [problem.code for problem in problems(mapping)] == ["W402"]
    assert problems(TABLE) == ()


def test_a_password_in_a_subscription_is_warned_of():
    text = entry("s; SUBSCRIPTION", "CREATE SUBSCRIPTION s CONNECTION 'host=h password=x' PUBLICATION p;")

    assert [problem.code for problem in problems(text)] == ["W403"]


def test_the_schema_public_may_be_there_already():
    check(
        before=entry("public; SCHEMA", "CREATE SCHEMA public;"),
        after=entry("public; SCHEMA", "CREATE SCHEMA IF NOT EXISTS public;"),
    )


def test_foreign_columns_are_spelled_without_only():
    options = 'ALTER FOREIGN TABLE {}"a b".t ALTER COLUMN "x y" OPTIONS (\n    k \'v\'\n);'

    check(
        before=entry("t; FOREIGN TABLE", options.format("ONLY ")), after=entry("t; FOREIGN TABLE", options.format(""))
    )
    check_kept(entry("t; FOREIGN TABLE", "ALTER FOREIGN TABLE ONLY t ALTER COLUMN a SET NOT NULL;"))


def test_what_a_server_notes_for_itself_is_removed():
    table = "CREATE TABLE app.t (\n    a integer,\n    b integer\n);"
    options = "ALTER TABLE ONLY app.t ALTER COLUMN {} SET ({});"
    before = [table, options.format("a", "pg_attver=3"), options.format("b", "pg_attver=3, n_distinct=5")]
    body = entry("f(); FUNCTION", f"CREATE FUNCTION app.f() AS $${before[1]}\n$$;")

    check(
        before=entry("t; TABLE", "\n".join(before)) + body,
        after=entry("t; TABLE", "\n".join([table, options.format("b", "n_distinct=5")])) + body,
    )


def test_expressions_get_the_spelling_that_loading_gives_them():
    view = entry("v; VIEW", "CREATE VIEW app.v AS\n SELECT 1\n  WHERE {};")

    check(before=view.format("(((a) AND (b)) AND c)"), after=view.format("((a) AND (b) AND c)"))


@pytest.mark.parametrize(
    ("title", "one", "two"),
    [
        ("===; OPERATOR", "CREATE OPERATOR app.=== (LEFTARG = a);", "CREATE OPERATOR app.=== (LEFTARG = b);"),
        ("f; OPERATOR FAMILY", "CREATE OPERATOR FAMILY app.f USING a;", "CREATE OPERATOR FAMILY app.f USING b;"),
        ("p t; PUBLICATION TABLE", "ALTER PUBLICATION p ADD TABLE t;", "ALTER PUBLICATION p ADD TABLE u;"),
        ("t c; FK CONSTRAINT", "ALTER TABLE t\n    ADD CONSTRAINT c x;", "ALTER TABLE u\n    ADD CONSTRAINT c x;"),
    ],
)
def test_neighbours_that_only_their_oids_order_are_sorted(title, one, two):
    check(before=entry(title, two) + entry(title, one), after=entry(title, one) + entry(title, two))


def test_other_neighbours_stay_in_the_order_of_their_dependencies():
    check_kept(OTHER + TABLE)
    check_kept(
        entry("t b; CONSTRAINT", "ALTER TABLE t\n    ADD CONSTRAINT b x;")
        + entry("t a; CONSTRAINT", "ALTER TABLE t\n    ADD CONSTRAINT a x;")
    )


BODY = "\n".join(
    [
        "CREATE FUNCTION app.f() RETURNS text",
        "    LANGUAGE plpgsql",
        "    AS $_$",
        "begin   ",
        "\\restrict abc",
        "\\! rm -rf /",
        "",
        "",
        "",
        "SET row_security = off;\r",
        "-- Dumped by pg_dump version 1",
        "--",
        "-- Name: x; Type: TABLE; Schema: y; Owner: -",
        "--",
        "\t" + "x" * 70_000 + "\t",
        "((a AND b) AND c) (ARRAY[a])::text[];",
        "end $_$;",
    ]
)


@pytest.mark.parametrize(
    "statement",
    [BODY, "COMMENT ON FUNCTION app.f() IS '\\restrict x\n\\connect y\n\nSET a = 1;   \n';", "CREATE NONSENSE 1 2;"],
)
def test_bodies_literals_and_unknown_statements_are_kept_byte_for_byte(statement):
    check_kept(entry("f(); FUNCTION", statement) + TABLE)


def test_the_line_breaks_inside_an_entry_are_kept():
    check_kept(
        entry("t; TABLE", "CREATE TABLE app.t ();\nALTER TABLE ONLY app.t FORCE ROW LEVEL SECURITY;\n\nSELECT 1;")
    )


def test_remarks_and_data_that_other_options_of_pg_dump_bring_are_kept():
    check_kept("-- a remark\n\n\n" + entry("t; TABLE DATA", "COPY app.t (a) FROM stdin;\n1\n\\restrict\n\\.") + TABLE)


def test_a_name_cannot_pretend_to_be_something_that_is_left_out():
    hostile = TABLE.replace("Schema: app", "Schema: x; Type: USER MAPPING; Schema: y")

    check_kept(hostile)
    check_kept(OTHER.replace("Schema: app", "Schema: x; Type: PUBLICATION TABLE; Schema: y") * 2 + hostile)


@pytest.mark.parametrize("command", ["\\! touch x", "\\connect x", "\\restrict a b", "\\i f"])
def test_psql_commands_are_refused(command):
    with pytest.raises(DatabaseError) as caught:
        normalise(f"{HEAD}{command}\n{TABLE}{TAIL}")

    assert caught.value.code == "E404"
    assert command in caught.value.message


def test_text_that_is_cut_off_is_refused():
    with pytest.raises(DatabaseError) as caught:
        normalise(HEAD + TABLE + "CREATE TABLE app.x (")

    assert caught.value.code == "E404"


def test_a_database_with_backslash_literals_is_refused():
    with pytest.raises(DatabaseError) as caught:
        normalise(HEAD.replace("strings = on", "strings = off") + TABLE + TAIL)

    assert caught.value.code == "E404"
    assert "standard_conforming_strings" in caught.value.message
