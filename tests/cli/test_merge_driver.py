"""git merges, rebases and picks branches that each add a migration, without a conflict in the schema file."""

from __future__ import annotations

import json

import pytest

from dbmigrate.schema import versions
from dbmigrate.schema.versions import MARK
from tests.support.git import Repository


@pytest.fixture
def scratch(server):
    return {"DBMIGRATE_SCRATCH_URL": server.url("postgres")}


@pytest.fixture
def repository(project, runner, scratch):
    """A repository with one migration, without the driver."""
    made = Repository.made(project.root, runner.home, scratch)
    _add(project, "001_base", "create table base ();")
    return made


@pytest.fixture
def branches(repository, project, runner):
    """The driver is set up; `main` and `ours` each add a table, with their schema files; `ours` is checked out."""
    assert runner.run("merge-driver", "--install").exit_code == 0
    repository.commit()
    repository.git("branch", "ours")
    _add(project, "002_theirs", "create table theirs ();")
    repository.commit("theirs")
    repository.git("checkout", "-q", "ours")
    _add(project, "003_ours", "create table ours ();")
    repository.commit("ours")
    return repository


def _add(project, name, up):
    """A migration, and the schema file that a developer's `up` leaves, but for pg_dump's settings."""
    project.migration(name, up=up, down=f"drop table {up.split()[2]};")
    names = sorted(path.stem for path in project.migrations.iterdir())
    tables = "".join(f"CREATE TABLE public.{each.partition('_')[2]} (\n);\n\n" for each in names)
    rows = versions.render([each.partition("_")[0] for each in names], table="public.schema_migrations")
    project.schema_file.write_text(tables + rows, "utf-8")


def schema(project):
    return project.schema_file.read_text("utf-8")


def test_a_merge_has_the_versions_of_both_and_says_that_it_is_not_generated(
    branches, project, run, database_url, scratch
):
    done = branches.attempt("merge", "-q", "-m", "both", "main")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "note[W730]: db/schema.sql has the version rows of both sides, and is not generated yet" in done.stderr
    assert schema(project).startswith(MARK)
    assert "VALUES\n    ('001'),\n    ('002'),\n    ('003');" in schema(project)
    assert "CREATE TABLE public.ours" in schema(project)
    assert branches.git("status", "--porcelain") == ""

    loaded = run("load", env={"DATABASE_URL": database_url})
    assert loaded.exit_code == 2
    assert "error[E259]: db/schema.sql is not generated yet" in loaded.stderr.replace("./", "")
    checked = run("check", "--no-lint", env=scratch)
    assert checked.exit_code == 1
    assert "error[C113]" in checked.stdout
    assert "dbmigrate dump --from-migrations" in checked.stdout
    drift = run("drift", env={"DATABASE_URL": database_url} | scratch)
    assert (drift.exit_code, "E259" in drift.stderr) == (2, True)

    assert run("dump", "--from-migrations", env=scratch).exit_code == 0
    assert "CREATE TABLE public.theirs" in schema(project)
    assert "CREATE TABLE public.ours" in schema(project)
    assert run("check", "--no-lint", env=scratch).exit_code == 0
    assert run("load", env={"DATABASE_URL": database_url}).exit_code == 0


@pytest.mark.parametrize("how", ["rebase", "cherry-pick"])
def test_a_rebase_and_a_cherry_pick(branches, project, run, scratch, how):
    done = branches.attempt(how, "main")

    assert done.returncode == 0, done.stdout + done.stderr
    assert schema(project).startswith(MARK)
    assert schema(project).count(MARK) == 1
    assert "('001'),\n    ('002'),\n    ('003');" in schema(project)
    assert run("dump", "--from-migrations", env=scratch).exit_code == 0
    assert run("check", "--no-lint", env=scratch).exit_code == 0


def test_two_branches_that_add_tables_can_be_merged_and_the_check_says_so(branches, run, scratch):
    done = run("check", "--branch", "main", "--json", env=scratch)

    assert done.exit_code == 0, done.stdout
    assert (json.loads(done.stdout)["ours"], json.loads(done.stdout)["theirs"]) == (
        ["003_ours.sql"],
        ["002_theirs.sql"],
    )


@pytest.mark.parametrize("how", ["merge", "rebase"])
def test_hooks_make_the_file_after_a_merge_and_a_rebase(branches, project, run, scratch, how):
    installed = run("merge-driver", "--install", "--hooks")
    assert installed.stdout == "wrote .git/hooks/post-merge\nwrote .git/hooks/post-rewrite\n"

    done = branches.attempt(how, *(("-q", "-m", "both") if how == "merge" else ()), "main")

    assert done.returncode == 0, done.stderr
    assert "db/schema.sql was made from the migrations: look at it, and commit it" in done.stderr
    assert not schema(project).startswith(MARK)
    assert "CREATE TABLE public.theirs" in schema(project)
    assert branches.git("status", "--porcelain") == " M db/schema.sql\n"
    assert run("check", "--no-lint", env=scratch).exit_code == 0


def test_a_hook_without_a_server_leaves_the_merge_and_the_marked_file(branches, project, run):
    run("merge-driver", "--install", "--hooks")
    branches.env["DBMIGRATE_SCRATCH_URL"] = "postgres://nobody@127.0.0.1:1/none"

    done = branches.attempt("merge", "-q", "-m", "both", "main")

    assert done.returncode == 0
    assert "error[E301]" in done.stderr
    assert "look at it" not in done.stderr
    assert schema(project).startswith(MARK)


def test_in_a_clone_the_attribute_alone_does_nothing(branches, project, tmp_path, runner):
    clone = tmp_path / "clone"
    branches.git("clone", "-q", "-b", "ours", str(branches.root), str(clone))
    in_clone = Repository(clone, branches.home)

    plain = in_clone.attempt("merge", "-q", "-m", "both", "origin/main")
    assert plain.returncode == 1
    assert "CONFLICT (content): Merge conflict in db/schema.sql" in plain.stdout
    in_clone.git("merge", "--abort")

    assert runner.run("merge-driver", "--install", cwd=clone).exit_code == 0
    merged = in_clone.attempt("merge", "-q", "-m", "both", "origin/main")  # no server anywhere
    assert merged.returncode == 0, merged.stderr
    assert (clone / "db/schema.sql").read_text("utf-8").startswith(MARK)


def test_up_makes_a_marked_file_even_with_nothing_to_do(repository, project, run, database_url):
    env = {"DATABASE_URL": database_url}
    assert run("up", env=env).exit_code == 0
    before = schema(project)
    project.schema_file.write_text(f"{MARK}\n{before}", "utf-8")

    done = run("up", env=env)

    assert done.exit_code == 0
    assert "Writing: ./db/schema.sql" in done.stderr + done.stdout
    assert schema(project) == before


def test_a_migration_that_fails_leaves_the_file_as_it_was(repository, project, run, scratch):
    before = schema(project)
    project.migration("004_bad", up="create table nowhere.x ();")

    done = run("dump", "--from-migrations", env=scratch)

    assert done.exit_code == 2
    assert "error[E260]: the schema file cannot be made: " in done.stderr
    assert "004_bad.sql:2:14" in done.stderr
    assert schema(project) == before


def test_pg_dump_options_go_through(repository, project, run, scratch):
    assert run("dump", "--from-migrations", "--", "--exclude-table=base", env=scratch).exit_code == 0
    assert "public.base" not in schema(project)


# ------------------------------------------------------------------------------------------------------------ set-up


def test_setting_up_twice_changes_nothing(repository, run):
    run("merge-driver", "--install", "--hooks")

    again = run("merge-driver", "--install", "--hooks", "--json")

    assert json.loads(again.stdout)["changes"] == []
    assert repository.git("check-attr", "merge", "db/schema.sql") == "db/schema.sql: merge: dbmigrate-schema\n"


def test_hooks_of_others_and_other_lines_stay(repository, project, run):
    attributes = project.root / ".gitattributes"
    attributes.write_text("*.sql text eol=lf", "utf-8")
    hook = project.root / ".git/hooks/post-merge"
    hook.write_text("#!/bin/sh\necho mine\n", "utf-8")

    done = run("merge-driver", "--install", "--hooks")

    assert done.exit_code == 0
    assert attributes.read_text("utf-8") == "*.sql text eol=lf\ndb/schema.sql merge=dbmigrate-schema\n"
    assert hook.read_text("utf-8") == "#!/bin/sh\necho mine\n"
    assert "warning[W731]: .git/hooks/post-merge is there already and was left as it is" in done.stderr
    assert "wrote .git/hooks/post-rewrite" in done.stdout


def test_another_driver_for_the_file_is_refused(repository, project, run):
    (project.root / ".gitattributes").write_text("*.sql merge=union\n", "utf-8")

    done = run("merge-driver", "--install")

    assert done.exit_code == 2
    assert "error[E267]: .gitattributes gives ./db/schema.sql to the merge driver 'union'" in done.stderr


def test_odd_names_are_quoted_as_git_reads_them(repository, project, run):
    names = ("a b.sql", "c[1].sql", 'd".sql', "e*.sql")
    for name in names:
        done = run("merge-driver", "--install", "--schema-file", f"db/{name}")
        assert done.exit_code == 0, done.stderr

    for name in names:
        assert repository.git("check-attr", "-z", "merge", f"db/{name}").split("\0")[2] == "dbmigrate-schema"
    assert repository.git("check-attr", "-z", "merge", "db/c1.sql").split("\0")[2] == "unspecified"


def test_a_project_below_the_top(repository, project, runner, scratch):
    inner = project.root / "services" / "shop"
    (inner / "db" / "migrations").mkdir(parents=True)
    done = runner.run("merge-driver", "--install", "--hooks", cwd=inner)

    assert done.exit_code == 0, done.stderr
    assert (inner / ".gitattributes").read_text("utf-8") == "db/schema.sql merge=dbmigrate-schema\n"
    hook = (project.root / ".git/hooks/post-merge").read_text("utf-8")
    assert "services/shop/db/schema.sql" in hook
    assert "cd services/shop && " in hook


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "a merge driver needs the three files that git names"),
        (("a", "b"), "a merge driver needs the three files that git names"),
        (("--hooks",), "--hooks needs --install"),
        (("--install", "a", "b", "c"), "--install takes no files"),
        (("nowhere", "nowhere", "nowhere"), "error[E207]: cannot read nowhere"),
        (("--install",), "error[E267]: git is not installed, or this is not the work tree of a repository"),
    ],
)
def test_wrong_uses_are_refused(run, project, arguments, message):
    done = run("merge-driver", *arguments)

    assert done.exit_code == 2
    assert message in done.stderr


def test_what_is_not_text_is_left_to_git(run, project):
    for name in ("ours", "theirs"):
        (project.root / name).write_bytes(b"\xff\xfe")

    done = run("merge-driver", "ours", "ours", "theirs", "db/schema.sql")

    assert done.exit_code == 2  # git takes it for a conflict
    assert (project.root / "ours").read_bytes() == b"\xff\xfe"
