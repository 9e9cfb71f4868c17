"""Fixtures of the tests of the command line."""

from __future__ import annotations

import pytest


@pytest.fixture
def command(run, database_url):
    """Runs the program on the test's database, without a schema file; `env` is added to its environment."""

    def run_it(*arguments, env=None, timeout=60):
        values = {"DATABASE_URL": database_url, "DBMIGRATE_NO_DUMP_SCHEMA": "true", **(env or {})}
        return run(*arguments, env=values, timeout=timeout)

    return run_it
