"""Test sessions in processes of their own, which use the plugin as somebody's project does."""

from __future__ import annotations

import hashlib
import re
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.conftest import ENVIRON
from tests.support import environment
from tests.support.commands import Processes
from tests.support.projects import Project
from tests.support.servers import DatabaseServer

PEOPLE = {
    "20260101_people": (
        "create table people (id bigint primary key, name text not null unique, check (name <> ''));\n"
        "create index people_lower on people (lower(name)) where id > 10;",
        "drop table people;",
    ),
    "20260102_first_name": (
        "alter table people add first_name text;\nupdate people set first_name = split_part(name, ' ', 1);",
        "alter table people drop first_name;",
    ),
}


@dataclass(frozen=True)
class Outcome:
    """How a session ended: pytest's exit code, what it printed, and its counts (``{"passed": 3}``)."""

    code: int
    output: str

    @property
    def counts(self) -> dict[str, int]:
        last = self.output.strip().splitlines()[-1]
        return {word.rstrip("s"): int(number) for number, word in re.findall(r"(\d+) (passed|failed|errors?)", last)}


@dataclass
class Sessions:
    """A project with tests. `server` is where its databases are made; None: on a server of the plugin's own."""

    root: Path
    server: DatabaseServer | None
    started: Processes = field(default_factory=list)

    def tests(self, text: str) -> None:
        (self.root / "test_project.py").write_text(textwrap.dedent(text))

    def configure(self, **ini: str) -> None:
        lines = [f"{name} = {value}\n" for name, value in ini.items()]
        (self.root / "pytest.ini").write_text("".join(["[pytest]\naddopts = -p no:cacheprovider\n", *lines]))

    def run(self, *words: str) -> Outcome:
        process = self.start(*words)
        output, _ = process.communicate(timeout=300)
        return Outcome(process.returncode, output)

    def start(self, *words: str) -> subprocess.Popen[str]:
        environ = environment.clean(ENVIRON, home=self.root)
        if self.server is not None:
            environ["DBMIGRATE_SCRATCH_URL"] = self.server.url("postgres")
        process = subprocess.Popen(
            [sys.executable, "-m", "pytest", "-q", "--tb=short", *words],
            cwd=self.root,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.started.append(process)
        return process

    def kill(self, process: subprocess.Popen[str]) -> None:
        process.send_signal(signal.SIGKILL)
        process.communicate()

    def templates(self) -> list[tuple[str, int]]:
        """Name and oid of the project's templates that are complete or not, the newest last."""
        assert self.server is not None
        key = hashlib.sha256(str((self.root / "db" / "migrations").resolve()).encode()).hexdigest()[:8]
        rows = self.server.admin.execute(
            "select datname::text, oid::int8 from pg_database where datname like %s order by oid",
            [f"dbmigrate_template_{key}_%"],
        )
        return [(str(name), int(str(oid))) for name, oid in rows.fetchall()]


def wait_until(is_so: Callable[[], object], patience: float = 120.0) -> None:
    end = time.monotonic() + patience
    while not is_so():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.02)


@pytest.fixture
def people(project: Project) -> Project:
    """A project with two migrations."""
    for name, (up, down) in PEOPLE.items():
        project.migration(name, up=up, down=down)
    return project


@pytest.fixture
def sessions(people: Project, server: DatabaseServer, _processes: Processes) -> Iterator[Sessions]:
    """Sessions of that project on the server of this test."""
    made = Sessions(people.root, server, _processes)
    made.configure()
    yield made
    for name, _ in made.templates():
        server.admin.execute(f"alter database {name} with is_template false")
        server.drop(name)


@pytest.fixture
def open_sessions(open_tmp_path: Path, _processes: Processes) -> Sessions:
    """The same where the account that runs root's embedded server can pass."""
    (open_tmp_path / "db" / "migrations").mkdir(parents=True)
    Project(open_tmp_path).migration("20260101_people", up="create table people (id bigint, name text);")
    return Sessions(open_tmp_path, None, _processes)


@pytest.fixture
def sessions_without_server(people: Project, _processes: Processes) -> Sessions:
    """The same where no server is named."""
    made = Sessions(people.root, None, _processes)
    made.configure()
    return made
