"""`init`: a project in an empty directory, and in one where people work already."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

import dbmigrate
from dbmigrate.cli.table import ENTRIES
from dbmigrate.projects.files import SCRIPTS
from tests.support.git import Repository
from tests.support.linters import UnavailableError, linter
from tests.support.workflows import load

ROOT = Path(dbmigrate.__file__).parent.parent
EVERYTHING = ("--workflow", "--compose", "--make", "--npm")
SETTINGS = {".env.example", "dbmigrate.toml", ".gitattributes", ".gitignore"}
KEPT_EMPTY = {"db/migrations/.gitkeep", "db/seeds/.gitkeep"}


def everything_in(directory):
    """Every file with what is in it."""
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


@pytest.fixture
def init(run):
    """`init` in a directory, without any variable that it could read."""
    return lambda *words, cwd=None: run("init", *words, cwd=cwd)


# ------------------------------------------------------------------------------------------------ an empty directory


def test_an_empty_directory_becomes_a_project(init, tmp_path):
    done = init()

    assert done.exit_code == 0
    assert done.stderr.splitlines() == [
        "note[W398]: there is no git repository here yet: the merge driver that .gitattributes names is not set up",
        "  hint: after git init, call `dbmigrate init` again",
    ]
    assert set(everything_in(tmp_path)) == SETTINGS | KEPT_EMPTY
    assert done.stdout.splitlines() == [
        "Created: db/migrations/",
        "Created: db/seeds/",
        "Created: .env.example",
        "Created: dbmigrate.toml",
        "Created: .gitattributes",
        "Created: .gitignore",
        'Next: put DATABASE_URL into .env (a copy of .env.example), then: dbmigrate new "create users", dbmigrate up',
    ]


def test_the_project_works_as_it_is(init, run, database_url):
    init()
    env = {"DATABASE_URL": database_url}

    path = run("new", "create users").stdout.strip()
    assert path.startswith(("./db/migrations/", "db/migrations/"))
    assert run("up", env=env).exit_code == 0
    assert run("status", "--exit-code", env=env).exit_code == 0
    assert run("seed", "--dry-run", env=env).exit_code in (0, 2)


def test_a_second_call_changes_nothing(init, tmp_path):
    init(*EVERYTHING)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}

    done = init(*EVERYTHING)

    assert (done.exit_code, done.stderr) == (0, "")
    assert {line.partition(":")[0] for line in done.stdout.splitlines()} == {"Left alone"}
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_a_later_call_adds_what_is_wanted_then(init, tmp_path):
    init()

    done = init("--make", "--json")

    assert json.loads(done.stdout)["created"] == ["db.mk", "Makefile"]


def test_options_are_kept_in_the_project_file(init, run, tmp_path):
    init("-d", "sql/migrations", "--migrations-table", "ops.history", "-s", "sql/schema.sql")

    text = (tmp_path / "dbmigrate.toml").read_text()
    assert tomllib.loads(text) == {
        "migrations-dir": ["sql/migrations"],
        "migrations-table": "ops.history",
        "schema-file": "sql/schema.sql",
    }
    assert run("new", "a").stdout.startswith("sql/migrations/")
    assert not (tmp_path / "db" / "migrations").exists()
    # the next call finds the project as it is
    assert json.loads(init("--json").stdout)["created"] == []


@pytest.mark.parametrize("name", ["dbmigrate.toml", "pyproject.toml"])
def test_options_that_a_project_file_does_not_have_are_named(init, tmp_path, name):
    heading = "[tool.dbmigrate]\n" if name == "pyproject.toml" else ""
    (tmp_path / name).write_text(f'{heading}schema-file = "sql/schema.sql"\n')

    done = init("-d", "sql", "-s", "sql/schema.sql")

    assert done.exit_code == 0
    assert (tmp_path / "sql").is_dir()
    assert f'note[W723]: {name} does not say migrations-dir = ["sql"]' in done.stderr
    assert 'hint: add the line: migrations-dir = ["sql"]\n' in done.stderr
    assert "schema-file" not in done.stderr


def test_directories_with_odd_names_are_the_same_everywhere(init, run, tmp_path):
    name = 'my "own" süße files'
    init("-d", name)

    assert tomllib.loads((tmp_path / "dbmigrate.toml").read_text())["migrations-dir"] == [name]
    assert run("new", "a").exit_code == 0


# ------------------------------------------------------------------------------------------- where something is already


def test_what_is_there_is_never_changed(init, tmp_path):
    theirs = {
        "db/migrations/1_a.sql": "-- migrate:up\n",
        ".env.example": "THEIRS=1\n",
        "dbmigrate.toml": 'schema-file = "theirs.sql"\n',
        ".gitattributes": "* text=auto\n",
        ".gitignore": "/.env\n",
        "Makefile": "include db.mk\n",
        "db.mk": "# theirs\n",
        "compose.dbmigrate.yaml": "# theirs\n",
        ".github/workflows/db-check.yml": "# theirs\n",
        "src/app.py": "print()\n",
    }
    for name, text in theirs.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)

    done = init(*EVERYTHING)

    assert (done.exit_code, done.stderr) == (0, "")
    found = everything_in(tmp_path)
    assert {name: found[name].decode() for name in theirs} == theirs
    assert "Left alone: dbmigrate.toml (it is there)" in done.stdout
    assert "Created: .github/workflows/db-migrate.yml" in done.stdout


def test_what_is_missing_in_a_file_that_is_there_is_said(init, tmp_path):
    (tmp_path / ".gitignore").write_text("node_modules\n.env.example\n# .env\n")
    (tmp_path / ".gitattributes").write_text("*.png binary\n")
    (tmp_path / "Makefile").write_text("all:\n")

    done = init("--make")

    assert done.exit_code == 0
    assert (
        "note[W722]: .gitignore does not name .env, which holds passwords\n  hint: add the line: .env\n" in done.stderr
    )
    assert "hint: add the line: db/migrations/**/*.sql text eol=lf" in done.stderr
    assert "hint: add the line: include db.mk" in done.stderr


@pytest.mark.parametrize("line", [".env", "/.env", ".env*", "*.env", "**/.env"])
def test_an_env_file_that_is_ignored_is_no_news(init, tmp_path, line):
    (tmp_path / ".gitignore").write_text(f"node_modules\r\n{line}\r\n", newline="")

    assert "W722" not in init().stderr


def test_settings_in_pyproject_stay_the_project_file(init, run, tmp_path):
    (tmp_path / "pyproject.toml").write_text('[tool.dbmigrate]\nmigrations-dir = "sql"\n')

    done = init()

    assert done.exit_code == 0
    assert not (tmp_path / "dbmigrate.toml").exists()
    assert "Left alone: [tool.dbmigrate] in pyproject.toml (it is there)" in done.stdout
    assert "Created: sql/" in done.stdout


def test_a_link_that_leads_nowhere_is_left_alone(init, tmp_path):
    (tmp_path / ".env.example").symlink_to(tmp_path / "elsewhere")

    assert init().exit_code == 0
    assert not (tmp_path / "elsewhere").exists()


def test_a_file_where_a_directory_has_to_be_is_an_error(init, tmp_path):
    (tmp_path / "db").write_text("a file\n")

    done = init()

    assert done.exit_code == 2
    assert "error[E207]: cannot make the directory ./db/migrations: Not a directory" in done.stderr
    assert set(everything_in(tmp_path)) == {"db"}


def test_a_full_disk_leaves_no_half_file(tmp_path, run):
    """A limit of the size of files stands for the disk."""
    if shutil.which("prlimit") is None:
        pytest.skip("prlimit is not installed")
    script = ["prlimit", "--fsize=1000", os.sys.executable, "-m", "dbmigrate", "init"]
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}

    done = subprocess.run(script, cwd=tmp_path, env=environ, capture_output=True, text=True)

    assert done.returncode == 2, done.stderr
    assert "error[E207]: cannot write .env.example: File too large" in done.stderr
    assert not (tmp_path / ".env.example").exists()
    assert run("init").exit_code == 0
    assert (tmp_path / ".env.example").read_bytes() == (ROOT / ".env.example").read_bytes()


# ------------------------------------------------------------------------------------------------- what is in the files


def test_the_project_file_explains_every_key_and_says_what_holds_without_it(init, tmp_path, run):
    init()
    text = (tmp_path / "dbmigrate.toml").read_text()
    assert tomllib.loads(text) == {}
    assert "# max-blocked =" in text

    uncommented = re.sub(r"(?m)^# (?=\[|[a-z][\w-]* = )", "", text)
    (tmp_path / "dbmigrate.toml").write_text(uncommented)

    written = tomllib.loads(uncommented)
    from dbmigrate.settings import project_file

    assert set(written) == {*project_file._KEYS, *project_file._TABLES, "env-default"} - {"env"}
    done = run("lint")
    assert "error[E230]" in done.stderr, done.stderr  # read whole; only migrations are missing
    assert "E254" not in run("deploy", "--dry-run").stderr


def test_git_gives_sql_the_same_line_ends_everywhere(init, tmp_path):
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    init("-d", "my files")
    names = ["my files/1_a.sql", "my files/repeatable/v.sql", "db/schema.sql", "src/query.sql", ".env"]

    told = subprocess.run(["git", "check-attr", "eol", *names], cwd=tmp_path, capture_output=True, text=True).stdout
    ignored = subprocess.run(["git", "check-ignore", *names], cwd=tmp_path, capture_output=True, text=True).stdout

    assert [line.rpartition(" ")[2] for line in told.splitlines()] == ["lf", "lf", "lf", "unspecified", "unspecified"]
    assert ignored.split() == [".env"]


# ----------------------------------------------------------------------------------------------------- in a repository


@pytest.fixture
def repository(tmp_path, runner):
    return Repository.made(tmp_path, runner.home)


def driver_of(repository, cwd=None):
    return repository.attempt("config", "--local", "--get", "merge.dbmigrate-schema.driver", cwd=cwd).stdout.strip()


@pytest.mark.parametrize("name", ["my files", 'a "b" [c]*'])
def test_git_reads_odd_names(init, repository, name):
    init("-d", name, "-s", f"{name}/schema.sql")

    told = repository.attempt("check-attr", "merge", "eol", "--", f"{name}/schema.sql")

    assert told.stderr == ""
    assert [line.rpartition(" ")[2] for line in told.stdout.splitlines()] == ["dbmigrate-schema", "lf"]


def test_a_schema_file_outside_of_the_repository_has_no_driver(init, repository, tmp_path):
    inner = tmp_path / "inner"
    inner.mkdir()
    repository.git("init", "-q", cwd=inner)

    refused = init("-s", "../schema.sql", "--hooks", cwd=inner)
    made = init("-s", "../schema.sql", cwd=inner)

    assert "error[E267]: ../schema.sql is outside of the repository" in refused.stderr
    assert "Created: db/migrations/" in made.stdout
    assert "Set up" not in made.stdout


def test_a_bare_repository_merges_nothing(init, tmp_path):
    subprocess.run(["git", "init", "-q", "--bare", "."], cwd=tmp_path, check=True)

    assert init().stderr == ""


def test_the_schema_file_gets_its_merge_driver(init, repository):
    done = init("-s", "./sql/schema.sql")

    assert repository.git("check-attr", "merge", "sql/schema.sql").strip().endswith(": dbmigrate-schema")
    assert driver_of(repository).endswith("merge-driver %O %A %B %P")
    assert "Set up in this clone: git config merge.dbmigrate-schema.driver" in done.stdout
    assert done.stderr == ""
    assert "Set up" not in init("-s", "./sql/schema.sql").stdout


def test_in_a_clone_it_sets_up_what_no_commit_carries_along(init, repository, tmp_path):
    init()
    repository.commit("feat: a project")
    repository.git("clone", "-q", ".", "clone")
    clone = tmp_path / "clone"
    assert driver_of(repository, clone) == ""

    done = init(cwd=clone)

    assert driver_of(repository, clone) == driver_of(repository)
    assert "Created:" not in done.stdout
    assert repository.git("status", "--short", cwd=clone) == ""


def test_outside_of_a_repository_the_line_waits_for_one(init, tmp_path, runner):
    assert "Set up" not in init().stdout
    repository = Repository.made(tmp_path, runner.home)

    init()

    assert driver_of(repository)
    assert repository.git("check-attr", "merge", "db/schema.sql").strip().endswith(": dbmigrate-schema")


def test_attributes_of_others_are_left_alone(init, repository, tmp_path):
    (tmp_path / ".gitattributes").write_text("*.sql text\n")

    done = init()

    assert (tmp_path / ".gitattributes").read_text() == "*.sql text\n"
    assert driver_of(repository) == ""
    assert "note[W723]: .gitattributes names no merge driver for the schema file" in done.stderr
    assert "hint: `dbmigrate merge-driver --install`" in done.stderr


def test_hooks_are_set_up_only_when_they_are_wanted_and_only_in_a_repository(init, tmp_path, runner):
    refused = init("--hooks")
    assert refused.exit_code == 2
    assert "error[E267]" in refused.stderr
    assert everything_in(tmp_path) == {}
    Repository.made(tmp_path, runner.home)

    init()
    assert not (tmp_path / ".git/hooks/post-merge").exists()
    done = init("--hooks")

    assert "Set up in this clone: wrote .git/hooks/post-merge" in done.stdout
    assert "dump --from-migrations" in (tmp_path / ".git/hooks/post-merge").read_text()


@pytest.mark.parametrize("command", SCRIPTS.values())
def test_every_script_is_a_command(command):
    assert command in {entry.name for entry in ENTRIES}


@pytest.fixture
def called(tmp_path):
    """A `dbmigrate` that prints how it was called."""
    program = tmp_path / "bin" / "dbmigrate"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\necho "dbmigrate $*"\n')
    program.chmod(0o755)
    environ = {"PATH": f"{program.parent}:{os.environ['PATH']}", "HOME": str(tmp_path)}

    def call(*words):
        done = subprocess.run(words, cwd=tmp_path, env=environ, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return [line for line in done.stdout.splitlines() if line.startswith("dbmigrate")]

    return call


@pytest.mark.parametrize(("target", "command"), SCRIPTS.items())
def test_the_targets_of_make_call_their_commands(init, called, target, command):
    init("--make")

    assert called("make", "-s", f"db-{target}", 'ARGS="a b"') == [f"dbmigrate {command} a b"]


def test_make_alone_is_still_the_users_own(init, called, tmp_path):
    (tmp_path / "Makefile").write_text("include db.mk\nall:\n\t@echo dbmigrate is not called\n")
    init("--make")

    assert called("make") == ["dbmigrate is not called"]


def test_make_dev_migrates_and_becomes_the_application(init, run, database_url, query, tmp_path):
    init("--make")
    (tmp_path / "db/migrations/1_a.sql").write_text("-- migrate:up\ncreate table a ();\n-- migrate:down\n")
    program = f"{os.sys.executable} -m dbmigrate"
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(tmp_path), "DATABASE_URL": database_url}

    words = ["make", "-s", "dev", f"DBMIGRATE={program}", "CMD=echo started"]
    done = subprocess.run(words, cwd=tmp_path, env=environ, capture_output=True, text=True)

    assert (done.returncode, done.stdout) == (0, "started\n"), done.stderr
    assert query(database_url, "select to_regclass('a') is not null") == [(True,)]


def test_npm_runs_the_scripts(init, called, tmp_path):
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    init("--npm")

    assert called("npm", "run", "--silent", "db:baseline", "--", "20260301") == ["dbmigrate baseline 20260301"]


def test_scripts_are_added_to_a_package_and_those_that_are_there_stay(init, tmp_path):
    head = '{\n    "name": "süß",\n    "scripts": {\n        "dev": "vite",\n        "db:migrate": "theirs"'
    theirs = head + '\n    },\n    "x": 1.0\n}\n'
    path = tmp_path / "package.json"
    path.write_text(theirs)
    path.chmod(0o640)

    done = init("--npm")

    assert "Added to package.json: db:new, db:rollback, db:info" in done.stdout
    text = path.read_text()
    assert text.startswith(
        '{\n    "name": "süß",\n    "scripts": {\n        "dev": "vite",\n        "db:migrate": "theirs",'
    )
    assert text.endswith('\n    },\n    "x": 1.0\n}\n')
    assert json.loads(text)["scripts"]["db:info"] == "dbmigrate status"
    assert path.stat().st_mode & 0o777 == 0o640
    assert not list(tmp_path.glob("*.tmp"))


@pytest.mark.parametrize("text", ["{", "[]", '"x"', '{"scripts": []}', '{"a": 1, "a": 2}', "\xff", "[" * 100000])
def test_a_package_that_cannot_take_scripts_stops_before_anything_is_written(init, tmp_path, text):
    (tmp_path / "package.json").write_bytes(text.encode("latin-1"))

    done = init("--npm")

    assert done.exit_code == 7
    assert "error[E747]: package.json cannot take the scripts" in done.stderr
    assert set(everything_in(tmp_path)) == {"package.json"}


def test_the_workflows_install_a_release_and_are_valid(init, tmp_path):
    init("--workflow", "-d", "sql")
    workflows = sorted((tmp_path / ".github/workflows").glob("*.yml"))

    texts = "".join(path.read_text() for path in workflows)
    assert texts.count(f'DBMIGRATE: "dbmigrate[embedded,lint]=={dbmigrate.__version__}"') == 3
    assert '".[embedded,lint]"' not in texts
    assert load(workflows[0])[True]["pull_request"]["paths"] == ["sql/**", "db/**", ".github/workflows/db-check.yml"]
    assert load(workflows[3])[True]["push"]["paths"] == ["sql/**"]
    try:
        program = linter("actionlint")
    except UnavailableError as exc:
        pytest.skip(str(exc))
    done = subprocess.run([program, *workflows], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_services_of_compose_are_valid_and_in_order(init, tmp_path):
    init("--compose")
    path = tmp_path / "compose.dbmigrate.yaml"
    services = load(path)["services"]

    assert services["migrate"]["depends_on"] == {"db": {"condition": "service_healthy"}}
    assert "pg_isready" in services["db"]["healthcheck"]["test"][1]
    assert f'"dbmigrate=={dbmigrate.__version__}"' in services["migrate"]["build"]["dockerfile_inline"]
    try:
        program = linter("check-jsonschema")
    except UnavailableError as exc:
        pytest.skip(str(exc))
    command = [program, "--builtin-schema", "vendor.compose-spec", path]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
