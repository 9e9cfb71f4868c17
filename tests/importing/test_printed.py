"""Projects whose migrations are code, taken over with the SQL that their tool prints, history and proof included."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.support import imports
from tests.support.imports import FIXTURES, Fixture

ALEMBIC = Fixture("alembic")
FIRST = "migrations/versions/a1c0ffee0001_create_harbour.py"
SECOND = "migrations/versions/a2c0ffee0002_trip_hours.py"


def given(name: str) -> str:
    return str(FIXTURES / "alembic" / "given" / name)


def test_one_printout_of_alembic_is_the_sql_of_all_its_revisions(
    database_url: str, twin_database_url: str, run, tmp_path: Path
) -> None:
    """Both printouts are the real ones: upgrade base:heads, and downgrade from the fourth."""
    ALEMBIC.load(database_url)
    printouts = ("--sql", f"{FIRST}={given('upgrade.sql')}", "--sql", f"{SECOND}={given('downgrade.sql')}")
    env = imports.env(database_url)

    done = run("import", str(ALEMBIC.files), "--history", *printouts, env=env)

    assert done.exit_code == 0, done.stderr
    shown = run("status", env=env).stdout
    assert re.findall(r"(?m)^\[(.)\]", shown) == ["X"] * 5 + [" "] * 2
    assert run("drift", "--against", "migrations", env=env).exit_code == 0
    index = next((tmp_path / "db/migrations").glob("*_trips_index.sql")).read_text()
    assert index.endswith(
        "-- migrate:up transaction:false\n"
        "CREATE INDEX CONCURRENTLY trips_boat_left ON trips (boat_id, left_at);\n\n"
        "-- migrate:down transaction:false\nDROP INDEX CONCURRENTLY trips_boat_left;\n"
    )
    assert "alembic_version" not in "".join(path.read_text() for path in (tmp_path / "db").rglob("*.sql"))
    for name in re.findall(r"(?m)^\[ \] (.*)$", shown):
        (tmp_path / "db/migrations" / name).unlink()
    assert run("--no-dump-schema", "up", env={"DATABASE_URL": twin_database_url}).exit_code == 0
    assert imports.fingerprint(twin_database_url) == ALEMBIC.schema


def test_a_changed_database_stops_the_proof_of_printed_sql_too(database_url: str, query, run, tmp_path: Path) -> None:
    ALEMBIC.load(database_url)
    query(database_url, "drop trigger trips_hours on trips; drop index trips_boat_left")

    done = run(
        "import",
        str(ALEMBIC.files),
        "--history",
        *("--sql", f"{FIRST}={given('upgrade.sql')}"),
        env=imports.env(database_url),
    )

    assert done.exit_code == 7, done.stdout
    assert "trigger public.trips.trips_hours is missing" in done.stderr
    assert "index public.trips_boat_left is missing" in done.stderr
    assert not (tmp_path / "db").exists()


def test_a_printout_without_the_revision_is_refused_with_the_command_that_prints_it(run, tmp_path: Path) -> None:
    (tmp_path / "one.sql").write_text("BEGIN;\n\n-- Running upgrade  -> 0123\n\nselect 1;\n\nCOMMIT;\n")

    done = run("import", str(ALEMBIC.files), "--sql", f"{FIRST}=one.sql", "--json")

    assert done.exit_code == 2, done.stdout
    said = done.stdout + done.stderr
    assert "one.sql:1" in said
    assert "alembic upgrade base:heads --sql" in said
    assert json.loads(done.stdout)["ok"] is False
    assert not (tmp_path / "db").exists()


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_merges_transactions_of_their_own_and_line_ends_are_understood(ends: str) -> None:
    from dbmigrate.importing.alembic_printed import printed
    from dbmigrate.importing.texts import Text

    text = ends.join(
        (
            "BEGIN;",
            "-- Running upgrade  -> a",
            "select 'a -- Running upgrade x -> y';;",
            "INSERT INTO alembic_version (version_num) VALUES ('a');",
            "COMMIT;",
            "",
            "BEGIN;",
            "-- Running upgrade a, b -> c",
            "DELETE FROM alembic_version WHERE version_num = 'b';",
            "COMMIT;",
            "BEGIN;",
            "-- Running downgrade c -> a, b",
            "-- why",
            "select 2;",
            "COMMIT;",
            "",
        )
    )

    found = printed([Text("p.sql", text, text)])

    assert {revision: [part.sql.strip() for part in parts] for revision, parts in found.ups.items()} == {
        "a": ["select 'a -- Running upgrade x -> y';"],
        "c": [],
    }
    assert [part.sql.split() for part in found.downs["c"]] == [["--", "why", "select", "2;"]]
    assert all(part.transaction for part in (*found.ups["a"], *found.downs["c"]))
