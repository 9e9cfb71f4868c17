"""A project with placeholders and no values, taken over with its history: the values come from outside, as for `up`."""

from __future__ import annotations

from pathlib import Path

from dbmigrate.importing.flyway import crc32
from tests.importing.test_refusals import nothing_was_written
from tests.support import imports

_FIRST = "create schema ${app};\ncreate table ${app}.boats (port text default '${port}');\n"
_SECOND = 'create role "${reader}";\ncomment on table "${app}".boats is \'${note}\';\n'
_HISTORY = """
create table flyway_schema_history (installed_rank int primary key, version varchar(50), description varchar(200) not
  null, type varchar(20) not null, script varchar(1000) not null, checksum int, installed_by varchar(100) not null,
  installed_on timestamp not null default now(), execution_time int not null, success boolean not null);
create schema harbour; create table harbour.boats (port text default 'Sula''s');
insert into flyway_schema_history values (1, '1', 'boats', 'SQL', 'V1__boats.sql', {crc}, 'ada', now(), 1, true)
"""


def test_the_proof_needs_the_values_that_the_old_tool_had(database_url: str, query, run, tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.mkdir()
    (old / "V1__boats.sql").write_text(_FIRST)
    (old / "U1__boats.sql").write_text("drop table ${app}.boats;\ndrop schema ${app};\n")
    (old / "V2__note.sql").write_text(_SECOND)
    query(database_url, _HISTORY.format(crc=crc32(_FIRST)))
    env = imports.env(database_url)

    without = run("import", "old", "--history", env=env)
    wrong = run("import", "old", "--history", env=env | {"DBMIGRATE_VAR_APP": "harbour", "DBMIGRATE_VAR_PORT": "Kvam"})

    assert (without.exit_code, "error[E298]" in without.stderr) == (2, True), without.stderr
    assert "app (1_boats.sql), port (1_boats.sql)" in without.stderr  # of the pending file nothing is needed yet
    assert "set DBMIGRATE_VAR_APP, DBMIGRATE_VAR_PORT" in without.stderr
    assert (wrong.exit_code, "column harbour.boats.port" in wrong.stderr) == (7, True), wrong.stderr
    assert nothing_was_written(tmp_path, database_url)

    (tmp_path / "dbmigrate.toml").write_text('[vars]\napp = "harbour"\n')
    env |= {"DBMIGRATE_VAR_PORT": "Sula's"}
    done = run("import", "old", "--history", env=env)

    assert done.exit_code == 0, done.stderr
    assert '${app} becomes the variable :"app": set DBMIGRATE_VAR_APP to the name as it is in the data' in done.stdout
    assert (
        (tmp_path / "db/migrations/1_boats.sql")
        .read_text()
        .startswith(
            "-- imported: flyway 1 V1__boats.sql\n-- migrate:vars app, port\n-- migrate:up\n"
            'create schema :"app";\ncreate table :"app".boats (port text default :\'port\');\n'
        )
    )
    other = run("rollback", "--yes", env=env | {"DBMIGRATE_VAR_APP": "elsewhere"})
    assert (other.exit_code, "error[E740]" in other.stderr) == (7, True), other.stderr
    assert run("verify", env=env).exit_code == 0
    assert run("drift", "--against", "migrations", env=env).exit_code == 0
    env |= {"DBMIGRATE_VAR_READER": f"r{database_url.rpartition('_')[2]}", "DBMIGRATE_VAR_NOTE": "it's ours"}
    assert run("up", env=env).exit_code == 0
    assert query(database_url, "select obj_description('harbour.boats'::regclass)") == [("it's ours",)]
    query(database_url, f'drop role "{env["DBMIGRATE_VAR_READER"]}"')
