"""Files that are gone from the old directory, and what the old table keeps of them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tests.support import imports
from tests.support.imports import Fixture

SUPABASE = Fixture("supabase")


def test_lost_files_of_supabase_are_written_back_when_asked(database_url: str, run, tmp_path: Path) -> None:
    SUPABASE.load(database_url)
    shutil.copytree(SUPABASE.files, tmp_path / "old")
    for lost in ("20260202090000_trip_hours.sql", "20260203090000_trips_index.sql"):
        next((tmp_path / "old").rglob(lost)).unlink()
    env = imports.env(database_url)
    command = ("import", "old", "--from", "supabase", "--history")

    refused = run(*command, env=env)
    done = run(*command, "--option", "lost-files=write", "--json", env=env)

    assert refused.exit_code == 7, refused.stdout
    assert "20260202090000 is recorded by supabase, and has no file" in refused.stderr
    assert "--option lost-files=write" in refused.stderr
    assert done.exit_code == 0, done.stderr
    said = json.loads(done.stdout)
    assert len(said["recorded"]) == 5
    written = (tmp_path / "db/migrations/20260202090000_trip_hours.sql").read_text()
    assert "-- imported: supabase 20260202090000 20260202090000_trip_hours.sql" in written
    assert run("drift", "--against", "migrations", env=env).exit_code == 0
    again = run(*command, "--option", "lost-files=write", "--json", env=env)
    assert (again.exit_code, json.loads(again.stdout)["recorded"]) == (0, [])


def test_another_word_for_lost_files_is_refused(database_url: str, run, tmp_path: Path) -> None:
    SUPABASE.load(database_url)

    done = run(
        *("import", str(SUPABASE.files), "--from", "supabase", "--history", "--option", "lost-files=keep"),
        env=imports.env(database_url),
    )

    assert (done.exit_code, "error[E205]" in done.stderr) == (2, True), done.stderr
    assert not (tmp_path / "db").exists()


def test_migrations_may_refer_to_the_objects_of_the_platform(database_url: str, query, run, tmp_path: Path) -> None:
    """A trigger and a policy on its tables are the project's, and need a function that a migration makes."""
    sql = (
        "create table public.profiles (id uuid primary key references auth.users (id), owner uuid default auth.uid());"
        " create function public.welcome() returns trigger language plpgsql as 'begin return new; end';"
        " create trigger welcome after insert on auth.users for each row execute function public.welcome();"
        " create policy own on auth.users to authenticated_here using (auth.uid() = id)"
    )
    SUPABASE.load(database_url)
    role = f"r{database_url.rpartition('?')[0].rpartition('/')[2]}"
    sql = sql.replace("authenticated_here", role)
    query(
        database_url,
        f"create role {role}; create schema auth; create type auth.level as enum ('a', 'b');"
        " create table auth.users (id uuid primary key, level auth.level);"
        f" create function auth.uid() returns uuid language sql as 'select null::uuid'; {sql};"
        " insert into supabase_migrations.schema_migrations (version, name, statements)"
        " values ('20270101000000', 'profiles', null)",
    )
    shutil.copytree(SUPABASE.files, tmp_path / "old")
    (tmp_path / "old/supabase/migrations/20270101000000_profiles.sql").write_text(sql)
    env = imports.env(database_url)

    done = run("import", "old", "--from", "supabase", "--history", env=env)

    assert done.exit_code == 0, done.stderr
    found = run("drift", "--against", "migrations", env=env)
    assert (found.exit_code, found.stdout.count("difference")) == (0, 0), found.stdout + found.stderr
    query(database_url, f"drop policy own on auth.users; drop owned by {role}; drop role {role}")


def test_what_the_platform_keeps_in_the_database_is_no_difference(database_url: str, query, run) -> None:
    """Supabase's own schemas, what it needs in the whole database, and what its default privileges give its roles."""
    SUPABASE.load(database_url)
    query(
        database_url,
        "create schema auth; create table auth.users (id uuid primary key); create schema storage;"
        " create table storage.objects (id int); create schema extensions; create schema realtime;"
        " comment on schema auth is 'its own'; comment on table storage.objects is 'its own';"
        " create publication supabase_realtime;"
        " create function auth.uid() returns uuid language sql as 'select null::uuid';"
        " create function extensions.watch() returns event_trigger language plpgsql as 'begin end';"
        " create event trigger pgrst_ddl_watch on ddl_command_end execute function extensions.watch();"
        " grant select on boats to public",
    )
    env = imports.env(database_url)
    command = ("import", str(SUPABASE.files), "--from", "supabase", "--history")

    done = run(*command, env=env)

    assert done.exit_code == 0, done.stderr
    assert "proof: the applied files make what the database has" in done.stdout
    assert run("drift", "--against", "migrations", env=env).exit_code == 0
    query(database_url, "alter table boats add authors text; create schema author")
    found = run("drift", "--against", "migrations", env=env)
    assert found.exit_code == 1
    assert "column public.boats.authors is extra" in found.stdout
    assert "schema author is extra" in found.stdout
