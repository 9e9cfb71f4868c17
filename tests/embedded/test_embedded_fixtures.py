"""The ground that the other tests stand on."""

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from tests.support import environment
from tests.support.databases import leftovers
from tests.support.servers import make_url


def test_every_test_has_a_database_of_its_own(database_url, twin_database_url, query):
    query(database_url, "create table t (a int); insert into t values (1), (2)")

    assert query(database_url, "select a from t order by a") == [(1,), (2,)]
    assert query(twin_database_url, "select to_regclass('t')") == [(None,)]


def test_a_database_may_have_any_name(make_database, query):
    url = make_database('Größe "1" / 100%?')

    assert query(url, "select current_database()") == [('Größe "1" / 100%?',)]


def test_our_servers_can_be_reached_by_tcp_with_a_password(server, query):
    assert query(server.tcp_url("postgres"), "select current_user") == [(server.superuser,)]


def test_a_session_of_ours_that_is_left_is_found(server, make_database):
    url = make_database()
    name = conninfo_to_dict(url)["dbname"]
    with psycopg.connect(url, application_name="dbmigrate up") as conn:
        conn.execute("select pg_advisory_lock(7)")

        found = leftovers(server, name, patience=0)

        assert [text.split()[0] for text in sorted(found)] == ["advisory", "session"]
        assert "(dbmigrate up)" in sorted(found)[1]
    assert leftovers(server, name) == []


@pytest.mark.parametrize(
    "conninfo",
    [
        {"host": "/tmp/a b", "port": "5433", "user": "u", "dbname": "d"},
        {"host": "example.org", "port": "5433", "user": "u@x", "password": "p:/?#%&", "dbname": "a/b"},
        {"host": "::1", "user": "u", "dbname": "d", "sslmode": "require"},
        {"host": "a,b", "port": "1,2", "dbname": "d"},
    ],
)
def test_a_url_means_what_its_keywords_mean(conninfo):
    assert conninfo_to_dict(make_url(conninfo)) == conninfo


def test_a_child_process_sees_no_database_of_the_developer(tmp_path):
    mine = {"PATH": "/bin", "DATABASE_URL": "x", "DEV_DATABASE_URL": "x", "PGHOST": "x", "DBMATE_WAIT": "x", "CI": "1"}

    cleaned = environment.clean(mine, home=tmp_path)

    assert sorted(cleaned) == ["DBMIGRATE_LOCK_REPORT", "HOME", "LANG", "PATH", "PYTHONNOUSERSITE", "PYTHONPATH"]
