"""A place to work through a document in."""

from __future__ import annotations

import psycopg
import pytest

from tests.support.documents import Place
from tests.support.git import programs_in


@pytest.fixture
def place(runner, project, make_database, server):
    """An empty project; DATABASE_URL names a database that does not exist yet."""
    programs_in(runner.home)

    def url():
        made = make_database()
        server.drop(psycopg.conninfo.conninfo_to_dict(made)["dbname"])
        return made

    return Place(project.root, runner, make_database, url, {"DBMIGRATE_SCRATCH_URL": server.url("postgres")})
