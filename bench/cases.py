"""What is measured of many small migrations: the cases of the report, with their targets. `bulk` has the large ones."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from bench.delay import Delay
from bench.harness import Case, Program, Target
from bench.setting import NO_DUMP, OURS, PYTHON, Databases, Setting
from dbmigrate.connection.programs import ClientProgram, Search, pg_dumps
from tests.support.downloads import pg_dumps_here
from tests.support.servers import UnavailableError

ROUND_TRIP_SECONDS = 0.020
FAR_MAJOR = 15  # a server that has a newer pg_dump than its own
_ARE_THERE = "select count(*) = {} from pg_class where relkind = 'r' and relname ~ '^t[0-9]+$'"


def small(count: int) -> dict[str, str]:
    """`count` migrations of a table and an index each."""
    return {
        f"{20260101000000 + number}_t{number}.sql": (
            f"-- migrate:up\ncreate table t{number} (id bigint primary key, name text not null);\n"
            f"create index on t{number} (name);\n\n-- migrate:down\ndrop table t{number};\n"
        )
        for number in range(count)
    }


def startup(setting: Setting) -> Iterator[Case]:
    typer = Program("python -c 'import typer'", (PYTHON, "-c", "import typer"))
    root = setting.project("startup", small(3))
    for argument in ("--version", "--help"):
        yield Case(
            f"`{argument}`",
            (typer, setting.ours(argument), *setting.dbmate(argument), *setting.alembic(root, argument)),
            lambda _: {},
            setting.size.short,
            cwd=root,
            targets=(Target(1.25, typer.name),),
        )


def nothing_to_do(setting: Setting) -> Iterator[Case]:
    for count, limit in ((3, 2.0), (1000, 0.6)):
        root = setting.project(f"noop{count}", small(count))
        env, revisions = setting.applied(root), {}
        if setting.others.alembic:
            revisions = setting.applied(root, name="Alembic")
        for command, theirs in (("status", ("current",)), ("up", ("upgrade", "head"))):
            yield Case(
                f"`{command}`, {count} applied, no dump",
                (
                    setting.floor("status", root),
                    setting.ours(NO_DUMP, command),
                    *setting.dbmate(NO_DUMP, command),
                    *setting.alembic(root, *theirs),
                ),
                lambda program, ours=env, revisions=revisions: revisions if program.name == "Alembic" else ours,
                setting.size.short,
                cwd=root,
                targets=(Target(1.2, "floor"),),
            )
        yield Case(
            f"`up`, {count} applied, dump on",
            (*setting.dbmate("up"), setting.ours("up")),
            lambda _, env=env: {**env, "PATH": _path(_best())},
            setting.size.short,
            cwd=root,
            targets=(Target(limit, "dbmate"),),
        )


@cache
def _best() -> ClientProgram:
    """dbmate takes the first pg_dump of the PATH: the one that dbmigrate would choose, so that both run the same."""
    return pg_dumps(Search.from_environ(os.environ))[0]


def _path(program: ClientProgram) -> str:
    return f"{Path(program.command[0]).parent}:{os.environ['PATH']}"


def many_files(setting: Setting) -> Iterator[Case]:
    root = setting.project("many1000", small(1000))
    yield Case(
        "`up` of 1000 files, no dump",
        (
            *setting.dbmate(NO_DUMP, "up"),
            setting.ours(NO_DUMP, "up"),
            *setting.alembic(root, "upgrade", "head"),
            setting.floor("up", root),
        ),
        setting.fresh,
        setting.size.long,
        cwd=root,
        targets=(Target(1.0, "dbmate"),),
        proof=_ARE_THERE.format(1000),
    )
    yield Case(
        "`up` of 1000 files, with dump",
        (*setting.dbmate("up"), setting.ours("up")),
        lambda program: {**setting.fresh(program), "PATH": _path(_best())},
        setting.size.long,
        cwd=root,
        targets=(Target(1.0, "dbmate"),),
        proof=_ARE_THERE.format(1000),
    )


def growth(setting: Setting) -> Iterator[Case]:
    """The files must not get dearer with their number, nor memory grow with it: a quarter more, whatever the number."""
    many = setting.size.many
    few, root = setting.project("many1000", small(1000)), setting.project(f"many{many}", small(many))
    at_1000 = Program("dbmigrate, 1000", (OURS, NO_DUMP, "-d", str(few / "db" / "migrations"), "up"))
    yield Case(
        f"`up` of {many} files",
        (
            at_1000,
            setting.ours(NO_DUMP, "up"),
            *setting.dbmate(NO_DUMP, "up"),
            *setting.alembic(root, "upgrade", "head"),
            setting.floor("up", root),
        ),
        setting.fresh,
        setting.size.long,
        90.0,
        root,
        (Target(many / 1000, at_1000.name), Target(1.25, at_1000.name, "client")),
        warm_up=False,
    )


def rollback(setting: Setting) -> Iterator[Case]:
    root = setting.project("rollback", small(200))
    names = ("floor", "dbmigrate", "dbmate", *(["Alembic"] if setting.others.alembic else []))
    one = {name: setting.applied(root, name=name) for name in (*names, "floor, rollback")}
    yield Case(
        "rollback of 1",
        (
            setting.floor("status", root),
            setting.floor("rollback", root, "1", name="floor, rollback"),
            setting.ours(NO_DUMP, "rollback"),
            *setting.dbmate(NO_DUMP, "rollback"),
            *setting.alembic(root, "downgrade", "-1"),
        ),
        lambda program: one[program.name],
        setting.size.short,
        cwd=root,
        targets=(Target(1.2, "floor"),),
    )
    loops = [
        Program("dbmate", ("sh", "-c", f"for i in $(seq 100); do {' '.join(one.command)} || exit 1; done"))
        for one in setting.dbmate(NO_DUMP, "rollback")
    ]
    full = {name: setting.applied(root, name=name)["DATABASE_URL"] for name in names}
    yield Case(
        "rollback of 100 (dbmate: a loop)",
        (
            *loops,
            setting.ours(NO_DUMP, "rollback", "--steps", "100"),
            *setting.alembic(root, "downgrade", "-100"),
            setting.floor("rollback", root, "100"),
        ),
        lambda program: setting.env(setting.databases.copy(full[program.name])),
        setting.size.long,
        cwd=root,
        targets=(Target(0.1, "dbmate"),),
        proof=_ARE_THERE.format(100),
    )


def dumping(setting: Setting) -> Iterator[Case]:
    root = setting.project("noop1000", small(1000))
    env = setting.applied(root)
    yield Case(
        "dump of 1000 tables",
        (*setting.dbmate("dump"), setting.ours("dump")),
        lambda _: {**env, "PATH": _path(_best())},
        setting.size.short,
        cwd=root,
        targets=(Target(1.1, "dbmate"),),
    )


def dumping_far_away(setting: Setting) -> Iterator[Case]:
    """Each program looks for a pg_dump by itself: dbmate takes the server's in the PATH, dbmigrate finds the newest."""
    fitting = next((found for found in pg_dumps_here() if found.version[0] == FAR_MAJOR), None)
    if fitting is None or _best().version[0] <= FAR_MAJOR:
        raise UnavailableError(f"there is no pg_dump {FAR_MAJOR} here, or none that is newer")
    root = setting.project("noop1000", small(1000))
    server = setting.server(FAR_MAJOR)
    env = setting.applied(root, databases=Databases(server))
    with Delay(server.tcp_url("postgres"), ROUND_TRIP_SECONDS) as delay:
        far = {**env, "DATABASE_URL": delay.url(env["DATABASE_URL"]), "PATH": _path(fitting)}
        yield Case(
            f"dump of 1000 tables, PostgreSQL {FAR_MAJOR}, {ROUND_TRIP_SECONDS * 1000:.0f} ms away",
            (*setting.dbmate("dump"), setting.ours("dump")),
            lambda _: far,
            1,
            cwd=root,
            targets=(Target(0.3, "dbmate"),),
            warm_up=False,
            server=server,
        )


def checking(setting: Setting) -> Iterator[Case]:
    """What `check` does beside the server's own time, on a server that is there."""
    root = setting.project("check100", small(100))

    def prepared(program: Program) -> dict[str, str]:
        env = setting.fresh(program)
        return {**env, "DBMIGRATE_SCRATCH_URL": env["DATABASE_URL"]}

    yield Case(
        "`check` of 100 migrations",
        (setting.floor("check", root), setting.ours("check", "--no-lint")),
        prepared,
        setting.size.long,
        cwd=root,
        targets=(Target(1.6, "floor"),),
    )
