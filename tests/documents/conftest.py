"""A place to work through a document in."""

from __future__ import annotations

import sys

import psycopg
import pytest

from tests.support.documents import Place


@pytest.fixture
def place(runner, project, make_database, server):
    """An empty project; DATABASE_URL names a database that does not exist yet."""
    programs = runner.home / "bin"
    programs.mkdir(exist_ok=True)
    program = programs / "dbmigrate"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m dbmigrate "$@"\n', "utf-8")
    program.chmod(0o755)

    def url():
        made = make_database()
        server.drop(psycopg.conninfo.conninfo_to_dict(made)["dbname"])
        return made

    return Place(project.root, runner, make_database, url, {"DBMIGRATE_SCRATCH_URL": server.url("postgres")})
