"""What `doctor` finds on this machine, and on the way to a server."""

from __future__ import annotations

import pytest

from dbmigrate.connection.programs import Search
from dbmigrate.diagnostics import machine, network
from dbmigrate.diagnostics.values import Result, Setup


def test_a_machine_without_any_pg_dump() -> None:
    nothing = Search(path="/nonexistent", directories=(), packages=())
    setup = Setup(None, "schema_migrations", (), "db/schema.sql", True, nothing)

    found = machine.dumper(setup, 18, is_encrypted=False)

    assert (found.result, found.message) == (Result.FAILED, "there is no pg_dump on this machine")
    assert "postgresql-client-18" in (found.hint or "")


@pytest.mark.parametrize("host", ["a..b", "x" * 64 + ".example.com", "-", "db.nowhere.invalid"])
def test_no_host_name_is_a_traceback(host) -> None:
    found = list(network.look([network.Place(host, "", 5432)]))

    assert [(each.subject, each.result) for each in found] == [("DNS", Result.FAILED)]


def test_an_encrypted_connection_needs_a_pg_dump_that_is_not_of_a_package(tmp_path) -> None:
    installed = tmp_path / "pg_dump"
    installed.write_text('#!/bin/sh\necho "pg_dump (PostgreSQL) 13.9"\n')
    installed.chmod(0o755)
    both, package = Search(path=str(tmp_path), directories=()), Search(path="/nonexistent", directories=())

    plain, encrypted, without = (
        machine.dumper(Setup(None, "t", (), "s.sql", True, search), 13, is_encrypted=is_encrypted)
        for search, is_encrypted in ((both, False), (both, True), (package, True))
    )

    assert plain.message != encrypted.message  # the newest one is that of the embedded server's package
    assert encrypted.message == f"13.9 ({installed})"
    assert without.result is Result.FAILED
    assert "the connection is encrypted, and pg_dump" in without.message
