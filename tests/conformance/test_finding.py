"""F1 to F4: which files count, in which order; and status."""

from __future__ import annotations

import pytest

from tests.conformance.programs import said
from tests.conformance.seen import tables


def write(directory, *names, up="select 1;"):
    directory.mkdir(parents=True, exist_ok=True)
    for name in names:
        (directory / name).write_text(f"-- migrate:up\n{up}\n-- migrate:down\n")


def test_f1_files_that_count_in_their_order(program, project, url):
    write(project.migrations, "20151129054053_test_migration.sql", "001_test.sql", "002_test.sql")
    write(project.migrations, "003_not_sql.txt", "missing_version.sql", "_5.sql", "v6.sql", "4_.SQL", ".7_hidden.sql")
    write(project.migrations / "11_directory.sql", "12_below.sql")
    write(project.migrations, "2x.sql", "3-foo.sql", "7_foo.up.sql", "9 sp.sql", "8.sql")

    done = program.ok("status", url=url)

    names = [
        "001_test.sql",
        "002_test.sql",
        "20151129054053_test_migration.sql",
        "2x.sql",
        "3-foo.sql",
        "7_foo.up.sql",
        "8.sql",
        "9 sp.sql",
    ]
    assert done.stdout == "".join(f"[ ] {name}\n" for name in names) + "\nApplied: 0\nPending: 8\n"


def test_f1_the_order_is_that_of_the_names_bytes(program, project, url):
    write(project.migrations, "9_.sql", "10_.sql", "1_.sql", "020_.sql", "100_.sql", "2_B.sql", "3a_a.sql")

    done = program.ok("status", url=url)

    order = ["020_.sql", "100_.sql", "10_.sql", "1_.sql", "2_B.sql", "3a_a.sql", "9_.sql"]
    assert done.stdout.splitlines()[:7] == [f"[ ] {name}" for name in order]


def test_f1_a_link_to_a_file_counts(program, project, url):
    write(project.root, "somewhere.sql")
    (project.migrations / "1_linked.sql").symlink_to(project.root / "somewhere.sql")

    assert "[ ] 1_linked.sql\n" in program.ok("status", url=url).stdout


@pytest.mark.parametrize(
    ("options", "variables"),
    [
        (["-d", "a", "-d", "b", "-d", "c"], {}),
        (["--migrations-dir=a,b", "--migrations-dir", "c"], {}),
        ([], {"DBMATE_MIGRATIONS_DIR": "a,b,c"}),
        (["-d", "a,b,c"], {"DBMATE_MIGRATIONS_DIR": "nowhere"}),
    ],
)
def test_f2_several_directories_are_one(program, project, url, options, variables):
    write(project.root / "a", "001_a.sql", "004_a.sql")
    write(project.root / "b", "003_b.sql", "005_b.sql")
    write(project.root / "c", "002_c.sql", "006_c.sql")

    done = program.ok(*options, "status", url=url, env=variables)

    names = ["001_a", "002_c", "003_b", "004_a", "005_b", "006_c"]
    assert done.stdout.splitlines()[:6] == [f"[ ] {name}.sql" for name in names]


def test_f2_new_files_go_to_the_first_of_them(program, project):
    program.ok("-d", "a", "-d", "b", "new", "first")

    [file] = (project.root / "a").iterdir()
    assert file.name.endswith("_first.sql")
    assert not (project.root / "b").exists()


@pytest.mark.parametrize("is_absolute", [False, True])
def test_f3_directories_are_relative_or_absolute(program, project, url, query, is_absolute):
    write(project.root / "elsewhere", "1234_example.sql")
    directory = project.root / "elsewhere" if is_absolute else "elsewhere"

    program.ok("-d", directory, "migrate", url=url)

    assert query(url, "select version from schema_migrations") == [("1234",)]


def test_f3_leading_zeros_belong_to_the_version(program, project, url, query):
    write(project.migrations, "001_a.sql", "01_b.sql", "1_c.sql")

    program.ok("migrate", url=url)

    assert query(url, "select version from schema_migrations order by 1") == [("001",), ("01",), ("1",)]


def test_f4_status_before_and_after(program, project, url):
    write(project.migrations, "1_a.sql", "2_b.sql")

    before = program.ok("status", url=url)
    assert before.stdout == "[ ] 1_a.sql\n[ ] 2_b.sql\n\nApplied: 0\nPending: 2\n"
    assert tables(url) == []

    program.ok("migrate", url=url)
    after = program.ok("status", url=url)
    assert after.stdout == "[X] 1_a.sql\n[X] 2_b.sql\n\nApplied: 2\nPending: 0\n"

    program.ok("rollback", url=url)
    undone = program.ok("status", url=url)
    assert undone.stdout == "[X] 1_a.sql\n[ ] 2_b.sql\n\nApplied: 1\nPending: 1\n"


def test_f4_status_without_files(program, project, url):
    assert program.ok("status", url=url).stdout == "\nApplied: 0\nPending: 0\n"


@pytest.mark.parametrize(
    ("options", "before", "after", "is_silent"),
    [([], 0, 0, False), (["--exit-code"], 1, 0, False), (["--quiet"], 1, 0, True)],
)
def test_f4_status_as_an_exit_code(program, project, url, options, before, after, is_silent):
    write(project.migrations, "1_a.sql")

    pending = program("status", *options, url=url)
    program.ok("migrate", url=url)
    done = program("status", *options, url=url)

    assert (pending.exit_code, done.exit_code) == (before, after)
    assert (pending.stdout == "", done.stdout == "") == (is_silent, is_silent)


def test_f4_a_renamed_file_is_still_applied(program, project, url):
    write(project.migrations, "1_a.sql")
    program.ok("migrate", url=url)
    (project.migrations / "1_a.sql").rename(project.migrations / "1_better.sql")

    assert "[X] 1_better.sql\n" in program.ok("status", url=url).stdout


@pytest.mark.parametrize("command", ["status", "migrate", "up", "rollback"])
def test_f1_no_directory_is_an_error(program, project, url, command):
    project.migrations.rmdir()

    done = program(command, url=url)

    assert done.exit_code == 2
    assert "could not find migrations directory `./db/migrations`" in done.stderr


@pytest.mark.parametrize("command", ["migrate", "up"])
def test_f1_no_files_are_an_error(program, project, url, command):
    done = program(command, url=url)

    assert done.exit_code == 2
    assert "no migration files found" in said(done)
