"""`graph`: what depends on what, with and without a database."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def files(project):
    def write(name, said=""):
        project.write(f"{name}.sql", f"{said}\n-- migrate:up\nselect 1;\n-- migrate:down\n")

    write("001_a")
    write("002_b", "-- migrate:depends 001")
    write("003_c", "-- migrate:depends 001, 002")
    write("004_d", "-- migrate:depends 003, 009")
    write('005_"e"')
    write("006_f", "-- migrate:depends 002")
    return write


def test_a_tree_without_a_database(run, files):
    done = run("graph")

    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == (
        "001_a.sql\n"
        "|-- 002_b.sql\n"
        "|   |-- 003_c.sql\n"
        "|   |   `-- 004_d.sql (depends on 009, which does not exist)\n"
        "|   `-- 006_f.sql\n"
        "`-- 003_c.sql ...\n"
        "1 more depends on nothing, and nothing on it\n"
    )


def test_states_of_the_database_that_is_named(run, files, database_url, project):
    (project.migrations / "004_d.sql").unlink()
    env = {"DATABASE_URL": database_url, "DBMIGRATE_NO_DUMP_SCHEMA": "true"}
    assert run("up", "--to", "001", env=env).exit_code == 0

    assert run("graph", "-u", database_url).stdout.startswith("[X] 001_a.sql\n|-- [ ] 002_b.sql\n")
    assert run("graph", "--mermaid", "-u", database_url).stdout == (
        "flowchart LR\n"
        '    v001["001_a.sql"]:::applied\n'
        '    v002["002_b.sql"]:::pending\n'
        '    v003["003_c.sql"]:::pending\n'
        '    v006["006_f.sql"]:::pending\n'
        "    v001 --> v002\n    v001 --> v003\n    v002 --> v003\n    v002 --> v006\n"
        "    classDef applied fill:#d3f0d3,stroke:#2f7d32\n"
        "    classDef pending fill:#fff3cd,stroke:#9a6b00\n"
    )


def test_values_and_odd_projects(run, files, project):
    files("007_squashed", "-- migrate:replaces 001-003")
    files('0080_"x"]', "-- migrate:depends 0080, 002")
    shown = json.loads(run("graph", "--format", "json").stdout)["migrations"]
    assert [(node["version"], node["depends"], node["unknown"]) for node in shown] == [
        ("004", ["007"], ["009"]),
        ("005", [], []),
        ("006", ["007"], []),
        ("007", [], []),
        ("0080", ["0080", "007"], []),
    ]
    assert 'v0080["0080_#34;x#34;#93;.sql"]' in run("graph", "--format", "mermaid").stdout
    for path in project.migrations.iterdir():
        path.unlink()
    files("1_loop", "-- migrate:depends 2")
    files("2_loop", "-- migrate:depends 1")
    assert run("graph").stdout == "1_loop.sql\n`-- 2_loop.sql\n    `-- 1_loop.sql ...\n"
    (project.migrations / "1_loop.sql").write_text("-- migrate:up\n'")
    (project.migrations / "2_loop.sql").unlink()
    assert run("graph").stdout == "1 migration depends on nothing, and nothing on it\n"
