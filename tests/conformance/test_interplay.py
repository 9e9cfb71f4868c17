"""One database, migrated by both programs in turn: each sees the other's work and goes on from there."""

from __future__ import annotations

import pytest

from tests.conformance.programs import Name, Program, lines
from tests.conformance.seen import tables, versions


@pytest.fixture(params=["dbmate-then-dbmigrate", "dbmigrate-then-dbmate"])
def pair(request, dbmate, dbmigrate) -> tuple[Program, Program]:
    """The one that begins, and the other."""
    return (dbmate, dbmigrate) if request.param.startswith(Name.DBMATE) else (dbmigrate, dbmate)


@pytest.fixture(autouse=True)
def _migrations(project):
    for number, name in enumerate(("a", "b", "c"), start=1):
        project.migration(f"{number}_{name}", up=f"create table {name} (i int);", down=f"drop table {name};")


def test_the_other_sees_what_is_applied(pair, url):
    one, other = pair
    one.ok("up", url=url)

    assert other.ok("status", url=url).stdout == one.ok("status", url=url).stdout
    assert other("status", "--exit-code", url=url).exit_code == 0


def test_the_other_applies_only_what_is_pending(pair, project, url):
    one, other = pair
    one.ok("up", url=url)
    project.migration("4_d", up="create table d (i int);", down="drop table d;")

    done = other.ok("up", url=url)

    assert lines(done.stdout, "Applied") == ["Applied: 4_d.sql in TIME"]
    assert versions(url) == ["1", "2", "3", "4"]


def test_the_other_undoes_what_the_one_applied(pair, url):
    one, other = pair
    one.ok("up", url=url)

    done = other.ok("rollback", url=url)

    assert lines(done.stdout, "Rolled back") == ["Rolled back: 3_c.sql in TIME"]
    assert (tables(url), versions(url)) == (["a", "b", "schema_migrations"], ["1", "2"])
    assert one.ok("status", url=url).stdout.endswith("[ ] 3_c.sql\n\nApplied: 2\nPending: 1\n")


def test_in_turn_up_and_down_and_up_again(pair, url):
    one, other = pair

    one.ok("up", url=url)
    other.ok("rollback", url=url)
    one.ok("rollback", url=url)
    other.ok("up", url=url)
    one.ok("rollback", url=url)
    other.ok("rollback", url=url)
    other.ok("rollback", url=url)
    assert (tables(url), versions(url)) == (["schema_migrations"], [])

    one.ok("up", url=url)
    assert (tables(url), versions(url)) == (["a", "b", "c", "schema_migrations"], ["1", "2", "3"])
    assert other.ok("status", url=url).stdout == one.ok("status", url=url).stdout


def test_what_the_one_undid_the_other_applies_again(pair, url):
    one, other = pair
    other.ok("up", url=url)
    one.ok("rollback", url=url)

    done = other.ok("up", url=url)

    assert lines(done.stdout, "Applied") == ["Applied: 3_c.sql in TIME"]


def test_a_version_that_came_late_is_applied_by_the_other(pair, project, url):
    one, other = pair
    one.ok("up", url=url)
    project.migration("0_late", up="create table late (i int);")

    assert other("up", "--strict", url=url).exit_code != 0
    other.ok("up", url=url)

    assert versions(url) == ["0", "1", "2", "3"]


def test_a_table_of_another_name_and_schema_is_shared(pair, url):
    one, other = pair
    options = ("--migrations-table", "My.history")

    one.ok(*options, "up", url=url)

    assert other.ok(*options, "status", url=url).stdout.endswith("Applied: 3\nPending: 0\n")
    other.ok(*options, "rollback", url=url)
    assert one.ok(*options, "status", url=url).stdout.endswith("Applied: 2\nPending: 1\n")


def test_the_schema_file_of_the_one_is_loaded_by_the_other(pair, project, url, twin_url):
    one, other = pair
    one.dumping().ok("up", url=url)

    other.ok("load", url=twin_url)

    assert tables(twin_url) == ["a", "b", "c", "schema_migrations"]
    assert other.ok("status", url=twin_url).stdout.endswith("Applied: 3\nPending: 0\n")
    other.ok("rollback", url=twin_url)
    one.ok("up", url=twin_url)
    assert versions(twin_url) == ["1", "2", "3"]


def test_the_schema_files_differ_only_in_noise(dbmate, dbmigrate, project, url):
    dbmate.dumping().ok("up", url=url)
    theirs = project.schema_file.read_text()
    dbmigrate.dumping().ok("dump", url=url)
    ours = project.schema_file.read_text()

    noise = ("\\restrict", "\\unrestrict", "SET ", "SELECT pg_catalog.set_config(")
    assert quiet(ours, noise) == quiet(theirs, noise)


def quiet(text: str, noise: tuple[str, ...]) -> list[str]:
    """The lines that say something about the schema, with the comments that name its objects."""
    named = [line for line in text.splitlines() if not line.startswith("--") or line.startswith("-- Name: ")]
    named = [line for line in named if "SET (pg_attver=" not in line]  # dbmate keeps what such a server notes
    return [line for line in named if line and not line.startswith((*noise, "-- Name: public; Type: SCHEMA;"))]


def test_a_failure_of_dbmate_leaves_nothing_that_dbmigrate_stumbles_over(dbmate, dbmigrate, project, url):
    broken = project.migration("4_d", up="create table d (i int); select 1/0;")
    assert dbmate("up", url=url).exit_code == 2
    project.migration("4_d", up="create table d (i int);")

    done = dbmigrate.ok("up", url=url)

    assert broken.exists()
    assert lines(done.stdout, "Applied") == ["Applied: 4_d.sql in TIME"]


def test_a_failure_of_dbmigrate_leaves_nothing_that_dbmate_stumbles_over(dbmate, dbmigrate, project, url):
    project.migration("4_d", up="create table d (i int); select 1/0;")
    assert dbmigrate("up", url=url).exit_code == 4
    project.migration("4_d", up="create table d (i int);")

    done = dbmate.ok("up", url=url)

    assert lines(done.stdout, "Applied") == ["Applied: 4_d.sql in TIME"]


def test_dbmigrate_asks_about_what_dbmate_applied_again_from_another_text(dbmate, dbmigrate, project, url):
    """Its log knows of no rollback by dbmate, so the file seems to have been edited under an applied version."""
    dbmigrate.ok("up", url=url)
    dbmate.ok("rollback", url=url)
    project.migration("3_c", up="create table changed (i int);", down="drop table changed;")
    dbmate.ok("up", url=url)

    assert dbmigrate("up", url=url).exit_code == 7
    dbmigrate.ok("repair", "--yes", url=url)
    dbmigrate.ok("up", url=url)


def test_the_log_does_not_outlive_what_dbmate_undid(dbmate, dbmigrate, project, url):
    """A version that dbmate applied again is not undone with the text that the log keeps of an older file."""
    dbmigrate.ok("up", url=url)
    dbmate.ok("rollback", url=url)
    path = project.migration("3_c", up="create table changed (i int);", down="drop table changed;")
    dbmate.ok("up", url=url)

    dbmigrate.ok("rollback", url=url)

    assert path.exists()
    assert tables(url) == ["a", "b", "schema_migrations"]
