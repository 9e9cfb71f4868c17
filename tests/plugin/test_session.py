"""What the plugin for pytest does to a session: nothing unless asked, errors in one block, the check as a test."""

from __future__ import annotations

import pytest

from dbmigrate.connection import dsn, shown_url
from dbmigrate.pytest_plugin import project as plugin_project
from tests.plugin.conftest import Sessions
from tests.support.projects import Project
from tests.support.servers import DatabaseServer


def test_a_session_that_does_not_use_it_imports_nothing(sessions_without_server: Sessions) -> None:
    sessions = sessions_without_server
    sessions.tests("""
        import sys

        def test_it(pytestconfig):
            assert pytestconfig.pluginmanager.has_plugin("dbmigrate")
            loaded = {name for name in sys.modules if name.startswith(("dbmigrate", "psycopg", "sqlparse", "typer"))}
            assert loaded == {
                "dbmigrate", "dbmigrate.pytest_plugin", "dbmigrate.pytest_plugin.plugin", "dbmigrate.version"}
    """)

    outcome = sessions.run("-p", "no:xdist")

    assert (outcome.code, outcome.counts) == (0, {"passed": 1}), outcome.output


def test_a_failing_migration_is_shown_as_on_the_command_line(sessions: Sessions, people: Project) -> None:
    people.migration("20260103_wrong", up="create table fine (id int);\ncreate tabel wrong (id int);")
    sessions.tests("def test_it(dbmigrate_db): pass")

    outcome = sessions.run()

    assert outcome.counts == {"error": 1}, outcome.output
    assert "error[E401]:" in outcome.output
    assert "20260103_wrong.sql:3:8" in outcome.output
    assert "Traceback" not in outcome.output
    assert "site-packages" not in outcome.output
    assert sessions.templates() == []


@pytest.mark.parametrize(
    ("ini", "said"),
    [
        ({"dbmigrate_directory": "nowhere"}, "error[E235]:"),
        ({"dbmigrate_strategy": "by_hand"}, "dbmigrate_strategy has no value 'by_hand'"),
        ({"dbmigrate_server": "mysql://localhost/x"}, "error[E202]:"),
        ({"dbmigrate_server": "postgresql://app:geheim@127.0.0.1:1/x"}, "error[E301]:"),
        ({"dbmigrate_seeds": "true"}, "error[E279]:"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_wrong_setting_is_one_block(sessions: Sessions, ini: dict[str, str], said: str) -> None:
    sessions.configure(**ini)
    sessions.tests("def test_it(dbmigrate_db): pass")

    outcome = sessions.run()

    assert outcome.counts == {"error": 1}, outcome.output
    assert said in outcome.output
    assert "hint:" in outcome.output
    assert "geheim" not in outcome.output
    assert "site-packages" not in outcome.output


def test_a_role_that_may_not_create_databases_is_told_so(sessions: Sessions, server: DatabaseServer) -> None:
    role = f"poor_{abs(hash(sessions.root)) % 10**9}"
    server.admin.execute(f"create role {role} login")
    try:
        sessions.configure(dbmigrate_server=f"{server.url('postgres')}&options=-c%20role%3D{role}")
        sessions.tests("def test_it(dbmigrate_db): pass")

        outcome = sessions.run()
    finally:
        server.admin.execute(f"drop role {role}")

    assert f"error[E245]: the role {role} may not create databases" in outcome.output


def test_the_check_is_a_test_when_asked_for(sessions: Sessions, people: Project) -> None:
    sessions.tests("def test_it(): pass")
    without = sessions.run()
    sound = sessions.run("--dbmigrate-check")
    people.migration("20260103_no_way_back", up="create table a (id int);", down="select 1;")
    broken = sessions.run("--dbmigrate-check")

    assert without.counts == {"passed": 1}
    assert sound.counts == {"passed": 2}, sound.output
    assert broken.counts == {"passed": 1, "failed": 1}, broken.output
    assert "20260103_no_way_back.sql" in broken.output
    assert "Traceback" not in broken.output


@pytest.mark.parametrize(
    ("url", "display"),
    [
        ("postgresql+psycopg2://test:test@localhost:32768/test", "test@localhost:32768/test"),  # testcontainers
        ("postgresql+psycopg://test:test@172.17.0.1:32768/test", "test@172.17.0.1:32768/test"),
        ("postgresql+asyncpg://test:test@localhost:32768/test", "test@localhost:32768/test"),
        ("postgresql://test:test@localhost:32768/test", "test@localhost:32768/test"),  # ... with driver=None
        (
            "postgresql+psycopg2://postgres:@127.0.0.1:28517/tests",
            "postgres@127.0.0.1:28517/tests",
        ),  # pytest-postgresql
        ("postgresql+psycopg://postgres:@/tests?host=/tmp/pg&port=5433", "postgres@/tmp/pg:5433/tests"),
        ("dbname=tests user=postgres host=127.0.0.1 port=28517", "postgres@127.0.0.1:28517/tests"),  # its dsn
        ("embedded:.pg", "embedded:.pg?dbname=app"),
    ],
)
def test_urls_are_read_as_other_plugins_have_them(url: str, display: str) -> None:
    assert plugin_project.server_of(url).display == display


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://app:p%40ss%2F%3A%25@db:5433/shop?sslmode=require",
        "postgresql://app@[::1]:5432/shop",
        "postgresql://app@a:1,b:2/shop?target_session_attrs=read-write",
        "postgresql://app@/a%20shop?host=/run/postgresql&port=5432",
        "postgresql://app@db:5432/shop?search_path=%22A%20b%22,public&options=-c%20geqo%3Doff",
    ],
)
def test_a_url_for_programs_leads_to_the_same_place(url: str) -> None:
    read = dsn.parse(url)
    again = dsn.parse(shown_url.for_programs(read))

    assert shown_url.for_programs(read).startswith("postgresql://")
    assert again.conninfo == read.conninfo
    assert (again.settings, again.options) == (read.settings, read.options)
