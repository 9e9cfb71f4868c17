"""`report --markdown`: the catalogue of a repository, and what `check` says when it is stale."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def catalogue(run, project, database_url, cluster_cache: Path):
    """Runs `report --markdown`; returns the text that it wrote and the run."""

    def catalogue(*arguments: str, env: dict[str, str] | None = None):
        values = {"DBMIGRATE_SCRATCH_URL": database_url, "XDG_CACHE_HOME": str(cluster_cache), **(env or {})}
        done = run("report", "--markdown", *arguments, env=values)
        assert done.exit_code == 0, done.stderr
        return (project.root / "db" / "MIGRATIONS.md").read_text(encoding="utf-8"), done

    return catalogue


@pytest.fixture
def check(run, database_url, cluster_cache: Path):
    def check():
        values = {"DBMIGRATE_SCRATCH_URL": database_url, "XDG_CACHE_HOME": str(cluster_cache)}
        return run("check", "--no-lint", env={**values, "DBMIGRATE_NO_DUMP_SCHEMA": "true"})

    return check


@pytest.fixture
def shop(project):
    project.write(
        "1_users.sql",
        "-- Purpose: who may log in\n-- Ticket: SHOP-1\n-- migrate:up\n"
        "create table users (id int primary key, email text not null);\n"
        "create index users_email on users (email);\n-- migrate:down\ndrop table users;\n",
    )
    project.write(
        "2_orders.sql",
        "-- migrate:depends 1\n-- migrate:up\n-- Orders of *users*, see https://example.com/a_b?x=1\n"
        "create table orders (id int primary key, user_id int references users);\n"
        "-- migrate:down irreversible:true\n",
    )
    project.write(
        "3_change.sql",
        "-- migrate:up transaction:false\nalter table users alter email type varchar(9);\n"
        "drop index concurrently users_email;\n-- migrate:down transaction:false\n"
        "create index users_email on users (email);\nalter table users alter email type text;\n",
    )
    return project


EXPECTED = """\
3 files. Made by `dbmigrate report --markdown`: edit the files, and make it again.

| migration | purpose | tickets |
|---|---|---|
| [1\\_users.sql](<migrations/1_users.sql>) | who may log in | SHOP-1 |
| [2\\_orders.sql](<migrations/2_orders.sql>) | Orders of \\*users\\*, see https://example.com/a\\_b?x=1 |  |
| [3\\_change.sql](<migrations/3_change.sql>) |  |  |

## 1\\_users.sql

who may log in

- Tickets: SHOP-1
- Ticket: SHOP-1
- Creates: `table public.users`
- Undone by: down section

## 2\\_orders.sql

Orders of \\*users\\*, see https://example.com/a\\_b?x=1

- Links: <https://example.com/a_b?x=1>
- Depends on: 1\\_users.sql
- Creates: `table public.orders`
- Undone by: nothing, it is irreversible

## 3\\_change.sql

- Changes: `type of column public.users.email`
- Removes: `index public.users_email`
- Transaction: none: a failure leaves what ran before it
- Undone by: down section, not in a transaction

## Dependencies

```mermaid
flowchart LR
    v1["1_users.sql"]
    v2["2_orders.sql"]
    v1 --> v2
```

## Tables

```mermaid
erDiagram
    orders {
        integer id PK
        integer user_id FK
    }
    users {
        integer id PK
    }
    users ||--o{ orders : "user_id"
```
"""


def test_it_says_of_each_file_what_it_is_for_and_what_it_changes(catalogue, shop):
    written, done = catalogue()

    title, sums, empty, body = written.split("\n", 3)
    assert (title, empty) == ("# Migrations", "")
    assert sums.startswith("<!-- dbmigrate report --markdown · files sha256:")
    assert body == EXPECTED
    assert done.stdout.startswith("wrote ./db/MIGRATIONS.md (") or done.stdout.startswith("wrote db/MIGRATIONS.md (")


def test_the_same_files_are_the_same_bytes(catalogue, shop):
    first, _ = catalogue()
    before = (shop.root / "db" / "MIGRATIONS.md").stat()

    second, _ = catalogue()

    assert second == first
    assert (shop.root / "db" / "MIGRATIONS.md").stat() == before  # it is not even written


def test_check_says_when_it_is_stale(catalogue, check, shop):
    path = shop.root / "db" / "MIGRATIONS.md"
    assert "MIGRATIONS.md" not in check().stdout  # there is none

    written, _ = catalogue()
    assert check().exit_code == 0
    path.write_bytes(written.replace("\n", "\r\n").encode())
    for file in shop.migrations.glob("*.sql"):
        file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))  # as git may check them out
    assert "W774" not in check().stdout

    path.write_text(written.replace("who may log in", "nobody"))
    done = check()
    assert done.exit_code == 1
    assert "warning[W774]: db/MIGRATIONS.md was edited after it was made" in done.stdout

    path.write_text(written)
    shop.migration("4_more", up="create table more (id int);", down="drop table more;")
    done = check()
    assert done.exit_code == 1
    assert "warning[W774]: db/MIGRATIONS.md is not of the migrations as they are now" in done.stdout
    assert "dbmigrate report --markdown" in done.stdout

    catalogue()
    assert check().exit_code == 0


def test_somebody_elses_file_is_nobodys_business(check, shop):
    (shop.root / "db" / "MIGRATIONS.md").write_text("# Migrations\n\nwritten by hand\n")

    assert check().exit_code == 0


def test_what_cannot_be_run_is_said_to_be_not_known(catalogue, shop):
    shop.migration("4_bad", up="alter table nothing add column a int;", down="select 1;")
    shop.migration("5_after", up="create table after (id int);", down="drop table after;")
    shop.write("6_dev.sql", "-- migrate:env dev\n-- migrate:up\nselect 1;\n-- migrate:down\n")

    written, done = catalogue()

    assert "warning[W773]: what 4 and the migrations after it change is not known" in done.stderr
    assert "- Creates and changes: not known: it could not be run on an empty database" in written
    assert "- Creates and changes: not known: it is only for dev" in written
    assert "- Only for: dev" in written
    assert "## Tables" not in written


def test_a_repeatable_migration_is_in_it(catalogue, shop):
    (shop.migrations / "repeatable").mkdir()
    shop.write(
        "repeatable/views.sql", "-- migrate:repeatable\ncreate or replace view names as select email from users;\n"
    )

    written, _ = catalogue()

    assert "## repeatable/views.sql" in written
    assert "- Creates: `view public.names`" in written


def test_hostile_names_stay_text(catalogue, project):
    project.write(
        "1_x.sql",
        "-- <script>alert(1)</script> | [x](http://evil) `a`\n-- migrate:up\n"
        'create table "a`|<b> ""x"" ```" (id int primary key, "c d" "char");\n-- migrate:down\n',
    )

    written, _ = catalogue()

    assert "\\<script\\>" in written
    assert "\\[x\\](http://evil)" in written
    assert '- Creates: ```` table public."a`|<b> ""x"" ```" ````' in written
    assert "- Undone by: nothing: its down section is empty" in written
    assert [line for line in written.splitlines() if line.startswith("```")] == ["```mermaid", "```"]


def test_another_file_and_stdout(run, catalogue, shop, database_url):
    env = {"DBMIGRATE_SCRATCH_URL": database_url}
    done = run("report", "--markdown", "-o", "docs/catalogue.md", env=env)

    assert done.exit_code == 0, done.stderr
    assert "(<../db/migrations/1_users.sql>)" in (shop.root / "docs" / "catalogue.md").read_text()
    assert run("report", "--markdown", "-o", "-", env=env).stdout == catalogue()[0]


def test_without_migrations_it_is_an_error(run, project):
    done = run("report", "--markdown")

    assert done.exit_code == 2
    assert "error[E230]" in done.stderr


def test_the_catalogue_of_a_service_names_its_owner(run, project, database_url):
    (project.root / "dbmigrate.toml").write_text(
        '[service.ai]\ndir = "ai/migrations"\nowner = "team *ai*"\nnotes = "ask in #ai"\n'
    )
    (project.root / "ai" / "migrations").mkdir(parents=True)
    (project.root / "ai" / "migrations" / "1_x.sql").write_text(
        "-- migrate:up\ncreate table x (id int primary key);\n-- migrate:down\ndrop table x;\n"
    )

    done = run("--service", "ai", "report", "--markdown", env={"DBMIGRATE_SCRATCH_URL": database_url})

    assert done.exit_code == 0, done.stderr
    written = (project.root / "ai" / "MIGRATIONS.md").read_text()
    assert "Service ai, owned by team \\*ai\\*." in written
    assert "ask in \\#ai" in written
    assert "- Creates: `table public.x`" in written
