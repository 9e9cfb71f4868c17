"""`up --dry-run --json` and `rollback --dry-run --json`: the plan and its lock report as data."""

from __future__ import annotations

import json
import re
from pathlib import Path

import psycopg
import pytest

from tests.support.catalog import fingerprint


@pytest.fixture
def dry_run(run, database_url, cluster_cache: Path):
    """Runs a command with `--dry-run --json --locks`; returns the object on stdout and the run."""
    cluster_cache.mkdir(parents=True, exist_ok=True)

    def dry(*arguments: str, env: dict[str, str] | None = None):
        variables = {"DATABASE_URL": database_url, "XDG_CACHE_HOME": str(cluster_cache), **(env or {})}
        done = run(*arguments, "--dry-run", "--json", env=variables)
        assert done.exit_code == 0, done.stderr
        return json.loads(done.stdout), done

    return dry


@pytest.fixture
def shop(run, project, database_url, query):
    """Two applied migrations; the table that the first one makes is large."""
    project.migration("1_a", up="create table orders (id int primary key);", down="drop table orders;")
    project.migration("2_b", up="alter table orders add column note text;", down="alter table orders drop column note;")
    done = run("up", "--no-dump-schema", env={"DATABASE_URL": database_url})
    assert done.exit_code == 0, done.stderr
    query(database_url, "insert into orders select n from generate_series(1, 400000) n; analyze orders")
    return project


def said(locks):
    """The problems, without the note that the scratch server of a target that is old is a newer one."""
    return [each for each in locks["problems"] if each["code"] != "W600"]


def test_the_plan_and_the_locks_are_one_object(dry_run, shop, database_url):
    shop.migration("3_c", up="select 1;\nalter table orders alter column id type bigint;")
    (shop.migrations / "4_d.sql").write_text(
        "-- migrate:up transaction:false\ncreate index concurrently on orders (note);\n-- migrate:down\n"
    )
    before = fingerprint(database_url)

    found, done = dry_run("up", "--locks")

    assert (found["format"], found["command"], found["ok"], found["dry_run"]) == ("dbmigrate/1", "up", True, True)
    assert [(step["version"], step["file"], step["direction"], step["transaction"]) for step in found["steps"]] == [
        ("3", "3_c.sql", "up", True),
        ("4", "4_d.sql", "up", False),
    ]
    assert re.search(f"^plan {found['plan']}$", done.stderr, re.MULTILINE)
    assert found["problems"] == []
    rewrite, index = found["locks"]["statements"]
    (orders,) = rewrite["tables"]
    assert (rewrite["path"], rewrite["line"], rewrite["measured"]) == ("db/migrations/3_c.sql", 3, True)
    assert rewrite["sql"] == "alter table orders alter column id type bigint"
    assert (orders["table"], orders["lock"], orders["blocks"]) == ("orders", "ACCESS EXCLUSIVE", "reads and writes")
    assert (orders["verdict"], orders["rewrites"], orders["rows"]) == ("blocks_all", True, 400000)
    assert orders["total_bytes"] > orders["table_bytes"] > 10_000_000
    assert (index["measured"], index["waits_for"] is None) == (False, False)
    assert (found["locks"]["measured"], found["locks"]["dangerous"], said(found["locks"])) == (2, 1, [])
    assert fingerprint(database_url) == before


def test_sessions_that_would_wait_are_in_it(dry_run, shop, database_url):
    shop.migration("3_c", up="alter table orders add column extra int;")
    with psycopg.connect(database_url) as reader:
        reader.execute("select count(*) from orders")

        found, _ = dry_run("up", "--locks")

    (statement,) = found["locks"]["statements"]
    assert statement["tables"][0]["sessions"] == 1
    assert statement["tables"][0]["oldest_transaction"] > 0


def test_a_rollback_has_the_locks_of_its_down_sections(dry_run, shop, database_url):
    before = fingerprint(database_url)

    found, done = dry_run("rollback", "--all", "--locks")

    assert [(step["file"], step["direction"]) for step in found["steps"]] == [("2_b.sql", "down"), ("1_a.sql", "down")]
    column, table = found["locks"]["statements"]
    assert column["sql"] == "alter table orders drop column note"
    assert (table["sql"], table["tables"][0]["drops"], table["tables"][0]["rows"]) == (
        "drop table orders",
        True,
        400000,
    )
    assert "orders  drop table orders  ACCESS EXCLUSIVE · drops it ≈ 400 k rows" in done.stderr
    assert fingerprint(database_url) == before


def test_a_down_section_that_fails_on_the_copy_ends_the_report(dry_run, shop):
    (shop.migrations / "2_b.sql").write_text(
        "-- migrate:up\nalter table orders add column note text;\n-- migrate:down\ndrop table nowhere;\n"
    )

    found, _ = dry_run("rollback", "--locks")

    assert found["locks"]["measured"] == 0
    assert [(each["code"], each["place"]) for each in said(found["locks"])] == [("W662", "db/migrations/2_b.sql:4:12")]


def test_without_locks_there_is_null(dry_run, shop):
    shop.migration("3_c", up="drop table orders;")

    found, _ = dry_run("migrate", "--no-locks")

    assert (len(found["steps"]), found["locks"]) == (1, None)


def test_quiet_leaves_the_answer_whole(dry_run, shop):
    shop.migration("3_c", up="drop table orders;")

    found, done = dry_run("up", "--locks", "--quiet")

    assert (len(found["locks"]["statements"]), done.stderr) == (1, "")


def test_no_scratch_server_is_said_in_it(dry_run, shop, unused_port):
    shop.migration("3_c", up="drop table orders;")

    found, _ = dry_run("up", "--locks", "--scratch-url", f"postgres://nobody@127.0.0.1:{unused_port}/none")

    assert (found["locks"]["measured"], found["locks"]["statements"]) == (0, [])
    assert [each["code"] for each in said(found["locks"])] == ["W660"]


def test_nothing_to_do_is_an_empty_plan(dry_run, shop):
    found, _ = dry_run("up", "--locks")

    assert (found["steps"], found["locks"]["statements"], said(found["locks"])) == ([], [], [])


def test_a_database_that_does_not_exist_has_a_plan(dry_run, project, database_url):
    project.migration("1_a", up="create table a (id int);")

    found, _ = dry_run("up", "--locks", env={"DATABASE_URL": database_url.replace("?", "_missing?")})

    assert [step["file"] for step in found["steps"]] == ["1_a.sql"]
    assert [each["code"] for each in found["problems"]] == ["W307"]
    assert [each["code"] for each in said(found["locks"])] == ["W661"]


def test_the_hash_is_the_one_that_expect_plan_takes(dry_run, run, shop, database_url, query):
    shop.migration("3_c", up="create table c ();")
    found, _ = dry_run("up", "--no-locks")
    other = run("up", "--expect-plan", "sha256:" + "0" * 64, env={"DATABASE_URL": database_url})

    done = run("up", "--no-dump-schema", "--expect-plan", found["plan"], env={"DATABASE_URL": database_url})

    assert (other.exit_code, done.exit_code) == (7, 0)
    assert query(database_url, "select count(*) from schema_migrations") == [(3,)]
