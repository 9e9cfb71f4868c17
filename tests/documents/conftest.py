"""A place to work through a document in."""

from __future__ import annotations

import re

import pytest
from psycopg.conninfo import conninfo_to_dict

from tests.support.documents import Place
from tests.support.git import programs_in


@pytest.fixture
def place(runner, project, make_database, server):
    """An empty project; DATABASE_URL names a database that does not exist yet."""
    programs_in(runner.home)

    made = []

    def database():
        url = make_database()
        made.append(str(conninfo_to_dict(url)["dbname"]))
        return url

    def url_of_none():
        url = database()
        server.drop(made[-1])
        return url

    yield Place(project.root, runner, database, url_of_none, {"DBMIGRATE_SCRATCH_URL": server.url("postgres")})
    for (name,) in server.admin.execute("select datname::text from pg_database").fetchall():
        found = re.fullmatch(r"(.+)_(?:restore|before)_\d{14}", name)
        if found and found[1] in made:
            server.drop(name)
