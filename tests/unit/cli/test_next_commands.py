"""Commands in hints are completed with what the command line chose."""

from __future__ import annotations

import pytest

from dbmigrate.cli import next_commands
from dbmigrate.cli.next_commands import Started, completed, started

PRODUCTION = started({"service": "ai"}, ("production",))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("see `dbmigrate status`", "see `dbmigrate -e production --service ai status`"),
        (
            "`dbmigrate status` says where, `dbmigrate mark pending 1 --reason TEXT` forgets it",
            "`dbmigrate -e production --service ai status` says where,"
            " `dbmigrate -e production --service ai mark pending 1 --reason TEXT` forgets it",
        ),
        # one that chooses itself keeps what it chooses
        ("apply with `dbmigrate -e staging up` first", "apply with `dbmigrate --service ai -e staging up` first"),
        ("first `dbmigrate --service chat up`", "first `dbmigrate -e production --service chat up`"),
        ("`dbmigrate up --env=staging`", "`dbmigrate --service ai up --env=staging`"),
        ("`dbmigrate status --all-services`", "`dbmigrate -e production status --all-services`"),
        # the database does not matter
        ("make one with `dbmigrate new NAME`", "make one with `dbmigrate --service ai new NAME`"),
        ("see `dbmigrate explain E502`", "see `dbmigrate explain E502`"),
        ("see `dbmigrate up --help`", "see `dbmigrate up --help`"),
        ("`dbmigrate COMMAND --help`", "`dbmigrate COMMAND --help`"),
        # no command
        ("`dbmigrate` and dbmigrate status", "`dbmigrate` and dbmigrate status"),
        ("`dbmigrate 'quoted`", "`dbmigrate 'quoted`"),
    ],
)
def test_service_and_environment_are_repeated(text, expected):
    assert completed(text, PRODUCTION) == expected


def test_what_chooses_files_and_tables_is_repeated_and_a_url_is_not():
    given = {
        "url": "postgres://me:secret@host/db",
        "migrations_dirs": ["a b", "c"],
        "env_files": [".env.live"],
        "migrations_table": "app.versions",
    }

    assert completed("`dbmigrate status`", started(given, ())) == (
        "`dbmigrate --migrations-table app.versions --url URL -d 'a b' -d c --env-file .env.live status`"
    )


def test_of_several_environments_none_is_meant():
    assert completed("`dbmigrate up`", started({"environment": "b"}, ("a", "b"))) == "`dbmigrate up`"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("`dbmigrate up`", "`dbmigrate up --targets all.txt`"),
        ("`dbmigrate rollback --to 3`", "`dbmigrate rollback --to 3 --targets all.txt`"),
        ("`dbmigrate rollback`", "`dbmigrate --url URL rollback`"),
        ("`dbmigrate resume`", "`dbmigrate --url URL resume`"),
        ("`dbmigrate new NAME`", "`dbmigrate new NAME`"),
    ],
)
def test_of_several_targets_a_command_for_one_names_it(text, expected):
    assert completed(text, Started(targets="--targets all.txt")) == expected


def test_every_command_without_a_database_is_one():
    from dbmigrate.cli.table import ENTRIES

    names = {entry.name for entry in ENTRIES}
    assert names >= next_commands._OF_FILES | next_commands._ON_TARGETS
    assert names >= next_commands._ANYWHERE
