"""What is measured of many small migrations: the cases of the report, with their targets. `bulk` has the large ones."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bench.delay import Delay
from bench.harness import Case, Databases, Program, Target
from dbmigrate.schema.pgdump import Search, candidates

PYTHON = sys.executable
OURS = str(Path(PYTHON).with_name("dbmigrate"))
ROOT = str(Path(__file__).parents[1])
NO_DUMP = "--no-dump-schema"
ROUND_TRIP_SECONDS = 0.020


@dataclass(frozen=True, slots=True)
class Setting:
    """What the cases are made of: where files go, the databases, the other program, how many rounds, how large."""

    folder: Path
    databases: Databases
    dbmate: str
    rounds: int
    megabytes: int = 100
    many: int = 5000

    def project(self, name: str, files: Mapping[str, str]) -> Path:
        """A folder with these migrations; generated once."""
        root = self.folder / name
        directory = root / "db" / "migrations"
        if not directory.exists():
            directory.mkdir(parents=True)
            for file, text in files.items():
                (directory / file).write_text(text)
        return root

    def fresh(self, program: Program) -> dict[str, str]:
        return {"DATABASE_URL": self.databases.fresh(), "PYTHONPATH": ROOT}

    def applied(self, root: Path) -> dict[str, str]:
        """A database in which all migrations of `root` are applied."""
        env = {"DATABASE_URL": self.databases.fresh(), "PYTHONPATH": ROOT}
        subprocess.run([OURS, NO_DUMP, "-q", "up"], cwd=root, env={**env, "PATH": "/usr/bin:/bin"}, check=True)
        return env

    def ours(self, *arguments: str) -> Program:
        return Program("dbmigrate", (OURS, *arguments))

    def theirs(self, *arguments: str) -> Program:
        return Program("dbmate", (self.dbmate, *arguments))


def small(count: int) -> dict[str, str]:
    """`count` migrations of a table and an index each."""
    return {
        f"{20260101000000 + number}_t{number}.sql": (
            f"-- migrate:up\ncreate table t{number} (id bigint primary key, name text not null);\n"
            f"create index on t{number} (name);\n\n-- migrate:down\ndrop table t{number};\n"
        )
        for number in range(count)
    }


def floor(command: str, root: Path) -> Program:
    return Program("floor", (PYTHON, "-m", "bench.floor", command, str(root / "db" / "migrations")))


def startup(setting: Setting) -> Iterator[Case]:
    typer = Program("python -c 'import typer'", (PYTHON, "-c", "import typer"))
    for argument in ("--version", "--help"):
        yield Case(
            f"`{argument}`",
            (typer, setting.ours(argument), setting.theirs(argument)),
            lambda program: {},
            setting.rounds * 2,
            setting.folder,
            (Target(1.25, typer.name),),
        )


def nothing_to_do(setting: Setting) -> Iterator[Case]:
    for count, limit in ((3, 2.0), (1000, 0.6)):
        root = setting.project(f"noop{count}", small(count))
        env = setting.applied(root)
        for command in ("status", "up"):
            yield Case(
                f"`{command}`, {count} applied, no dump",
                (floor("status", root), setting.ours(NO_DUMP, command), setting.theirs(NO_DUMP, command)),
                lambda _, env=env: env,
                setting.rounds,
                root,
                (Target(1.2, "floor"),),
            )
        yield Case(
            f"`up`, {count} applied, dump on",
            (setting.theirs("up"), setting.ours("up")),
            lambda _, env=env: {**env, "PATH": _pg_dump_path()},
            setting.rounds,
            root,
            (Target(limit, "dbmate"),),
        )


@cache
def _pg_dump_path() -> str:
    """dbmate takes the first pg_dump of the PATH: the one that dbmigrate would choose, so that both run the same."""
    found = candidates(Search.from_environ(os.environ))
    return f"{Path(found[0].command[0]).parent}:{os.environ['PATH']}"


def many_files(setting: Setting) -> Iterator[Case]:
    root = setting.project("many1000", small(1000))
    rounds = max(setting.rounds // 2, 2)
    yield Case(
        "`up` of 1000 files, no dump",
        (setting.theirs(NO_DUMP, "up"), setting.ours(NO_DUMP, "up"), floor("up", root)),
        setting.fresh,
        rounds,
        root,
        (Target(0.85, "dbmate"),),
    )
    yield Case(
        "`up` of 1000 files, with dump",
        (setting.theirs("up"), setting.ours("up")),
        lambda program: {**setting.fresh(program), "PATH": _pg_dump_path()},
        rounds,
        root,
        (Target(0.9, "dbmate"),),
    )


def growth(setting: Setting) -> Iterator[Case]:
    few, many = setting.project("many1000", small(1000)), setting.project("grown", small(setting.many))
    at_1000 = Program("dbmigrate, 1000", (OURS, NO_DUMP, "-d", str(few / "db" / "migrations"), "up"))
    at_many = Program("dbmigrate", (OURS, NO_DUMP, "-d", str(many / "db" / "migrations"), "up"))
    yield Case(
        f"`up` of {setting.many} files",
        (at_1000, at_many, setting.theirs(NO_DUMP, "-d", str(many / "db" / "migrations"), "up")),
        setting.fresh,
        1,
        setting.folder,
        (Target(setting.many / 1000, at_1000.name), Target(100, what="client")),
        warm_up=False,
    )


def rollback(setting: Setting) -> Iterator[Case]:
    root = setting.project("rollback", small(200))
    one = {name: setting.applied(root) for name in ("dbmigrate", "dbmate", "floor")}
    yield Case(
        "rollback of 1",
        (floor("status", root), setting.ours(NO_DUMP, "rollback"), setting.theirs(NO_DUMP, "rollback")),
        lambda program: one[program.name],
        setting.rounds,
        root,
        (Target(1.2, "floor"),),
    )
    template = setting.applied(root)["DATABASE_URL"]
    loop = f"for i in $(seq 100); do {setting.dbmate} {NO_DUMP} rollback || exit 1; done"
    yield Case(
        "rollback of 100 (dbmate: a loop)",
        (Program("dbmate", ("sh", "-c", loop)), setting.ours(NO_DUMP, "rollback", "--steps", "100")),
        lambda program: {"DATABASE_URL": setting.databases.copy(template)},
        max(setting.rounds // 2, 2),
        root,
        (Target(0.1, "dbmate"),),
    )


def dumping(setting: Setting) -> Iterator[Case]:
    """At a distance each program looks for a pg_dump by itself: dbmate in the PATH, dbmigrate for the newest."""
    root = setting.project("noop1000", small(1000))
    env = setting.applied(root)
    programs = (setting.theirs("dump"), setting.ours("dump"))
    yield Case(
        "dump of 1000 tables",
        programs,
        lambda _: {**env, "PATH": _pg_dump_path()},
        setting.rounds,
        root,
        (Target(1.1, "dbmate"),),
    )
    if not _can_dump(shutil.which("pg_dump"), setting.databases.server.major):
        return
    with Delay(setting.databases.server.tcp_url("postgres"), ROUND_TRIP_SECONDS) as delay:
        far = {"DATABASE_URL": delay.url(env["DATABASE_URL"])}
        yield Case(
            f"dump of 1000 tables, {ROUND_TRIP_SECONDS * 1000:.0f} ms away",
            programs,
            lambda _: far,
            1,
            root,
            (Target(0.3, "dbmate"),),
            warm_up=False,
        )


def _can_dump(program: str | None, major: int) -> bool:
    if program is None:
        return False
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    words = done.stdout.split()
    return len(words) > 2 and int(words[2].split(".")[0]) >= major


def checking(setting: Setting) -> Iterator[Case]:
    """What `check` does beside the server's own time, on a server that is there."""
    root = setting.project("check100", small(100))

    def prepared(_: Program) -> dict[str, str]:
        url = setting.databases.fresh()
        return {"DATABASE_URL": url, "DBMIGRATE_SCRATCH_URL": url, "PYTHONPATH": ROOT}

    yield Case(
        "`check` of 100 migrations",
        (floor("check", root), setting.ours("check", "--no-lint")),
        prepared,
        setting.rounds,
        root,
        (Target(1.5, "floor"),),
    )
