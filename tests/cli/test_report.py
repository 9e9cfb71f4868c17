"""`report`: the page of real databases, whatever is wrong with one of them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.support.catalog import fingerprint
from tests.support.pages import Page


@pytest.fixture
def report(run, project, cluster_cache: Path):
    """Runs `report`; returns the page that it wrote and the run."""
    cluster_cache.mkdir(parents=True, exist_ok=True)

    def report(*arguments: str, env: dict[str, str]):
        written = project.root / "report.html"
        written.unlink(missing_ok=True)
        variables = {"XDG_CACHE_HOME": str(cluster_cache), "DBMIGRATE_NO_DUMP_SCHEMA": "true", **env}
        done = run(*arguments, env=variables)
        assert done.exit_code == 0, done.stderr
        return Page.read(written), done

    return report


@pytest.fixture
def shop(project):
    project.migration(
        "1_users", up="create table users (id int primary key, email text not null);", down="drop table users;"
    )
    project.migration(
        "2_orders",
        up="create table orders (id int primary key, user_id int not null references users);",
        down="drop table orders;",
    )
    return project


def test_the_page_has_everything_in_its_order(report, run, shop, database_url, query):
    done = run("up", "--no-dump-schema", env={"DATABASE_URL": database_url})
    assert done.exit_code == 0, done.stderr
    query(database_url, "insert into users select n, n from generate_series(1, 400000) n; analyze users")
    shop.migration("3_notes", up="-- Notes of customers, SHOP-17\nalter table orders add column note text;")
    shop.migration("4_wide", up="alter table users alter column id type bigint;")
    before = fingerprint(database_url)

    page, done = report("report", env={"DATABASE_URL": database_url})

    assert re.fullmatch(r"wrote report\.html \([\d.]+ kB\): 2 pending, 2 tables, 1 environment\n", done.stdout)
    assert page.headings == [
        "Environments",
        "Pending, and what it locks and destroys",
        "What changes",
        "History",
        "Schema: 2 tables",
    ]
    assert "1 pending statement would block others for long" in page.text
    assert page.files == ["4_wide.sql", "3_notes.sql"]  # the worst first
    assert "Notes of customers, SHOP-17" in page.text
    assert "alter table users alter column id type bigint;" in page.text
    assert "ACCESS EXCLUSIVE" in page.text
    assert "rewrites ≈ 400 k rows" in page.text
    assert page.states("change") == {
        "table public.orders": "chg",
        "column public.orders.note": "add",
        "table public.users": "chg",
        "column public.users.id": "chg",
    }
    assert fingerprint(database_url) == before


def test_nothing_pending_and_no_history(report, shop, database_url, run):
    page, _ = report("report", env={"DATABASE_URL": database_url, "DBMIGRATE_MIGRATIONS_DIR": "db/migrations"})
    assert "No run is logged." in page.text

    assert run("up", "--no-dump-schema", env={"DATABASE_URL": database_url}).exit_code == 0
    page, _ = report("report", env={"DATABASE_URL": database_url})

    assert "Nothing is pending." in page.text
    assert page.states("change") == {}
    assert page.states("schema") == {}
    assert page.has_object("schema", "table public.orders")
    assert "1_users.sql · applied" in page.text


@pytest.fixture
def environ(make_database):
    return {f"{name}_DATABASE_URL": make_database() for name in ("DEV", "PRODUCTION")}


def test_environments_side_by_side_and_the_one_that_cannot_be_reached_is_named(report, run, shop, environ, unused_port):
    env = {**environ, "DBMIGRATE_NO_DUMP_SCHEMA": "true"}
    assert run("-e", "dev", "up", env=env).exit_code == 0
    env["FAR_DATABASE_URL"] = f"postgres://u:s3cret@127.0.0.1:{unused_port}/x"

    page, done = report("-e", "dev", "report", env=env)

    assert "warning[W770]: far could not be asked" in done.stderr
    assert "dev up to date" in page.text
    assert "far unreachable" in page.text
    assert "far : not reachable" in page.text
    assert "1_users.sql ✓" in page.text
    assert "s3cret" not in page.source + done.stderr


def test_the_target_database_is_shown_once_though_it_has_a_name_too(report, shop, environ):
    page, done = report("report", env={**environ, "DATABASE_URL": environ["DEV_DATABASE_URL"]})

    assert "2 environments" in done.stdout
    assert re.search(r"dev 2 pending; production 2 pending", page.text)


def test_of_several_named_environments_the_last_one_is_the_subject(report, shop, environ):
    page, _ = report("-e", "production", "-e", "dev", "report", env=environ)

    assert "production 2 pending; dev 2 pending" in page.text
    assert "made by dbmigrate -e production -e dev report" in page.text
    assert "Migrations of dev ·" in page.text


def test_a_log_that_may_not_be_read_is_named(report, run, shop, database_url, query, server):
    assert run("up", "--no-dump-schema", env={"DATABASE_URL": database_url}).exit_code == 0
    query(database_url, "drop role if exists report_reader")
    query(database_url, "create role report_reader login password 'pw'")
    query(database_url, "grant select on schema_migrations to report_reader")
    reader = re.sub(r"//[^@/]*@?", "//report_reader:pw@", database_url, count=1)
    try:
        page, done = report("report", env={"DATABASE_URL": reader})
    finally:
        query(database_url, "drop owned by report_reader; drop role report_reader")

    assert "could not be" in page.text
    assert "permission denied" in page.text
    assert done.exit_code == 0


def test_a_plan_that_up_would_refuse_is_said_to_be(report, run, shop, database_url):
    assert run("up", "--no-dump-schema", env={"DATABASE_URL": database_url}).exit_code == 0
    first = shop.migrations / "1_users.sql"
    first.write_text(first.read_text().replace("email text", "email varchar(9)"))

    page, _ = report("report", env={"DATABASE_URL": database_url})

    assert "✕ up would be refused : E701:" in page.text
    assert page.has_object("schema", "table public.users")


def test_a_file_that_cannot_be_read_is_named_with_its_place(report, shop, database_url):
    (shop.migrations / "3_bad.sql").write_text("-- migrate:up\nselect 'open\n-- migrate:down\n")

    page, _ = report("report", env={"DATABASE_URL": database_url})

    assert "up would be refused" in page.text
    assert "db/migrations/3_bad.sql:2:8" in page.text


def test_a_migration_that_fails_leaves_what_was_tried_before_it(report, run, shop, database_url):
    assert run("up", "--no-dump-schema", env={"DATABASE_URL": database_url}).exit_code == 0
    shop.migration("3_ok", up="alter table users add column nick text;")
    shop.migration("4_bad", up="alter table nothing add column nick text;")

    page, _ = report("report", env={"DATABASE_URL": database_url})

    assert "1 of 2 pending migrations could be tried; what the others change is not known." in page.text
    assert "W662" in page.text
    assert page.states("change") == {"table public.users": "chg", "column public.users.nick": "add"}
    assert "No pending statement blocks others for long" not in page.text


def test_a_database_that_is_not_there_yet_is_no_error(report, shop, server):
    page, _ = report("report", env={"DATABASE_URL": server.url("not_there_yet")})

    assert page.files == ["1_users.sql", "2_orders.sql"]
    assert "does not exist" in page.text


def test_failures_and_rollbacks_are_in_the_history(report, run, shop, database_url):
    env = {"DATABASE_URL": database_url, "DBMIGRATE_NO_DUMP_SCHEMA": "true"}
    assert run("up", env=env).exit_code == 0
    assert run("rollback", "--reason", "wrong key", env=env).exit_code == 0
    shop.migration("3_bad", up="select 1/0;")
    assert run("up", env=env).exit_code == 4

    page, _ = report("report", env={"DATABASE_URL": database_url})

    assert "◆ rolled back 2_orders.sql" in page.text
    assert "wrong key" in page.text
    assert "✕ failed 3_bad.sql" in page.text
    assert "division by zero" in page.text
    assert "The last run failed in database" in page.text


SECRET = "hunter2hunter2"


def test_no_secret_is_in_anything_that_is_written(report, run, shop, server, database_url, query, cluster_cache):
    """Passwords of URLs, values of variables, literals of passwords."""
    shop.migration(
        "3_vars",
        up=f"""-- migrate:vars token
create table "of_{SECRET}_x" (a text default :'token');
comment on table users is 'password={SECRET}';
create view v as select :'token'::text as t;""",
    )
    (shop.migrations / "3_vars.sql").write_text(
        "-- migrate:vars token, name\n-- migrate:up\n"
        "create table users_2 (a text default :'token');\ncreate table :\"name\" (a int);\n"
        "create view v as select :'token'::text as t;\n"
        f"-- password={SECRET} postgres://app:{SECRET}@db/x\n"
        "-- migrate:down\ndrop view v; drop table users_2;\n"
    )
    env = {
        "DATABASE_URL": database_url,
        "DBMIGRATE_VAR_TOKEN": SECRET,
        "DBMIGRATE_VAR_NAME": f"t_{SECRET}",
        "FAR_DATABASE_URL": f"postgres://u:{SECRET}@127.0.0.1:1/x?password={SECRET}",
        "ODD_DATABASE_URL": f"postgres://u:{SECRET} x@h/d",
    }

    page, done = report("report", env=env)
    assert "users_2" in page.text
    assert SECRET not in page.source + done.stdout + done.stderr

    variables = {**env, "XDG_CACHE_HOME": str(cluster_cache)}
    assert run("up", "--no-dump-schema", env=variables).exit_code == 0
    page, done = report("report", env=env)
    assert SECRET not in page.source + done.stdout + done.stderr

    done = run("report", "--markdown", "-o", "-", env=variables)
    assert done.exit_code == 0, done.stderr
    assert "users_2" in done.stdout
    assert SECRET not in done.stdout + done.stderr


def test_the_name_of_a_schema_stays_legible_though_a_variable_has_it(report, shop, database_url):
    (shop.migrations / "3_vars.sql").write_text(
        '-- migrate:vars place\n-- migrate:up\ncreate table :"place".things (id int);\n-- migrate:down\n'
    )

    page, _ = report("report", env={"DATABASE_URL": database_url, "DBMIGRATE_VAR_PLACE": "public"})

    assert page.has_object("change", "table public.things")


def test_it_can_be_piped_and_tells_programs_where_it_is(report, run, shop, database_url, cluster_cache):
    env = {"DATABASE_URL": database_url, "XDG_CACHE_HOME": str(cluster_cache)}

    done = run("report", "-o", "-", env=env)
    assert done.exit_code == 0
    assert Page.of(done.stdout).headings[0] == "Environments"

    done = run("report", "-o", "out/page.html", "--json", env=env)
    answer = json.loads(done.stdout)
    assert (answer["path"], answer["bytes"]) == ("out/page.html", (shop.root / "out/page.html").stat().st_size)


def test_a_file_that_cannot_be_written_is_an_error(run, shop, database_url):
    done = run("report", "-o", "db/migrations/1_users.sql/x.html", env={"DATABASE_URL": database_url})

    assert (done.exit_code, done.stdout) == (2, "")
    assert "error[E207]: cannot write db/migrations/1_users.sql/x.html" in done.stderr


def test_without_a_database_there_is_nothing_to_report(run, shop):
    done = run("report", env={})

    assert done.exit_code == 2
    assert "error[E201]" in done.stderr
    assert not (shop.root / "report.html").exists()


def test_a_server_that_does_not_answer_is_an_error(run, shop, unused_port):
    done = run("report", env={"DATABASE_URL": f"postgres://u@127.0.0.1:{unused_port}/x"})

    assert done.exit_code == 3
    assert not (shop.root / "report.html").exists()


def test_an_embedded_server_is_asked_for_the_schema(report, run, shop, open_tmp_path):
    url = f"embedded:{open_tmp_path}/postgres?dbname=app"
    assert run("up", "--no-dump-schema", env={"DATABASE_URL": url}).exit_code == 0

    page, done = report("report", env={"DATABASE_URL": url})

    assert "0 pending, 2 tables, 1 environment" in done.stdout
    assert "could not be read" not in page.text
