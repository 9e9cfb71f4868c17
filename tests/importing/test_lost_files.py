"""Files that are gone from the old directory, and what the old table keeps of them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from tests.support.imports import Fixture

SUPABASE = Fixture("supabase")


def test_lost_files_of_supabase_are_written_back_when_asked(database_url: str, run, tmp_path: Path) -> None:
    SUPABASE.load(database_url)
    shutil.copytree(SUPABASE.files, tmp_path / "old")
    for lost in ("20260202090000_trip_hours.sql", "20260203090000_trips_index.sql"):
        next((tmp_path / "old").rglob(lost)).unlink()
    env = {"DATABASE_URL": database_url}
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
        env={"DATABASE_URL": database_url},
    )

    assert (done.exit_code, "error[E205]" in done.stderr) == (2, True), done.stderr
    assert not (tmp_path / "db").exists()
