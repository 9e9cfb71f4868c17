"""What `doctor` finds on this machine, and on the way to a server."""

from __future__ import annotations

import pytest

from dbmigrate.connection.programs import Search
from dbmigrate.diagnostics import machine, network
from dbmigrate.diagnostics.values import Result, Setup


def test_a_machine_without_any_pg_dump() -> None:
    nothing = Search(path="/nonexistent", directories=(), packages=())
    setup = Setup(None, "schema_migrations", (), "db/schema.sql", True, nothing, {})

    found = machine.dumper(setup, 18, is_encrypted=False)

    assert (found.result, found.message) == (Result.FAILED, "there is no pg_dump on this machine")
    assert "postgresql-client-18" in (found.hint or "")


@pytest.mark.parametrize("host", ["a..b", "x" * 64 + ".example.com", "-", "db.nowhere.invalid"])
def test_no_host_name_is_a_traceback(host) -> None:
    found = list(network.look([network.Place(host, "", 5432)]))

    assert [(each.subject, each.result) for each in found] == [("DNS", Result.FAILED)]
