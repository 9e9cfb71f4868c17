"""P1 to P11: what is a migration file, and what is in it."""

from __future__ import annotations

import pytest

from tests.conformance.seen import scalar, tables, versions

NO_UP = "to define an up block with '-- migrate:up'"
NO_DOWN = "to define a down block with '-- migrate:down'"
BODY = "\n  begin\n\treturn 'a  '  ;  \n  -- é\n  end  "


def test_p1_a_typical_file(program, project, url):
    project.write("1_a.sql", "-- migrate:up\ncreate table a (i int);\n-- migrate:down\ndrop table a;\n")

    program.ok("up", url=url)
    assert tables(url) == ["a", "schema_migrations"]

    program.ok("rollback", url=url)
    assert tables(url) == ["schema_migrations"]


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_p1_the_text_of_a_body_arrives_as_it_is(program, project, url, line_end):
    body = BODY.replace("\n", line_end)
    project.migration("1_a", up=f"create function f() returns text language plpgsql as $f${body}$f$;")

    program.ok("up", url=url)

    assert scalar(url, "select prosrc from pg_proc where proname = 'f'") == body


@pytest.mark.parametrize("header", ["--migrate:{}", "--\t  migrate:{} \f"])
def test_p2_blanks_in_a_header(program, project, url, header):
    project.write(
        "1_a.sql", f"\n{header.format('up')}\ncreate table a (i int);\n{header.format('down')}\ndrop table a;\n"
    )

    program.ok("up", url=url)
    assert tables(url) == ["a", "schema_migrations"]

    program.ok("rollback", url=url)
    assert tables(url) == ["schema_migrations"]


@pytest.mark.parametrize("option", ["transaction:false", "other:1\ttransaction:false"])
def test_p3_transaction_false_is_per_section(program, project, url, option):
    project.migration("1_a", up="create table a (i int);", down="drop table a;")
    project.migration(
        "2_b",
        up="create index concurrently b on a (i);",
        down="drop index concurrently b;",
        up_options=option,
        down_options=option,
    )

    program.ok("up", url=url)
    assert scalar(url, "select indisvalid from pg_index where indexrelid = 'b'::regclass") is True

    program.ok("rollback", url=url)
    assert scalar(url, "select to_regclass('b')") is None


def test_p3_transaction_true_is_the_default_written_out(program, project, url):
    project.migration("1_a", up="create table a (i int); select 1/0;", up_options="transaction:true")

    assert program("up", url=url).exit_code != 0

    assert tables(url) == ["schema_migrations"]


@pytest.mark.parametrize(
    ("text", "message", "code"),
    [
        pytest.param("-- migrate:down\n-- migrate:up\nselect 1;\n", NO_DOWN, "E213", id="p4-down-before-up"),
        pytest.param("", NO_UP, "E211", id="p5-empty-file"),
        pytest.param("-- a comment\n", NO_UP, "E211", id="p5-no-blocks"),
        pytest.param("-- migrate:down\ndrop table a;\n", NO_UP, "E213", id="p6-only-down"),
        pytest.param("-- migrate:up\nselect 1;\n", NO_DOWN, "E212", id="p7-only-up"),
        pytest.param(
            "select 1;\n-- migrate:up\nselect 1;\n-- migrate:down\n",
            "does not support statements preceding the '-- migrate:up' block",
            "E214",
            id="p8-statement-before-up",
        ),
        pytest.param(
            "-- migrate:up\n-- migrate:down\n-- migrate:up\nselect 1;\n",
            NO_DOWN,
            "E212",
            id="p8-second-section-without-down",
        ),
        pytest.param(
            "-- migrate:up\n-- migrate:down\n-- migrate:down\n",
            "every '-- migrate:down' to be preceded by a '-- migrate:up'",
            "E213",
            id="p9-two-downs",
        ),
        pytest.param(" -- migrate:up\nselect 1;\n-- migrate:down\n", NO_UP, "E215", id="p5-indented-header"),
    ],
)
def test_p4_to_p9_files_that_are_none(program, project, url, text, message, code):
    project.write("1_a.sql", text)

    done = program("up", url=url)

    assert done.exit_code == 2
    assert program.expects(dbmate=message, dbmigrate=f"error[{code}]: ") in done.stderr
    assert versions(url) == []


def test_p10_comments_and_blank_lines_may_come_first(program, project, url):
    project.write(
        "1_a.sql", "-- what it does\n\n   \n\t-- why\n--\n-- migrate:up\ncreate table a (i int);\n-- migrate:down\n"
    )

    program.ok("up", url=url)

    assert tables(url) == ["a", "schema_migrations"]


@pytest.mark.parametrize("options", ["", " transaction:false"])
def test_p11_crlf(program, project, url, options):
    project.write(
        "1_a.sql",
        f"-- migrate:up{options}\r\ncreate table a (i int);\r\n\r\n-- migrate:down{options}\r\ndrop table a;\r\n",
    )

    program.ok("up", url=url)
    assert tables(url) == ["a", "schema_migrations"]

    program.ok("rollback", url=url)
    assert tables(url) == ["schema_migrations"]


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("filling", ["", "-- nothing\n;;\n/* at all */"])
def test_p11_empty_blocks_apply_and_roll_back(program, project, url, filling, line_end):
    text = f"-- migrate:up\n{filling}\n-- migrate:down\n{filling}\n"
    project.write("1_a.sql", text.replace("\n", line_end))

    program.ok("up", url=url)
    assert versions(url) == ["1"]

    program.ok("rollback", url=url)
    assert versions(url) == []


@pytest.mark.parametrize(
    "text",
    ["-- migrate:upgrade", "-- MIGRATE:UP", "-- migrate:up;", "-- migrate: up", "- migrate:up", "--\u00a0migrate:up"],
)
def test_p5_other_spellings_are_no_headers(program, project, url, text):
    project.write("1_a.sql", f"{text}\ncreate table a (i int);\n-- migrate:down\n")

    done = program("up", url=url)

    assert done.exit_code == 2
    assert "migrate:up" in done.stderr
    assert "a" not in tables(url)
