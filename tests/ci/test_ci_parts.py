"""The workflows, the action, the hooks, the image: checked by their linters, and their shell steps run."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest
import yaml

import dbmigrate
from tests.support import environment
from tests.support.linters import UnavailableError, linter
from tests.support.runners import commands
from tests.support.web import site, status
from tests.support.workflows import Runner, load, shell_steps

ROOT = Path(dbmigrate.__file__).parent.parent
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
COMPOSE = ROOT / "examples" / "docker" / "compose.yaml"
GITLAB = ROOT / "examples" / "gitlab" / "dbmigrate.gitlab-ci.yml"
HOOKS = ROOT / ".pre-commit-hooks.yaml"
ACTION = ROOT / "action.yml"
# names that are the shell's or GitHub's business, not values from outside
_UNTRUSTED = re.compile(r"\$\{\{")


@pytest.mark.parametrize(
    "command",
    [
        ("actionlint", *WORKFLOWS),
        ("zizmor", "--offline", "--no-progress", *WORKFLOWS, ACTION),
        ("hadolint", ROOT / "Dockerfile"),
        ("check-jsonschema", "--builtin-schema", "vendor.compose-spec", COMPOSE),
        ("check-jsonschema", "--builtin-schema", "vendor.github-actions", ACTION),
        ("check-jsonschema", "--builtin-schema", "vendor.gitlab-ci", "--data-transform", "gitlab-ci", GITLAB),
    ],
    ids=lambda command: f"{command[0]}-{Path(command[-1]).name}",
)
def test_the_linters_have_nothing_to_say(command):
    try:
        program = linter(command[0])
    except UnavailableError as exc:
        pytest.skip(str(exc))

    done = subprocess.run([program, *command[1:]], capture_output=True, text=True, cwd=ROOT)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", [*WORKFLOWS, ACTION], ids=lambda path: path.name)
def test_values_reach_the_shell_as_variables_only(path):
    """Text that is pasted into a script can run as a command."""
    document = load(path)
    jobs = document["jobs"].values() if "jobs" in document else [document["runs"]]

    scripts = [step["run"] for job in jobs for step in job.get("steps", ()) if "run" in step]

    assert [script for script in scripts if _UNTRUSTED.search(script)] == []


@pytest.mark.parametrize("path", [*WORKFLOWS, ACTION, GITLAB], ids=lambda path: path.name)
def test_the_version_that_is_installed_is_this_one(path):
    for version in re.findall(r'(?:DBMIGRATE_VERSION: |default: )"(\d[\d.]*)"', path.read_text()):
        assert version == dbmigrate.__version__


def test_a_run_on_a_database_is_never_cancelled_by_the_next_one():
    assert load(ROOT / ".github/workflows/db-migrate.yml")["concurrency"] == {
        "group": "db-migrate-${{ inputs.environment }}",
        "cancel-in-progress": False,
    }


def test_dispatch_and_call_take_the_same_inputs():
    on = load(ROOT / ".github/workflows/db-migrate.yml")[True]  # YAML 1.1 reads `on` as a truth value

    assert on["workflow_dispatch"]["inputs"].keys() == on["workflow_call"]["inputs"].keys()


def test_a_run_by_hand_takes_an_environment_an_action_and_whether_it_is_dry():
    inputs = load(ROOT / ".github/workflows/db-migrate.yml")[True]["workflow_dispatch"]["inputs"]

    assert inputs["environment"]["type"] == "environment"
    assert inputs["action"]["options"] == ["status", "verify", "up", "rollback"]
    assert inputs["dry_run"] == {
        "description": "Only show the SQL of up or rollback",
        "type": "boolean",
        "default": True,
    }


def test_staging_follows_develop():
    document = load(ROOT / ".github/workflows/db-staging.yml")
    job = document["jobs"]["migrate"]

    assert document[True]["push"]["branches"] == ["develop"]
    assert job["uses"] == "./.github/workflows/db-migrate.yml"
    assert {name: job["with"][name] for name in ("environment", "action", "dry_run")} == {
        "environment": "staging",
        "action": "up",
        "dry_run": False,
    }


# ------------------------------------------------------------------------------------------------- the shell steps run


@pytest.fixture
def programs(tmp_path_factory):
    """A directory with `dbmigrate` on it, as pip would have put it there."""
    directory = tmp_path_factory.mktemp("bin")
    program = directory / "dbmigrate"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m dbmigrate "$@"\n')
    program.chmod(0o755)
    return directory


@pytest.fixture
def job(tmp_path, tmp_path_factory, programs, project):
    """A runner in a checkout with a project."""

    def make(values):
        temp = tmp_path_factory.mktemp("runner")
        environ = environment.clean(os.environ, home=temp)
        environ["PATH"] = f"{programs}:{environ['PATH']}"
        return Runner(tmp_path, temp, environ, values)

    return make


@pytest.fixture
def migrate(job, database_url):
    """Run db-migrate.yml with these inputs; the job."""

    def run(action, *, environment="production", dry_run=False, expect_plan="", reason="", **configured):
        document = load(ROOT / ".github/workflows/db-migrate.yml")["jobs"]["migrate"]
        runner = job(
            {
                "inputs.environment": environment,
                "inputs.action": action,
                "inputs.expect_plan": expect_plan,
                "inputs.reason": reason,
                "secrets.DATABASE_URL": database_url,
                "secrets.BACKUP_PASSPHRASE": configured.get("passphrase", ""),
                "vars.HEALTH_URL": configured.get("health_url", ""),
                "github.actor": "ann",
                "github.server_url": "https://git.example",
                "github.repository": "a/b",
                "github.run_id": "7",
            }
        )
        runner.environ |= {name: runner.evaluated(str(value)) for name, value in document["env"].items()}
        truth = {
            "inputs.action == 'verify' || inputs.action == 'up'": action in ("verify", "up"),
            "inputs.action == 'up' || inputs.action == 'rollback'": action in ("up", "rollback"),
            "(inputs.action == 'up' || inputs.action == 'rollback') && !inputs.dry_run": action in ("up", "rollback")
            and not dry_run,
            "inputs.action == 'up' && !inputs.dry_run": action == "up" and not dry_run,
        }
        code = 0
        for step in shell_steps(document["steps"]):
            condition = str(step.get("if", "true"))
            always = condition.startswith("always()")
            known = {**truth, "true": True, "": True}
            wanted = known[condition.removeprefix("always()").removeprefix(" && ")]
            if wanted and (always or code == 0):
                code = runner.run(step) or code
        return runner, code

    return run


def test_the_workflow_shows_the_state(migrate, project):
    project.migration("1_a", up="create table a (id int);", down="drop table a;")

    job, code = migrate("status")

    assert code == 0, job.log
    assert "[ ] 1_a.sql" in job.summary
    assert "Plan" not in job.ran


def test_a_dry_run_shows_the_sql_and_changes_nothing(migrate, project, database_url, query):
    project.migration("1_a", up="create table a (id int);", down="drop table a;")

    job, code = migrate("up", dry_run=True)

    assert code == 0, job.log
    assert "create table a (id int);" in job.summary
    assert re.fullmatch("[0-9a-f]{64}", job.outputs["plan"]["hash"])
    assert query(database_url, "select to_regclass('a'), to_regclass('schema_migrations')") == [(None, None)]


def test_the_workflow_migrates_a_protected_environment_and_says_why(migrate, project, database_url, query):
    project.migration("1_a", up="create table a (id int);", down="drop table a;")

    job, code = migrate("up", reason="release 42; $(touch oops) `touch oops`")

    assert code == 0, job.log
    assert "[X] 1_a.sql" in job.summary.split("### Afterwards")[1]
    reason = query(database_url, "select reason from schema_migrations_log where state = 'done'")[0][0]
    assert reason == "deploy: release 42; $(touch oops) `touch oops` (ann, https://git.example/a/b/actions/runs/7)"
    assert not (project.root / "oops").exists()


def test_the_workflow_deploys_with_a_backup_and_a_health_check(migrate, project, database_url, query):
    project.migration("1_a", up="create table a (id int);", down="drop table a;")
    with site(status(200)) as healthy:
        job, code = migrate("up", health_url=healthy.url, passphrase="for tests: $x")

    assert code == 0, job.log
    phases = re.findall(r"(?m)^(verify|plan|backup|up|health)  +\S", job.log)
    assert phases[-5:] == ["verify", "plan", "backup", "up", "health"]
    assert len(healthy.requests) == 1
    assert query(database_url, "select to_regclass('a') is not null") == [(True,)]
    assert "To read it:" in job.summary


def test_the_kept_backup_is_encrypted_and_can_be_read_again(migrate, project):
    project.migration("1_a", up="create table a (id int);", down="drop table a;")
    passphrase = "for tests: $x"

    job, _ = migrate("up", passphrase=passphrase)

    kept = Path(job.outputs["backup"]["file"])
    command = re.search(r"openssl enc -d .*", job.summary)[0].replace("FILE.enc", str(kept)).replace("FILE", "again")
    environ = {**job.environ, "BACKUP_PASSPHRASE": passphrase}
    subprocess.run(command.split(), cwd=job.temp, env=environ, check=True)
    assert (job.temp / "again").read_bytes() == kept.with_suffix("").read_bytes()
    assert (job.temp / "again").read_bytes().startswith(b"PGDMP")
    assert not kept.read_bytes().startswith(b"PGDMP")
    assert passphrase not in job.log + job.summary


def test_without_a_passphrase_no_backup_leaves_the_runner(migrate, project):
    project.migration("1_a", up="create table a (id int);", down="drop table a;")

    job, code = migrate("up")

    assert (code, job.outputs["backup"]) == (0, {}), job.log
    assert "has no secret BACKUP_PASSPHRASE" in job.summary


def test_an_application_that_is_not_healthy_is_rolled_back(migrate, project, database_url, query):
    project.migration("1_a", up="create table a (id int);", down="drop table a;")
    (project.root / "dbmigrate.toml").write_text('[deploy]\nhealth-retries = 0\nhealth-interval = "10ms"\n')
    with site(status(503)) as sick:
        job, code = migrate("up", health_url=sick.url, passphrase="x")

    assert code == 4, job.log
    assert "error[E411]" in job.log
    assert query(database_url, "select to_regclass('a')") == [(None,)]
    assert job.outputs["backup"]["file"]  # also after a failure
    assert "[ ] 1_a.sql" in job.summary.split("### Afterwards")[1]


def test_the_workflow_rolls_back(migrate, project, database_url, query):
    project.migration("1_a", up="create table a (id int);", down="drop table a;")
    migrate("up")

    job, code = migrate("rollback", reason="INC-1")

    assert code == 0, job.log
    assert query(database_url, "select to_regclass('a')") == [(None,)]


def test_another_plan_than_the_reviewed_one_is_refused(migrate, project, database_url, query):
    project.migration("1_a", up="create table a (id int);", down="drop table a;")
    reviewed, _ = migrate("up", dry_run=True)
    project.migration("2_b", up="create table b (id int);", down="drop table b;")

    job, code = migrate("up", expect_plan=reviewed.outputs["plan"]["hash"])

    assert code == 7, job.log
    assert "### Afterwards" in job.summary
    assert query(database_url, "select to_regclass('a')") == [(None,)]


def test_a_failing_migration_fails_the_job(migrate, project):
    project.migration("1_a", up="create table a (id nonsense);", down="")

    job, code = migrate("up")

    assert code == 4, job.log


def test_the_secret_is_in_no_log_and_gone_afterwards(migrate, project, database_url):
    project.migration("1_a", up="create table a (id int);", down="drop table a;")

    job, _ = migrate("up")

    assert database_url not in job.log + job.summary
    assert not (job.temp / "database_url").exists()


@pytest.fixture
def action(job, project, programs):
    """Run action.yml with this command; the runner and the exit code."""

    def run(command, url, **environ):
        runner = job({"inputs.command": command, "inputs.database-url": url, "inputs.version": "0", "inputs.token": ""})
        runner.environ |= environ
        installed = runner.temp / "dbmigrate" / "bin"
        installed.parent.mkdir()
        shutil.copytree(programs, installed)
        (installed / "python").symlink_to(sys.executable)
        (step,) = shell_steps(load(ACTION)["runs"]["steps"])
        return runner, runner.run(step)

    return run


def test_the_action_runs_a_command_and_tells_what_is_pending(action, project, database_url):
    project.migration("1_a", up="create table a (id int);", down="drop table a;")
    project.migration("2_b", up="create table b (id int);", down="drop table b;")

    job, code = action("up --to 1 --no-dump-schema", database_url)

    assert code == 0, job.log
    assert job.outputs["run"] == {"applied": "1", "pending": "1", "version": "1"}


def test_the_action_hands_on_the_hash_of_a_dry_run(action, project, database_url):
    project.migration("1_a", up="create table a (id int);", down="drop table a;")

    job, code = action("up --dry-run", database_url)

    assert code == 0, job.log
    assert len(job.outputs["run"]["plan-hash"]) == 64


def test_the_action_fails_as_the_command_did_and_runs_nothing_else(action, project, database_url):
    project.migration("1_a", up="create table a (id nonsense);", down="")

    job, code = action("up; touch oops $(touch oops)", database_url)
    failed, failed_code = action("up", database_url)

    assert (code, failed_code) == (2, 4), job.log + failed.log
    assert not (project.root / "oops").exists()


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ('up --reason "release 42"', "release 42"),
        ("up --reason 'release 42'", "release 42"),
        ("up --reason=release\\ 42", "release 42"),
        ("up --reason 'it''s'", "its"),
        ('up --reason "it\'s \\"so\\""', 'it\'s "so"'),
        ("up --reason '*'", "*"),
        ("up --reason *", "*"),
        ("up --reason '$(touch oops)`touch oops`$HOME'", "$(touch oops)`touch oops`$HOME"),
        ('up --reason "; touch oops"', "; touch oops"),
        ("up\n  --reason 'two\nlines'\n", "two\nlines"),
        ("up --reason '--format github'", "--format github"),
        ("up --reason 'a # b'", "a # b"),
    ],
)
def test_quotes_in_the_command_of_the_action_hold_words_together(action, project, database_url, query, command, reason):
    project.migration("1_a", up="create table a (id int);", down="drop table a;")

    job, code = action(command, database_url)

    assert code == 0, job.log
    assert query(database_url, "select reason from schema_migrations_log where state = 'done'") == [(reason,)]
    assert not (project.root / "oops").exists()


def test_a_quote_that_is_not_closed_fails_the_action_and_runs_nothing(action, project, database_url, query):
    project.migration("1_a", up="create table a (id int);", down="drop table a;")

    job, code = action('up --reason "release 42', database_url)

    assert code == 2
    assert "cannot be split into words: No closing quotation" in job.log
    assert query(database_url, "select to_regclass('a')") == [(None,)]


ORDERS = "\n::add-mask::a\n ##[error]b\n::stop-commands::c\n::set-output name=plan-hash::d\n"


@pytest.mark.parametrize("command", ["up", "up --dry-run", "history", "status", "lint"])
def test_text_of_files_and_servers_orders_the_runner_nothing(action, project, database_url, command):
    project.migration(
        "1_a", up=f"/*{ORDERS}*/ do $$ begin raise notice using message = $t${ORDERS}$t$; end $$;", down="select 1;"
    )

    job, code = action(command, database_url)

    assert code == 0, job.log
    assert len(commands(job.log)) == 2  # the two pairs of stop-commands with our token
    assert set(commands(job.log)) == {"stop-commands"}


def test_annotations_are_still_for_the_runner(action, project, database_url):
    project.migration("1_a", up=f"drop table a; select $${ORDERS}$$;", down="")

    job, code = action("lint --format github", database_url)

    assert code == 1, job.log
    assert {"stop-commands"} < set(commands(job.log)) <= {"stop-commands", "error", "warning", "notice"}


def test_the_token_is_another_one_each_time(action, project, database_url):
    project.migration("1_a", up="select 1;", down="")

    logs = [action("status", database_url)[0].log for _ in range(2)]

    tokens = [re.findall("^::stop-commands::([0-9a-f]{32})$", log, re.MULTILINE)[0] for log in logs]
    assert len(set(tokens)) == 2


# --------------------------------------------------------------------------------------------------- from a checkout


@pytest.fixture
def checkout(tmp_path):
    """A copy of what git has of this repository."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout.decode()
    for name in filter(None, names.split("\0")):
        target = tmp_path / "checkout" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target)
    return tmp_path / "checkout"


def _install_step(path):
    document = load(path)
    jobs = document["jobs"].values() if "jobs" in document else [document["runs"]]
    return next((step, job) for job in jobs for step in job["steps"] if step.get("name") == "Install")


@pytest.mark.matrix
@pytest.mark.slow
@pytest.mark.parametrize("path", [ACTION, ROOT / ".github/workflows/db-check.yml"], ids=lambda path: path.name)
def test_what_is_installed_comes_from_the_checkout(checkout, tmp_path, path):
    step, job = _install_step(path)
    venv.create(tmp_path / "python", with_pip=True)
    temp = tmp_path / "temp"
    temp.mkdir()
    environ = {
        **environment.clean(os.environ, home=temp),
        "PATH": f"{tmp_path / 'python' / 'bin'}:{os.environ['PATH']}",
        "GITHUB_ACTION_PATH": str(checkout),
        "RUNNER_TEMP": str(temp),
        **{name: str(text) for name, text in job.get("env", {}).items() if "${{" not in str(text)},
        "VERSION": "",
    }

    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
    done = subprocess.run(command, env=environ, cwd=checkout, capture_output=True, text=True, timeout=300)

    assert done.returncode == 0, done.stdout + done.stderr
    installed = (temp / "dbmigrate" if path == ACTION else tmp_path / "python") / "bin" / "dbmigrate"
    shown = subprocess.run([installed, "--version"], capture_output=True, text=True, env=environ)
    assert shown.stdout == f"dbmigrate version {dbmigrate.__version__}\n"


@pytest.mark.matrix
@pytest.mark.slow
def test_the_first_lines_of_the_readme_install_the_program(checkout, tmp_path):
    lines = re.search(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[1]
    environ = {**environment.clean(os.environ, home=tmp_path), "HOME": str(tmp_path)}

    script = f"set -e\n{lines}\ncd /\ndbmigrate --version\n"
    done = subprocess.run(["sh", "-c", script], cwd=checkout, env=environ, capture_output=True, text=True, timeout=300)

    assert done.stdout.endswith(f"dbmigrate version {dbmigrate.__version__}\n"), done.stdout + done.stderr


@pytest.mark.matrix
@pytest.mark.slow
@pytest.mark.parametrize("hook", ["dbmigrate-lint", "dbmigrate-names"])
def test_the_hooks_work_from_a_checkout(checkout, tmp_path, hook):
    """pre-commit itself installs the checkout, and runs the hook on a project's file."""
    venv.create(tmp_path / "python", with_pip=True)
    python = tmp_path / "python" / "bin" / "python"
    install = [python, "-m", "pip", "install", "--quiet", "pre-commit"]
    if subprocess.run(install, capture_output=True, timeout=300).returncode:
        pytest.skip("pre-commit could not be installed")
    environ = {**environment.clean(os.environ, home=tmp_path), "PRE_COMMIT_HOME": str(tmp_path / "cache")}
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]

    def git(directory, *words):
        subprocess.run(["git", *identity, *words], cwd=directory, env=environ, check=True, capture_output=True)

    work = tmp_path / "work"
    (work / "db" / "migrations").mkdir(parents=True)
    (work / "db/migrations/1_a.sql").write_text("-- migrate:up\ndrop table a;\n-- migrate:down\n")
    (work / "db/migrations/1_b.sql").write_text("-- migrate:up\nselect 1;\n-- migrate:down\n")
    for directory in (checkout, work):
        git(directory, "init", "-q")
        git(directory, "add", "-A")
    git(checkout, "commit", "-qm", "a checkout")

    try_repo = [python, "-m", "pre_commit", "try-repo", checkout, hook, "--all-files"]
    done = subprocess.run(try_repo, cwd=work, env=environ, capture_output=True, text=True, timeout=500)

    assert done.returncode == 1, done.stdout + done.stderr
    assert "E221" in done.stdout


@pytest.mark.parametrize(
    ("command", "base", "expected"),
    [
        ("lint --format json", "main", ["2_index_b.sql"]),
        ("lint --format json --all", "main", ["1_index_a.sql", "2_index_b.sql"]),
        ("lint --format json db/migrations/1_index_a.sql", "main", ["1_index_a.sql"]),
        ("lint --format json", "", ["1_index_a.sql", "2_index_b.sql"]),
    ],
)
def test_the_action_lints_what_the_pull_request_brings(command, base, expected, action, project, tmp_path_factory):
    """In the checkout that actions/checkout makes of a pull request: one commit, and no other branch."""

    def git(*arguments, cwd=project.root):
        identity = ("-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=main")
        subprocess.run(["git", "-C", cwd, *identity, *arguments], check=True, capture_output=True)

    (project.root / "dbmigrate.toml").write_text("[lint]\nsquawk = false\n")
    remote = tmp_path_factory.mktemp("remote")
    git("init", "-q", "--bare", cwd=remote)
    git("init", "-q")
    for branch, name in (("main", "1_index_a"), ("feature", "2_index_b")):
        git("checkout", "-q", "-b", branch)
        project.migration(name, up=f"create index i{name} on t (a);", down_options="irreversible:true")
        git("add", ".")
        git("commit", "-q", "-m", name)
        git("push", "-q", str(remote), branch)
    shutil.rmtree(project.root / ".git")
    git("init", "-q")
    git("remote", "add", "origin", f"file://{remote}")
    git("fetch", "-q", "--depth=1", "origin", "+refs/heads/feature:refs/remotes/pull/1/merge")
    git("checkout", "-q", "--force", "refs/remotes/pull/1/merge")

    job, code = action(command, "", GITHUB_BASE_REF=base)

    found, _ = json.JSONDecoder().raw_decode(job.log[job.log.index("{") :])
    assert (code, [Path(each["path"]).name for each in found["findings"]]) == (1, expected)


# ------------------------------------------------------------------------------------------------ hooks, image, compose


def test_every_hook_is_a_command_of_the_program():
    for hook in yaml.safe_load(HOOKS.read_text()):
        program, command, *options = hook["entry"].split()
        shown = subprocess.run(
            [sys.executable, "-m", program, command, "--help"], capture_output=True, text=True, cwd=ROOT
        )

        assert shown.returncode == 0, shown.stderr
        assert all(option in shown.stdout for option in options), shown.stdout


def test_the_image_is_built_from_files_that_are_there_and_holds_the_whole_program(tmp_path):
    """No Docker here: what the build stage copies is copied, and what it installs is built."""
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    for line in lines:
        words = line.split()
        if line.startswith("COPY") and "--from=build" not in line:
            *sources, target = words[1:]
            for source in sources:
                into = tmp_path / target
                if (ROOT / source).is_dir():
                    shutil.copytree(ROOT / source, into, ignore=shutil.ignore_patterns("__pycache__"))
                else:
                    shutil.copy(ROOT / source, into)
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert {path.name for path in tmp_path.iterdir()} <= allowed

    hatch = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "dist")]
    built = subprocess.run(hatch, cwd=tmp_path, capture_output=True, text=True)

    assert built.returncode == 0, built.stderr
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"dbmigrate/cli/main.py", "dbmigrate/example/migrations"} <= names | {
        name.rsplit("/", 1)[0] for name in names
    }


def test_the_image_runs_as_nobody_in_particular_and_hears_signals():
    text = (ROOT / "Dockerfile").read_text()

    assert re.search(r"^USER [1-9]\d*$", text, re.MULTILINE)
    assert json.loads(re.search(r"^ENTRYPOINT (.*)$", text, re.MULTILINE)[1]) == ["dbmigrate"]
