"""`run -- CMD ...`: CMD is started after the migrations, in the process that ran them, or not at all."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import environment, faults
from tests.support.children import eventually

SHOW = [sys.executable, "-c"]
APPLIED = "select version from schema_migrations order by version"


@pytest.fixture
def dbmigrate(run, database_url, project):
    project.migration("1_a", up="create table a (id int);", down="drop table a;")

    def run_it(*words, **env):
        values = {"DATABASE_URL": database_url, "DBMIGRATE_NO_DUMP_SCHEMA": "true", **env}
        return run(*words, env=values)

    return run_it


@pytest.fixture
def started(start, database_url, project):
    """As `dbmigrate`, but it goes on."""

    def start_it(*words, **env):
        return start(*words, env={"DATABASE_URL": database_url, "DBMIGRATE_NO_DUMP_SCHEMA": "true", **env})

    return start_it


# ------------------------------------------------------------------------------------------------------- CMD is started


def test_the_command_runs_after_the_migrations_and_stdout_is_its_own(dbmigrate, query, database_url):
    done = dbmigrate("run", "--", "sh", "-c", "echo out; echo err >&2; exit 3")

    assert (done.exit_code, done.stdout) == (3, "out\n")
    assert "Applied: 1_a.sql" in done.stderr
    assert done.stderr.endswith("err\n")
    assert query(database_url, APPLIED) == [("1",)]


def test_the_command_gets_its_words_as_they_are(dbmigrate):
    words = ["-e", "production", "--json", "-url=x", "a b", "", "$HOME", "*", "--"]

    done = dbmigrate("run", "--", *SHOW, "import sys, json; print(json.dumps(sys.argv[1:]))", *words)

    assert json.loads(done.stdout) == words


def test_the_command_is_the_process_that_migrated(started, project):
    project.migration("1_a", up="create table a (id int);")
    process = started("run", "--", "sh", "-c", "echo $$; read -r line; echo $line")

    pid = int(process.stdout.readline())
    out, _ = process.communicate("and stdin is here\n", timeout=20)

    assert pid == process.pid
    assert (process.returncode, out) == (0, "and stdin is here\n")


def test_the_command_has_the_environment_as_it_was(dbmigrate, database_url, project):
    (project.root / ".env").write_text("DB_PASSWORD=from-the-file\nPGPASSWORD=from-the-file\n")
    (project.root / "dbmigrate.toml").write_text('password-command = "printf from-the-command"\n')
    show = "import os, json; print(json.dumps(dict(os.environ)))"

    plain = json.loads(dbmigrate("run", "--", *SHOW, show).stdout)

    added = set(plain) - {*environment.clean(os.environ, home=Path("/")), "DATABASE_URL", "DBMIGRATE_NO_DUMP_SCHEMA"}
    assert added - {"LC_CTYPE"} == set()  # Python sets it for itself
    assert plain["DATABASE_URL"] == database_url
    assert "from-the-" not in str(plain)


def test_nothing_of_dbmigrate_is_left_open_or_ignored_in_the_command(dbmigrate):
    show = (
        "import os, json\n"
        "links = [os.readlink(f'/proc/self/fd/{n}') for n in os.listdir('/proc/self/fd') if int(n) > 2 and "
        "os.path.exists(f'/proc/self/fd/{n}')]\n"
        "status = dict(line.split(':', 1) for line in open('/proc/self/status') if line[:3] == 'Sig')\n"
        "print(json.dumps([links, {name: int(value, 16) for name, value in status.items() if name != 'SigQ'}]))"
    )
    direct = subprocess.run([*SHOW, show], capture_output=True, text=True, check=True)

    done = dbmigrate("run", "--", *SHOW, show)

    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout) == json.loads(direct.stdout)


def test_the_command_ends_when_its_reader_goes_away(started, project):
    """Python ignores SIGPIPE, and what is ignored stays so over exec: `yes` would print an error for ever."""
    project.migration("1_a", up="select 1;")
    process = started("run", "--", "yes")
    process.stdout.readline()
    process.stdout.close()

    assert process.wait(timeout=20) == -signal.SIGPIPE


def test_a_signal_that_was_ignored_stays_ignored(database_url, project):
    project.migration("1_a", up="select 1;")
    show = "import signal; print(signal.getsignal(signal.SIGHUP) == signal.SIG_IGN)"
    environ = environment.clean(os.environ, home=project.root) | {
        "DATABASE_URL": database_url,
        "DBMIGRATE_NO_DUMP_SCHEMA": "true",
    }
    words = ["sh", "-c", 'trap "" HUP; exec "$@"', "sh", sys.executable, "-m", "dbmigrate", "run", "--", *SHOW, show]

    done = subprocess.run(words, env=environ, cwd=project.root, capture_output=True, text=True, timeout=60)

    assert done.stdout == "True\n", done.stderr


def test_a_signal_to_the_command_is_its_own(started, project):
    project.migration("1_a", up="select 1;")
    process = started(
        "run", "--", "sh", "-c", "trap 'echo stopping; exit 9' TERM; echo ready; while :; do sleep 0.1; done"
    )
    assert process.stdout.readline() == "ready\n"

    process.send_signal(signal.SIGTERM)

    assert process.stdout.read() == "stopping\n"
    assert process.wait(timeout=20) == 9


def allows(namespace):
    """Whether this machine lets us make such a namespace."""
    is_there = shutil.which(namespace[0]) is not None
    return is_there and subprocess.run([*namespace, "true"], capture_output=True).returncode == 0


def test_in_a_pid_namespace_the_command_is_process_one(database_url, project):
    """As in a container; where namespaces need root and this is not, the test above compares process ids."""
    namespace = ["unshare", "--pid", "--fork"]
    if not allows(namespace):
        namespace = ["unshare", "--user", "--map-root-user", "--pid", "--fork"]
    if not allows(namespace):
        pytest.skip("this machine allows no PID namespace")
    project.migration("1_a", up="create table a (id int);")
    environ = environment.clean(os.environ, home=project.root) | {"DATABASE_URL": database_url}
    words = [*namespace, sys.executable, "-m", "dbmigrate", "run", "--no-dump-schema", "--", "sh", "-c", "echo $$"]

    done = subprocess.run(words, env=environ, cwd=project.root, capture_output=True, text=True, timeout=60)

    assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr
    assert "Applied: 1_a.sql" in done.stderr
    assert faults.versions(database_url) == ["1"]


def test_process_one_hears_a_signal_during_its_migration(database_url, project):
    """The kernel drops signals to process 1 that it does not handle."""
    if os.geteuid() != 0 or not allows(["unshare", "--pid", "--fork"]):
        pytest.skip("needs root: a PID namespace whose process 1 can be signalled from outside")
    project.migration("1_a", up="create table a ();\nselect pg_sleep(60);")
    environ = environment.clean(os.environ, home=project.root) | {"DATABASE_URL": database_url}
    words = ["unshare", "--pid", "--fork", sys.executable, "-m", "dbmigrate", "run", "--", "sh", "-c", "echo started"]
    with subprocess.Popen(
        words, env=environ, cwd=project.root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        backend = faults.backend(database_url, doing="%pg_sleep%")
        (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(int(child), signal.SIGTERM)
        out, err = process.communicate(timeout=30)

    assert faults.is_gone(database_url, backend, seconds=10)
    assert process.returncode == 143, err
    assert out == ""
    assert "rolled back; nothing of 1_a.sql was applied" in err


def test_a_server_that_does_not_come_is_waited_for_and_nothing_is_started(dbmigrate, unused_port):
    nowhere = f"postgres://x@127.0.0.1:{unused_port}/x"

    done = dbmigrate("run", "--wait-timeout", "1s", "--", "echo", "started", DATABASE_URL=nowhere)

    assert (done.exit_code, done.stdout) == (3, "")
    assert f"Waiting for database x@127.0.0.1:{unused_port}/x" in done.stderr
    assert "error[E302]" in done.stderr


def test_many_replicas_at_once_migrate_once_and_all_start(started, project, database_url, query):
    project.migration("1_a", up="create table a (id int);")
    project.migration("2_b", up="insert into a select 1 from pg_sleep(0.5);")

    replicas = [started("run", "--", "echo", "started") for _ in range(4)]

    for process in replicas:
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out) == (0, "started\n"), err
    assert query(database_url, "select id from a") == [(1,)]


# ------------------------------------------------------------------------------------------------- nothing is started


def test_nothing_is_started_when_a_migration_failed(dbmigrate, project, query, database_url):
    project.migration("2_b", up="create table b (id nonsense);")

    done = dbmigrate("run", "--", "touch", str(project.root / "started"))

    assert done.exit_code == 4
    assert "error[E401]" in done.stderr
    assert not (project.root / "started").exists()
    assert query(database_url, APPLIED) == [("1",)]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 143)])
def test_a_signal_during_a_migration_ends_it_as_in_up(started, project, database_url, query, number, code):
    project.migration("1_a", up="create table a (id int);")
    project.migration("2_b", up="create table b ();\nselect pg_sleep(60);")
    process = started("run", "--", "touch", str(project.root / "started"))
    backend = faults.backend(database_url, doing="%pg_sleep%")

    process.send_signal(number)
    _, err = process.communicate(timeout=30)

    assert faults.is_gone(database_url, backend, seconds=10)
    assert process.returncode == code, err
    assert "rolled back; nothing of 2_b.sql was applied" in err
    assert not (project.root / "started").exists()
    assert query(database_url, APPLIED) == [("1",)]


def test_kill_minus_nine_during_a_migration_starts_nothing(started, project, database_url):
    project.migration("1_a", up="create table a ();\nselect pg_sleep(60);")
    process = started("run", "--", "touch", str(project.root / "started"))
    backend = faults.backend(database_url, doing="%pg_sleep%")

    process.kill()

    assert process.wait(timeout=10) == -signal.SIGKILL
    assert faults.is_gone(database_url, backend, seconds=20)
    assert not (project.root / "started").exists()


def test_nothing_is_started_on_a_protected_environment_that_nobody_approved(dbmigrate, database_url, project):
    words = ("-e", "production", "run")
    env = {"PRODUCTION_DATABASE_URL": database_url}

    refused = dbmigrate(*words, "--", "echo", "started", **env)
    approved = dbmigrate(*words, "--yes", "--", "echo", "started", **env)

    assert (refused.exit_code, refused.stdout) == (7, ""), refused.stderr
    assert (approved.exit_code, approved.stdout) == (0, "started\n"), approved.stderr


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ((), "E200", "run needs a command"),
        (("--",), "E200", "run needs a command"),
        (("echo", "started"), "E200", "run needs -- before the command"),
        (("ls", "-l"), "E200", "options of the program stand behind --"),
        (("--", "no-such-program"), "E229", "cannot start no-such-program: it is not in the PATH"),
        (("--", "./db"), "E229", "cannot start ./db: it is not a program that can be run"),
        (("--", "npm start"), "E229", "write the words apart"),
    ],
)
def test_a_command_that_cannot_be_started_is_an_error_before_anything_runs(
    dbmigrate, query, database_url, words, code, message
):
    done = dbmigrate("run", *words)

    assert (done.exit_code, done.stdout) == (2, "")
    assert f"error[{code}]" in done.stderr
    assert message in done.stderr
    assert query(database_url, "select to_regclass('schema_migrations')") == [(None,)]


def test_a_file_that_the_kernel_cannot_start_is_named_after_the_migrations(dbmigrate, project):
    program = project.root / "app"
    program.write_bytes(b"\x7fNOT a program")
    program.chmod(0o755)

    done = dbmigrate("run", "--", "./app")

    assert done.exit_code == 2
    assert "error[E229]: cannot start ./app: Exec format error" in done.stderr
    assert "state: the migrations are done, and ./app was not started" in done.stderr


def test_an_embedded_server_is_no_use_to_the_command(dbmigrate):
    done = dbmigrate("run", "--", "echo", "started", DATABASE_URL="embedded:.dbmigrate/postgres")

    assert (done.exit_code, done.stdout) == (2, "")
    assert "error[E236]" in done.stderr


# ----------------------------------------------------------------------------------------------- `up` is left out


@pytest.mark.parametrize("value", ["0", "false"])
def test_the_migrations_can_be_left_out(dbmigrate, query, database_url, value):
    done = dbmigrate("run", "--", "echo", "started", DBMIGRATE_AUTO=value)

    assert (done.exit_code, done.stdout) == (0, "started\n")
    assert "note[W720]: nothing is migrated: DBMIGRATE_AUTO is off (DBMIGRATE_AUTO (environment))" in done.stderr
    assert query(database_url, "select to_regclass('schema_migrations')") == [(None,)]


def test_a_switch_that_is_neither_on_nor_off_starts_nothing(dbmigrate):
    done = dbmigrate("run", "--", "echo", "started", DBMIGRATE_AUTO="maybe")

    assert (done.exit_code, done.stdout) == (2, "")
    assert "error[E205]" in done.stderr


def test_a_deferred_backfill_does_not_hold_the_command_back(dbmigrate, project, query, database_url):
    project.migration("1_a", up="create table a (id int primary key, n int);\ninsert into a values (1);")
    project.migration("2_b", up="update a set n = 1 where :batch;", up_options="backfill:a")

    first = dbmigrate("run", "--defer-backfills", "--", "echo", "started")
    second = dbmigrate("run", "--", "echo", "started")

    assert (first.exit_code, first.stdout) == (0, "started\n"), first.stderr
    assert (second.exit_code, second.stdout) == (0, "started\n"), second.stderr
    assert query(database_url, "select n from a") == [(None,)]


def test_json_is_on_stderr(dbmigrate):
    done = dbmigrate("run", "--json", "--", "echo", "started")

    assert done.stdout == "started\n"
    value = json.loads(done.stderr[done.stderr.index("{") :])
    assert (value["command"], value["ok"]) == ("run", True)


def test_a_signal_between_the_migrations_and_the_command_is_not_lost(database_url, project):
    """It is sent to itself in the last moment before the command would start."""
    project.migration("1_a", up="select 1;")
    script = (
        "import os, signal, sys\n"
        "from dbmigrate.cli import replacing\n"
        "from dbmigrate.__main__ import main\n"
        "real = signal.pthread_sigmask\n"
        "def pthread_sigmask(how, numbers):\n"
        "    before = real(how, numbers)\n"
        "    if how == signal.SIG_BLOCK: os.kill(os.getpid(), signal.SIGTERM)\n"
        "    return before\n"
        "signal.pthread_sigmask = pthread_sigmask\n"
        "sys.argv = ['dbmigrate', 'run', '--no-dump-schema', '--', 'echo', 'started']\n"
        "main()\n"
    )
    environ = environment.clean(os.environ, home=project.root) | {"DATABASE_URL": database_url}

    done = subprocess.run([*SHOW, script], env=environ, cwd=project.root, capture_output=True, text=True, timeout=60)

    assert (done.returncode, done.stdout) == (143, "")
    assert "interrupted before echo was started" in done.stderr
    assert eventually(lambda: faults.versions(database_url) == ["1"])
