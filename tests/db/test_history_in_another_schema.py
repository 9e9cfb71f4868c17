"""The search_path moves and the history stays: nothing runs twice, and arrangements of several schemas go on."""

from __future__ import annotations

from secrets import token_hex

import pytest


@pytest.fixture
def dbmigrate(run, database_url):
    def run_it(*arguments, url=database_url, **env):
        return run("--no-dump-schema", *arguments, env={"DATABASE_URL": url, **env})

    return run_it


@pytest.fixture
def make_role(database_url, query, server):
    """Makes roles that may create schemas in the database, and gives back a URL by which they log in."""
    if not server.is_ours:
        pytest.skip("needs logins without a password")
    made = []

    def make():
        name = f"dbmigrate_role_{token_hex(4)}"
        query(database_url, f"create role {name} login")
        database = query(database_url, "select current_database()")[0][0]
        query(database_url, f"grant all on database {database} to {name}; grant all on schema public to {name}")
        made.append(name)
        return name, database_url.replace("postgres://postgres@", f"postgres://{name}@")

    yield make
    for name in made:
        query(database_url, f"drop owned by {name} cascade; drop role {name}")


def with_path(url, path):
    return f"{url}{'&' if '?' in url else '?'}search_path={path}"


def moving(database_url, query, path):
    database = query(database_url, "select current_database()")[0][0]
    return f"alter database {database} set search_path = {path};"


AMOUNT = "create table public.account (amount int);\ninsert into public.account values (100);"
PAY = "update public.account set amount = amount + 10;"
READERS = [("status",), ("verify",), ("history",), ("up", "--dry-run"), ("drift",), ("dump",)]


@pytest.fixture
def moved(dbmigrate, project, database_url, query):
    """A database whose second migration moved the search_path; the amount is 110."""
    project.migration("1_account", up=AMOUNT, down="drop table public.account;")
    project.migration("2_pay", up=f"create schema shop;\n{PAY}\n{moving(database_url, query, 'shop, public')}")
    assert dbmigrate("up").exit_code == 0


def test_a_migration_that_moves_the_search_path_lets_nothing_run_twice(dbmigrate, moved, database_url, query):
    done = dbmigrate("up")

    assert done.exit_code == 7, done.stderr
    assert "error[E717]" in done.stderr
    assert "shop.schema_migrations does not exist, but public.schema_migrations is the history" in done.stderr
    assert "search_path = shop, public (set by ALTER DATABASE)" in done.stderr
    assert 'search_path = "$user", public selects it' in done.stderr
    assert "--migrations-table public.schema_migrations" in done.stderr
    assert query(database_url, "select amount from public.account") == [(110,)]
    assert query(database_url, "select to_regclass('shop.schema_migrations')") == [(None,)]


@pytest.mark.parametrize("words", READERS, ids=" ".join)
def test_no_command_says_that_nothing_is_applied(dbmigrate, moved, project, words):
    (project.root / "db" / "schema.sql").write_text("create table public.account (amount int);\n")  # for drift
    done = dbmigrate(*words)

    assert done.exit_code == 7, done.stdout
    assert "error[E717]" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("words", [("up",), ("status",), ("verify",)], ids=" ".join)
def test_the_way_out_goes_on_with_the_history(dbmigrate, moved, database_url, query, words):
    done = dbmigrate("--migrations-table", "public.schema_migrations", *words)

    assert done.exit_code == 0, done.stderr
    assert query(database_url, "select amount from public.account") == [(110,)]


def test_an_edited_comment_hides_no_history(dbmigrate, moved, project):
    path = project.migrations / "1_account.sql"
    path.write_text(path.read_text().replace("-- migrate:up\n", "-- migrate:up\n-- the accounts\n"))
    (project.migrations / "2_pay.sql").unlink()

    assert dbmigrate("up").exit_code == 7


def test_what_only_dbmate_recorded_is_found_by_its_versions(dbmigrate, moved, database_url, query):
    query(database_url, "drop table public.schema_migrations_log")

    done = dbmigrate("up")

    assert done.exit_code == 7
    assert "holds 2 of these migrations" in done.stderr


def test_a_role_whose_search_path_was_moved_runs_nothing_twice(dbmigrate, project, make_role, query, database_url):
    name, url = make_role()
    project.migration("1_account", up=AMOUNT)
    project.migration("2_pay", up=f"create schema shop;\n{PAY}\nalter role {name} set search_path = shop;")
    assert dbmigrate("up", url=url).exit_code == 0

    done = dbmigrate("up", url=url)

    assert done.exit_code == 7, done.stderr
    assert "(set by ALTER ROLE)" in done.stderr
    assert query(database_url, "select amount from public.account") == [(110,)]


def test_a_schema_that_is_named_like_the_role_hides_no_history(dbmigrate, project, make_role, query, database_url):
    name, url = make_role()
    project.migration("1_account", up=AMOUNT)
    project.migration("2_pay", up=f"{PAY}\ncreate schema {name};")
    assert dbmigrate("up", url=url).exit_code == 0

    done = dbmigrate("up", url=url)

    assert done.exit_code == 7, done.stderr
    assert f"{name}.schema_migrations does not exist, but public.schema_migrations" in done.stderr
    assert query(database_url, "select amount from public.account") == [(110,)]


def test_another_role_does_not_begin_anew_what_this_one_has_done(dbmigrate, moved, make_role, query, database_url):
    _, url = make_role()
    query(database_url, "grant select on all tables in schema public to public; grant usage on schema shop to public")

    assert dbmigrate("up", url=url).exit_code == 7


# ------------------------------------------------------------------------------------------------------ what goes on


def test_a_schema_for_each_service_by_url_goes_on(dbmigrate, project, database_url, query):
    """The same versions, even the same files."""
    query(database_url, "create schema a; create schema b")
    project.migration("1_x", up="create table x ();")

    runs = [dbmigrate("up", url=with_path(database_url, schema)) for schema in ("a", "b")]
    runs.append(dbmigrate("up", url=f"{database_url}{'&' if '?' in database_url else '?'}options=-csearch_path%3Dpublic"))

    assert [done.exit_code for done in runs] == [0, 0, 0], runs[-1].stderr
    assert query(database_url, "select count(*) from pg_tables where tablename = 'x'") == [(3,)]


@pytest.mark.parametrize("has_log", [True, False], ids=["with a log", "as dbmate leaves it"])
def test_a_schema_for_each_role_goes_on(dbmigrate, project, database_url, query, make_role, has_log):
    """By name and by setting; what the other one has recorded may be read."""
    project.migration("1_x", up="create table x ();")
    for number in range(3):
        name, url = make_role()
        schema = name if number < 2 else f"of_{name}"
        query(database_url, f"create schema {schema} authorization {name}; grant usage on schema {schema} to public")
        query(database_url, f"alter default privileges for role {name} grant select on tables to public")
        if number == 2:
            query(database_url, f"alter role {name} set search_path = {schema}, public")

        done = dbmigrate("up", url=url)

        assert done.exit_code == 0, done.stderr
        assert query(database_url, f"select count(*) from {schema}.schema_migrations") == [(1,)]
        if not has_log:
            query(database_url, f"drop table {schema}.schema_migrations_log")


def test_three_hundred_tenants_go_on(dbmigrate, project, database_url, query):
    """Tenant by tenant with the same files; and in their midst a service that has files of its own."""
    query(
        database_url,
        "do $$ begin for i in 1..300 loop execute format('create schema t%s', i); execute format("
        "'create table t%s.schema_migrations (version varchar primary key)', i); execute format("
        "'insert into t%s.schema_migrations values (''20250101000000'')', i); end loop; end $$",
    )
    project.migration("20250101000000_w", up="create table w ();")
    project.migration("20260101000000_x", up="create table x ();")
    for tenant in ("t7", "t8"):
        assert dbmigrate("up", url=with_path(database_url, tenant)).exit_code == 0
        (project.migrations / "20250101000000_w.sql").unlink(missing_ok=True)
    project.migration("20260101000000_x", up="create table other ();")

    assert dbmigrate("up").exit_code == 0
    assert query(database_url, "select count(*) from public.schema_migrations") == [(1,)]


@pytest.mark.parametrize("schema", ["auth", "storage", "realtime"])
def test_a_platforms_table_never_counts(dbmigrate, project, database_url, query, schema):
    """Supabase's GoTrue keeps its own versions in `auth.schema_migrations`."""
    query(database_url, f"create schema {schema}; create table {schema}.schema_migrations (version varchar(255))")
    query(database_url, f"insert into {schema}.schema_migrations values ('20210710035447')")
    project.migration("20210710035447_x", up="create table x ();")

    done = dbmigrate("up")

    assert done.exit_code == 0, done.stderr


def test_other_files_with_the_same_versions_are_another_history(dbmigrate, project, database_url, query):
    query(database_url, "create schema a")
    project.migration("001_users", up="create table users ();")
    assert dbmigrate("up", url=with_path(database_url, "a")).exit_code == 0
    (project.migrations / "001_users.sql").unlink()
    project.migration("001_ai", up="create table ai ();")

    assert dbmigrate("up").exit_code == 0


def test_what_is_in_the_maintenance_database_is_no_history_of_a_new_one(run, make_database, project, query):
    """`up --dry-run` for a database that does not exist asks the server in another one."""
    url = make_database()
    project.migration("1_x", up="create table x ();")
    name = query(url, "select current_database()")[0][0]
    missing = url.replace(name, f"{name}_missing")

    done = run("up", "--dry-run", env={"DATABASE_URL": missing})

    assert done.exit_code == 0, done.stderr
