"""Histories as they come to be in years: undone and applied again, merged out of order, deleted, moved by hand."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

import psycopg
import pytest

from dbmigrate.api import importer
from dbmigrate.api.importer import Adoption, Imported, Importer, Wanted
from dbmigrate.api.migrator import Options
from dbmigrate.connection import dsn
from dbmigrate.errors import Refused
from dbmigrate.importing.values import Answers
from dbmigrate.scratch.choose import Choice
from tests.support import imports

FLYWAY = """
create table flyway_schema_history (installed_rank int primary key, version varchar(50),
  description varchar(200) not null, type varchar(20) not null, script varchar(1000) not null, checksum int,
  installed_by varchar(100) not null, installed_on timestamp not null default now(), execution_time int not null,
  success bool not null);
"""
GOOSE = """
create table goose_db_version (id serial primary key, version_id bigint not null, is_applied boolean not null,
  tstamp timestamp default now());
"""
NODE = "create table pgmigrations (id serial primary key, name varchar(255) not null, run_on timestamp not null);\n"
GOLANG = "create table schema_migrations (version bigint primary key, dirty boolean not null);\n"


def flyway(*rows: tuple[str, str, bool]) -> str:
    """Version, type and success of each rank."""
    values = ", ".join(
        f"({rank}, '{version}', 'x', '{kind}', 'x', null, 'ada', now(), 1, {success})"
        for rank, (version, kind, success) in enumerate(rows, 1)
    )
    return f"{FLYWAY}insert into flyway_schema_history values {values};\n"


def table(name: str) -> str:
    return f"create table {name} (id int);\n"


def adopt(url: str, root: Path, tool: str, files: Mapping[str, str], answers: Answers | None = None) -> Imported:
    """As the command does it, in this process."""
    for name, text in files.items():
        path = root / "old" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    directory = str(root / "migrations")
    wanted = Wanted(str(root / "old"), directory, tool, answers or Answers())
    works = Importer(url, Options(directories=(directory,)))
    adoption = Adoption(Choice(explicit=dsn.parse(url)), renames=True)
    return works.adopt(wanted, adoption, importer.write)


def states(done: Imported) -> dict[str, str]:
    return {each.file.version: each.state.value for each in done.records}


def execute(url: str, sql: str) -> None:
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute(sql.encode())


# -------------------------------------------------------------------------------------------------------------- Flyway


def test_a_flyway_project_with_a_baseline_an_undo_a_late_version_and_a_deleted_one(
    database_url: str, tmp_path: Path
) -> None:
    """2 is the baseline, 3 was undone and applied again, 5 undone, 2.5 ran after 4, 6 was deleted and left nothing."""
    files = {f"V{name}__x.sql": table(f"t{name.replace('.', '_')}") for name in ("1", "2", "2.5", "3", "4", "5")}
    history = flyway(
        ("2", "BASELINE", True),
        ("3", "SQL", True),
        ("3", "UNDO_SQL", True),
        ("4", "SQL", True),
        ("3", "SQL", True),
        ("5", "SQL", True),
        ("5", "UNDO_SQL", True),
        ("2.5", "SQL", True),
        ("6", "SQL", True),
        ("6", "DELETE", True),
    )
    execute(database_url, history + "".join(map(table, ("t1", "t2", "t2_5", "t3", "t4"))))

    done = adopt(database_url, tmp_path, "flyway", files)

    assert list(states(done).values()) == ["baseline", "baseline", "applied", "applied", "applied", "pending"]
    assert not done.drift.differences if done.drift else False
    assert len(done.adopted) == 5


def test_what_a_deleted_version_of_flyway_left_is_a_difference(database_url: str, tmp_path: Path) -> None:
    history = flyway(("1", "SQL", True), ("2", "SQL", True), ("2", "DELETE", True))
    execute(database_url, history + table("t1") + table("t2"))

    with pytest.raises(Refused) as caught:
        adopt(database_url, tmp_path, "flyway", {"V1__x.sql": table("t1")})

    assert (caught.value.code, caught.value.details) == ("E723", (("difference", "table public.t2 is extra"),))
    assert not (tmp_path / "migrations").exists()


# ------------------------------------------------------------------------------------------------------ golang-migrate


def test_a_version_of_golang_migrate_that_was_merged_below_the_row_never_ran(database_url: str, tmp_path: Path) -> None:
    """The tool passed over 2 without a word; its table says 3."""
    files = {f"{number}_x.up.sql": table(f"t{number}") for number in (1, 2, 3)}
    execute(database_url, f"{GOLANG}insert into schema_migrations values (3, false); {table('t1')} {table('t3')}")

    with pytest.raises(Refused) as caught:
        adopt(database_url, tmp_path, "golang-migrate", files)

    assert (caught.value.code, caught.value.details) == ("E723", (("difference", "table public.t2 is missing"),))


def test_ten_comes_after_nine_and_what_forced_rows_say_counts(database_url: str, tmp_path: Path) -> None:
    """Numbers without zeros; `force 9` leaves a row like any other."""
    files = {f"{number}_x.up.sql": table(f"t{number}") for number in (8, 9, 10)}
    execute(database_url, f"{GOLANG}insert into schema_migrations values (9, false); {table('t8')} {table('t9')}")

    done = adopt(database_url, tmp_path, "golang-migrate", files)

    assert states(done) == {"8": "applied", "9": "applied", "10": "pending"}
    assert done.settings == {"version-order": "numeric", "migrations-table": "dbmigrate_migrations"}


# ------------------------------------------------------------------------------------------------------------ numbered


def test_numbered_files_that_were_undone_applied_again_and_are_gone(database_url: str, tmp_path: Path) -> None:
    files = {
        "001_a.sql": "BEGIN;\r\ncreate table t1 (id int);\r\nCOMMIT;\r\n",
        "002_b.sql": "\ufeff" + table("t2"),
        "003_c.sql": table("t3"),
        "rollback-002.sql": "drop table t2;\n",
    }
    execute(
        database_url,
        "create schema ops; create table ops.history (id serial, file text, state text, applied_at timestamptz);"
        " insert into ops.history (file, state) values ('001_a.sql', 'applied'), ('002_b', 'applied'),"
        " ('002_b', 'rolled_back'), ('2', 'applied'), ('3', 'applied'), ('003_c.sql', 'reverted'),"
        f" ('000_gone.sql', 'applied'); {table('t1')} {table('t2')}",
    )
    answers = Answers(options={"column": "file"})
    wanted = Adoption(Choice(explicit=dsn.parse(database_url)), table="ops.history")
    root = tmp_path / "old"
    root.mkdir()
    for name, text in files.items():
        (root / name).write_bytes(text.encode())

    works = Importer(database_url, Options(directories=(str(tmp_path / "m"),)))
    done = works.adopt(Wanted(str(root), str(tmp_path / "m"), "numbered", answers), wanted, importer.write)

    assert states(done) == {"001": "applied", "002": "applied", "003": "pending"}
    assert [row.key for row in done.lost] == ["000_gone.sql"]
    assert (tmp_path / "m" / "001_a.sql").read_bytes().count(b"\r\n") == 1


# ----------------------------------------------------------------------------------------------------- node-pg-migrate


def test_a_node_pg_migrate_project_with_a_late_file_and_one_that_is_gone(database_url: str, tmp_path: Path) -> None:
    """The second file was merged late and never ran; of the first one there is only a row."""
    up = "-- Up Migration\n{}\n-- Down Migration\ndrop table {};\n"
    names = {"1700000001000_a": "ta", "1700000002000_b": "tb", "1700000003000_c": "tc"}
    files = {f"{name}.sql": up.format(table(made), made) for name, made in names.items()}
    execute(
        database_url,
        f"{NODE}insert into pgmigrations (name, run_on) values ('1600000000000_gone', now()),"
        f" ('1700000001000_a', now()), ('1700000003000_c', now()); {table('ta')} {table('tc')}",
    )

    done = adopt(database_url, tmp_path, "node-pg-migrate", files)

    assert list(states(done).values()) == ["applied", "pending", "applied"]
    assert [row.key for row in done.lost] == ["1600000000000_gone"]


# --------------------------------------------------------------------------------------------------------------- goose


def test_a_goose_project_with_rows_of_undone_versions_and_a_late_one(database_url: str, tmp_path: Path) -> None:
    """As goose wrote them before 2018; 2 was applied after 3, with `-allow-missing`."""
    files = {f"0000{number}_x.sql": f"-- +goose Up\n{table(f't{number}')}" for number in (1, 2, 3, 4)}
    rows = [(0, True), (1, True), (3, True), (2, True), (4, True), (4, False), (1, False), (1, True)]
    values = ", ".join(f"({version}, {is_applied})" for version, is_applied in rows)
    execute(
        database_url,
        f"{GOOSE}insert into goose_db_version (version_id, is_applied) values {values};"
        + "".join(map(table, ("t1", "t2", "t3"))),
    )

    done = adopt(database_url, tmp_path, "goose", files)

    assert list(states(done).values()) == ["applied", "applied", "applied", "pending"]


# -------------------------------------------------------------------------------------------------------------- Prisma


def test_a_prisma_migration_counts_by_its_newest_attempt(database_url: str, tmp_path: Path) -> None:
    """1 failed, was resolved as rolled back, and ran at the next deploy; 2 ran, and was rolled back by hand later."""
    files = {f"2026010{number}000000_x/migration.sql": table(f"t{number}") for number in (1, 2)}
    execute(
        database_url,
        "create table _prisma_migrations (id varchar(36) primary key, checksum varchar(64) not null,"
        " finished_at timestamptz, migration_name varchar(255) not null, logs text, rolled_back_at timestamptz,"
        " started_at timestamptz not null default now(), applied_steps_count int not null default 0);"
        " insert into _prisma_migrations (id, checksum, migration_name, started_at, finished_at, rolled_back_at) values"
        " ('b', repeat('0', 64), '20260101000000_x', '2026-01-01 08:00Z', null, '2026-01-01 09:00Z'),"
        f" ('a', '{sha256(table('t1').encode()).hexdigest()}', '20260101000000_x', '2026-01-01 10:00Z', now(), null),"
        " ('c', repeat('0', 64), '20260102000000_x', now(), now(), now()); create table t1 (id int);",
    )

    done = adopt(database_url, tmp_path, "prisma", files)

    assert list(states(done).values()) == ["applied", "pending"]
    assert done.verified == 1


# ----------------------------------------------------------------------------------------------------------- Liquibase


def test_several_changesets_with_delimiters_of_their_own_in_one_file(database_url: str, tmp_path: Path) -> None:
    """A body with semicolons behind `endDelimiter:/`, lines GO, CRLF, a change of another database.

    What an applied change demanded is not asked again.
    """
    text = (
        "--liquibase formatted sql\n--changeset ada:1 endDelimiter:/\ncreate table t1 (id int)\n/\n"
        "create function f() returns int language plpgsql as $$ begin perform 1; return 2; end; $$\n/\n"
        "--rollback drop function f() / drop table t1\n\n"
        "--changeset ben:2\n--preconditions\n--precondition-sql-check expectedResult:7 select 1\n"
        "create table t2 (note text default 'a;b');\ncreate table t3 (id int)\nGO\n"
        "--changeset ben:3 dbms:oracle\ncreate table never (id number);\n"
    ).replace("\n", "\r\n")
    execute(
        database_url,
        "create table databasechangelog (id varchar(255), author varchar(255), filename varchar(255),"
        " dateexecuted timestamp, orderexecuted int, exectype varchar(10), md5sum varchar(35),"
        " description varchar(255), comments varchar(255), tag varchar(255), liquibase varchar(20),"
        " contexts varchar(255), labels varchar(255), deployment_id varchar(10));"
        " insert into databasechangelog (id, author, filename, dateexecuted,"
        " orderexecuted, exectype) values ('1', 'ada', 'a.sql', now(), 1, 'EXECUTED'), ('2', 'ben', 'a.sql', now(), 2,"
        " 'RERAN'); create table t1 (id int); create table t2 (note text default 'a;b'); create table t3 (id int);"
        " create function f() returns int language plpgsql as $$ begin perform 1; return 2; end; $$",
    )

    done = adopt(database_url, tmp_path, "liquibase", {"a.sql": text})

    assert list(states(done).values()) == ["applied", "applied"]
    assert "dbms" in str(done.conversion.left_out)


def test_a_precondition_of_liquibase_stops_up_where_it_does_not_hold(
    database_url: str, query, run, tmp_path: Path
) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "a.sql").write_text(
        "--liquibase formatted sql\n\n--changeset ada:1\n--preconditions onFail:HALT\n"
        "--precondition-sql-check expectedResult:0 select count(*) from boats where length_cm < 0;\n"
        "alter table boats add check (length_cm > 0);\n"
    )
    env = imports.env(database_url)
    query(database_url, "create table boats (length_cm int); insert into boats values (-1)")
    assert run("import", "old", "--from", "liquibase").exit_code == 0

    refused = run("up", env=env)
    query(database_url, "delete from boats")
    done = run("up", env=env)

    assert refused.exit_code == 7, refused.stderr
    assert "error[E734]" in refused.stderr
    assert done.exit_code == 0, done.stderr
