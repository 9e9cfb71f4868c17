"""Which psql is started, and with what."""

from __future__ import annotations

import pytest

from dbmigrate.connection import dsn
from dbmigrate.connection.programs import ClientProgram, Search
from dbmigrate.diagnostics import psql
from dbmigrate.errors import ToolMissing


def test_a_machine_without_psql_is_one_clear_error() -> None:
    with pytest.raises(ToolMissing, match="there is no psql on this machine") as caught:
        psql.find(Search(path="/nonexistent", directories=(), packages=()))

    assert (caught.value.code, caught.value.exit_code) == ("E206", 2)
    assert "postgresql-client" in (caught.value.hint or "")


def test_an_installed_psql_goes_before_that_of_a_package(tmp_path) -> None:
    directory = tmp_path / "bin"
    directory.mkdir()
    (directory / "psql").write_text('#!/bin/sh\necho "psql (PostgreSQL) 13.1"\n')
    (directory / "psql").chmod(0o755)

    found = psql.find(Search(path=str(directory), directories=()))

    assert found.command == (str(directory / "psql"),)


def test_settings_are_not_sent_through_a_pooler() -> None:
    target = dsn.parse("postgres://me@h/app?search_path=app").through_pooler()

    started = psql.invocation(ClientProgram(("/usr/bin/psql",), (18, 0), "system"), target, {}, ["-c", "x"])

    assert started.words == ("/usr/bin/psql", "-c", "x")
    assert "PGOPTIONS" not in started.environ
    assert [(each.code, each.message) for each in started.problems] == [
        ("W404", "psql does not get the settings search_path")
    ]
