"""What is measured: the cases of the report."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.harness import Case, Databases, Program

PYTHON = sys.executable
OURS = str(Path(PYTHON).with_name("dbmigrate"))


@dataclass(frozen=True, slots=True)
class Setting:
    """What the cases are made of: where files go, the databases, the other program, and how many rounds."""

    folder: Path
    databases: Databases
    dbmate: str
    rounds: int

    def project(self, name: str, files: dict[str, str]) -> Path:
        """A folder with these migrations; generated once."""
        root = self.folder / name
        directory = root / "db" / "migrations"
        if not directory.exists():
            directory.mkdir(parents=True)
            for file, text in files.items():
                (directory / file).write_text(text)
        return root

    def fresh(self, program: Program) -> dict[str, str]:
        return {"DATABASE_URL": self.databases.fresh() + "?sslmode=disable"}


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
    floor = Program("python -c 'import typer'", (PYTHON, "-c", "import typer"))
    for argument in ("--version", "--help"):
        programs = (floor, Program("dbmigrate", (OURS, argument)), Program("dbmate", (setting.dbmate, argument)))
        yield Case(f"`{argument}`", programs, lambda program: {}, setting.rounds * 2, setting.folder)


def nothing_to_do(setting: Setting) -> Iterator[Case]:
    for count in (3, 1000):
        root = setting.project(f"noop{count}", small(count))
        url = setting.fresh(Program("", ()))
        import subprocess

        subprocess.run([OURS, "up", "-q"], cwd=root, env={**url, "PATH": "/usr/bin:/bin"}, check=True)
        for command in ("status", "up"):
            arguments = ("--no-dump-schema", command)
            programs = (
                Program("floor", (PYTHON, "-m", "bench.floor", "status", str(root / "db" / "migrations"))),
                Program("dbmigrate", (OURS, *arguments)),
                Program("dbmate", (setting.dbmate, *arguments)),
            )
            where = {**url, "PYTHONPATH": str(Path(__file__).parents[1])}
            yield Case(f"`{command}`, {count} applied, no dump", programs, lambda _, e=where: e, setting.rounds, root)
        programs = (Program("dbmate", (setting.dbmate, "up")), Program("dbmigrate", (OURS, "up")))
        path = {**url, "PATH": _pg_dump_path()}
        yield Case(f"`up`, {count} applied, dump on", programs, lambda _, e=path: e, setting.rounds, root)


def _pg_dump_path() -> str:
    """dbmate takes the first pg_dump of the PATH: the one that dbmigrate would choose, so that both run the same."""
    import os

    from dbmigrate.schema.pgdump import Search, candidates

    found = candidates(Search.from_environ(os.environ))
    return f"{Path(found[0].command[0]).parent}:{os.environ['PATH']}"


def many_files(setting: Setting) -> Iterator[Case]:
    root = setting.project("many1000", small(1000))
    programs = (
        Program("dbmate", (setting.dbmate, "--no-dump-schema", "up")),
        Program("dbmigrate", (OURS, "--no-dump-schema", "up")),
        Program("floor", (PYTHON, "-m", "bench.floor", "up", str(root / "db" / "migrations"))),
    )
    extra = {"PYTHONPATH": str(Path(__file__).parents[1])}
    yield Case("`up` of 1000 files, no dump", programs, lambda p: {**setting.fresh(p), **extra}, setting.rounds, root)


def big_file(setting: Setting) -> Iterator[Case]:
    for title, line, size in (
        ("1000 rows per INSERT", _many_rows, 10),
        ("one row per INSERT", _one_row, 10),
        ("1000 rows per INSERT", _many_rows, 100),
    ):
        root = setting.folder / f"big{size}{title[:3].strip()}"
        if not root.exists():
            (root / "db" / "migrations").mkdir(parents=True)
            with (root / "db" / "migrations" / "1_big.sql").open("w") as file:
                file.write("-- migrate:up\ncreate table item (id bigint, name text, price numeric);\n")
                written, number = 0, 0
                while written < size * 1_000_000:
                    written += file.write(line(number))
                    number += 1
                file.write("\n-- migrate:down\ndrop table item;\n")
        programs = (
            Program("dbmate", (setting.dbmate, "--no-dump-schema", "up")),
            Program("dbmigrate", (OURS, "--no-dump-schema", "up")),
        )
        rounds = max(setting.rounds // 2, 1) if size < 100 else 1
        yield Case(f"one file of {size} MB, {title}", programs, setting.fresh, rounds, root)


def _one_row(number: int) -> str:
    return f"insert into item (id, name, price) values ({number}, 'item no. {number}, it''s new', {number}.50);\n"


def _many_rows(number: int) -> str:
    rows = ",\n".join(f"({number}, 'item no. {number}-{row}, it''s new', {row}.50)" for row in range(1000))
    return f"insert into item (id, name, price) values\n{rows};\n"


CASES = {"startup": startup, "noop": nothing_to_do, "many": many_files, "big": big_file}
