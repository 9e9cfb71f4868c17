"""What runs in containers, run without them: the image's commands, the services of compose, the Job, the matrix.

No container engine is needed or asked for. The documentation says what that leaves untried.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

import dbmigrate
from tests.support.linters import UnavailableError, linter
from tests.support.workflows import load

ROOT = Path(dbmigrate.__file__).parent.parent
DOCKERFILE = ROOT / "Dockerfile"
COMPOSE = ROOT / "examples/docker/compose.yaml"
KUBERNETES = ROOT / "examples/kubernetes/migrate.yaml"
DEVCONTAINER = ROOT / "examples/devcontainer"
SCHEMA = Path(__file__).parent / "schemas" / "kubernetes.json"


def check_jsonschema(*words):
    try:
        program = linter("check-jsonschema")
    except UnavailableError as exc:
        pytest.skip(str(exc))
    return subprocess.run([program, *words], capture_output=True, text=True, cwd=ROOT)


# ----------------------------------------------------------------------------------------------------------- the image


def instructions():
    """The lines of the Dockerfile as (instruction, rest), continued lines joined."""
    text = re.sub(r"\\\n", " ", DOCKERFILE.read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [tuple(line.split(maxsplit=1)) for line in lines]


class Build:
    """The instructions of the Dockerfile, carried out in a copy of this machine's file system that is gone afterwards.

    The base image is replaced by this machine: `python` is the one that runs the tests.
    """

    def __init__(self, root: Path):
        self.root, self.user, self.directory = root, 0, "/"
        self.environ = {"PATH": "/image-python:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
        self.ran: list[str] = []

    def call(self, words, **variables):
        """In the root of the image, as the user of the image, with its environment and nothing else."""

        def enter():
            os.chroot(self.root)
            os.chdir(self.directory)
            if self.user:
                os.setgroups([])
                os.setgid(self.user)
                os.setuid(self.user)

        # pip has to find its index
        kept = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
        environ = {"HOME": "/root" if not self.user else "/tmp", **kept, **self.environ, **variables}
        return subprocess.run(words, env=environ, preexec_fn=enter, capture_output=True, text=True, timeout=600)

    def follow(self, instruction, rest):
        if instruction == "FROM":
            self.user, self.directory = 0, "/"
        elif instruction == "WORKDIR":
            self.directory = rest
            (self.root / rest.lstrip("/")).mkdir(parents=True, exist_ok=True)
        elif instruction == "ENV":
            for name, value in (word.split("=", 1) for word in rest.split()):
                self.environ[name] = value.replace("$PATH", self.environ["PATH"])
        elif instruction == "USER":
            self.user = int(rest)
        elif instruction == "COPY":
            self._copy(shlex.split(rest))
        elif instruction == "RUN":
            self.ran.append(rest)
            done = self.call(["/bin/sh", "-c", rest])
            assert done.returncode == 0, f"RUN {rest}\n{done.stdout}{done.stderr}"

    def _copy(self, words):
        *sources, target = [word for word in words if not word.startswith("--from=")]
        if any(word.startswith("--from=") for word in words):
            assert (self.root / sources[0].lstrip("/")).exists()  # both stages are one file system here
            return
        into = self.root / self.directory.lstrip("/") / target
        for source in sources:
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, into, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(ROOT / source, into)


@contextmanager
def file_system():
    """A writable copy of this machine's file system, by an overlay; skips where that is not allowed."""
    if os.geteuid() != 0:
        pytest.skip("needs root: a file system of its own")
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="dbmigrate-image-") as name:
        top = Path(name)
        for part in ("upper", "work", "root"):
            (top / part).mkdir()
        layers = f"lowerdir=/,upperdir={top}/upper,workdir={top}/work"
        mounted = subprocess.run(["mount", "-t", "overlay", "overlay", "-o", layers, top / "root"], capture_output=True)
        if mounted.returncode:
            pytest.skip("this machine mounts no overlay: a file system of its own")
        try:
            for special in ("proc", "dev"):
                subprocess.run(["mount", "--rbind", f"/{special}", top / "root" / special], check=True)
                # or else what is unmounted there would be unmounted here, too
                subprocess.run(["mount", "--make-rslave", top / "root" / special], check=True)
            yield top / "root"
        finally:
            for special in ("proc", "dev", ""):
                subprocess.run(["umount", "-l", top / "root" / special], check=True)


@pytest.mark.matrix
@pytest.mark.slow
def test_the_commands_of_the_image_work_in_a_clean_environment(server, make_database, query):
    """Every RUN, then ENTRYPOINT with CMD and with the commands of the services, as the user of the image."""
    url = make_database()
    name = url.partition("?")[0].rpartition("/")[2]
    with file_system() as root:
        build = Build(root)
        python = root / "image-python" / "python"
        python.parent.mkdir()
        python.symlink_to(sys._base_executable)
        for above in Path(sys._base_executable).parents:  # an interpreter in somebody's home
            (root / above.relative_to("/")).chmod(0o755)
        seen = instructions()
        for instruction, rest in seen:
            build.follow(instruction, rest)
        entrypoint, default = (json.loads(rest) for kind, rest in seen if kind in ("ENTRYPOINT", "CMD"))

        shown = build.call([*entrypoint, *default])
        assert shown.returncode == 0, shown.stderr
        assert "Usage: dbmigrate" in shown.stdout

        migrations = root / "app" / "db" / "migrations"
        migrations.mkdir(parents=True)
        (migrations / "1_a.sql").write_text("-- migrate:up\ncreate table a ();\n-- migrate:down\ndrop table a;\n")
        command = load(COMPOSE)["services"]["migrate"]["command"]
        for words in (command, ["migrate"], ["info"], ["validate"], ["repair"], ["wait", "--for", "current"]):
            done = build.call([*entrypoint, *words], DATABASE_URL=server.tcp_url(name))
            assert done.returncode == 0, done.stderr
        dumped = build.call([*entrypoint, "dump", "-s", "/tmp/image-schema.sql"], DATABASE_URL=server.tcp_url(name))
        line = "mkdir /tmp/image-project && cd /tmp/image-project && dbmigrate init --workflow --json"
        made = build.call(["sh", "-c", line])
        started = build.call([*entrypoint, "run", "--", "id", "-u"], DATABASE_URL=server.tcp_url(name))

    assert len(build.ran) == sum(kind == "RUN" for kind, _ in seen) >= 2
    assert query(url, "select to_regclass('a') is not null") == [(True,)]
    assert dumped.returncode == 0, dumped.stderr  # the image has a pg_dump
    assert (started.returncode, started.stdout) == (0, f"{build.user}\n"), started.stderr
    assert build.user > 0
    # an installed program has the files with it
    assert ".github/workflows/db-migrate.yml" in json.loads(made.stdout)["created"], made.stderr


# ------------------------------------------------------------------------------------------------------------ services


def test_the_database_is_healthy_before_the_migrations_and_the_application_comes_last():
    services = load(COMPOSE)["services"]
    order = {name: service.get("depends_on", {}) for name, service in services.items()}

    assert order == {
        "db": {},
        "migrate": {"db": {"condition": "service_healthy"}},
        "app": {"migrate": {"condition": "service_completed_successfully"}},
    }
    health = services["db"]["healthcheck"]
    assert health["test"] == ["CMD-SHELL", "pg_isready -U app -d app"]
    assert {name: services["db"]["environment"][name] for name in ("POSTGRES_USER", "POSTGRES_DB")} == {
        "POSTGRES_USER": "app",
        "POSTGRES_DB": "app",
    }
    assert services["migrate"]["restart"] == "no"


def test_a_restart_of_the_services_migrates_what_is_new(run, project, database_url):
    """`docker compose up` runs the service `migrate` again."""
    command = load(COMPOSE)["services"]["migrate"]["command"]
    env = {"DATABASE_URL": database_url}
    project.migration("1_a", up="create table a ();")
    first = run(*command, env=env)
    again = run(*command, env=env)
    project.migration("2_b", up="create table b (id nonsense);")
    failing = run(*command, env=env)

    assert (first.exit_code, again.exit_code, failing.exit_code) == (0, 0, 4)
    assert "1 applied" in first.stderr
    assert "Nothing to do" in again.stderr
    assert not project.schema_file.exists()


def test_the_container_that_people_work_in_migrates_when_it_starts(run, project, database_url):
    described = json.loads((DEVCONTAINER / "devcontainer.json").read_text())
    project.migration("1_a", up="create table a ();")
    program, *words = shlex.split(described["postStartCommand"])

    done = run(*words, env={"DATABASE_URL": database_url, "DBMIGRATE_NO_DUMP_SCHEMA": "true"})

    assert (program, done.exit_code) == ("dbmigrate", 0), done.stderr
    services = load(DEVCONTAINER / "compose.yaml")["services"]
    assert services[described["service"]]["depends_on"] == {"db": {"condition": "service_healthy"}}
    checked = check_jsonschema("--builtin-schema", "vendor.compose-spec", DEVCONTAINER / "compose.yaml")
    assert checked.returncode == 0, checked.stdout


# ---------------------------------------------------------------------------------------------------------- Kubernetes


@pytest.fixture
def objects():
    return list(yaml.safe_load_all(KUBERNETES.read_text()))


def test_the_objects_of_kubernetes_have_the_form_of_its_api(objects, tmp_path):
    paths = []
    for number, value in enumerate(objects):
        paths.append(tmp_path / f"{number}.json")
        paths[-1].write_text(json.dumps(value))

    done = check_jsonschema("--schemafile", SCHEMA, *paths)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "spoil",
    [
        lambda job: job["spec"].update(backofLimit=0),
        lambda job: job["spec"]["template"]["spec"].update(restartPolicy="no"),
        lambda job: job["spec"]["template"]["spec"]["containers"][0].pop("name"),
        lambda job: job["spec"]["template"]["spec"]["containers"][0].update(args="up"),
        lambda job: job.update(apiVersion="batch/v2"),
    ],
)
def test_the_form_is_strict(objects, tmp_path, spoil):
    spoil(objects[0])
    (tmp_path / "job.json").write_text(json.dumps(objects[0]))

    assert check_jsonschema("--schemafile", SCHEMA, tmp_path / "job.json").returncode == 1


def test_the_commands_of_kubernetes_migrate_and_wait(objects, run, start, project, database_url):
    """The Job and the init container of the application, started at the same time."""
    project.migration("1_a", up="create table a ();")
    env = {"DATABASE_URL": database_url}
    job, deployment = (value["spec"]["template"]["spec"] for value in objects)
    (waiting,), (migrating,) = deployment["initContainers"], job["containers"]

    first = start(*waiting["args"], "--wait-interval", "50ms", env=env)
    first.stderr.readline()
    done = run(*migrating["args"], env=env)

    assert done.exit_code == 0, done.stderr
    assert first.wait(timeout=30) == 0
    first.communicate()
    assert "Not run by this project" in KUBERNETES.read_text()
