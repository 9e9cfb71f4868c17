"""What is measured of large files: INSERTs of many rows and of one, and COPY."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.cases import NO_DUMP, Setting
from bench.harness import Case, Program, Target

MB = 1_000_000
_TABLE = "create table item (id bigint, name text, price numeric);\n"


def many_rows(number: int) -> str:
    rows = ",\n".join(f"({number}, 'item no. {number}-{row}, it''s new', {row}.50)" for row in range(1000))
    return f"insert into item (id, name, price) values\n{rows};\n"


def one_row(number: int) -> str:
    return f"insert into item (id, name, price) values ({number}, 'item no. {number}, it''s new', {number}.50);\n"


def copy_row(number: int) -> str:
    return f"{number}\titem no. {number}, it's new\t{number}.50\n"


def inserts(setting: Setting) -> Iterator[Case]:
    for title, line, size, limit in (
        ("1000 rows per INSERT", many_rows, 10, 0.7),
        ("one row per INSERT", one_row, 10, 0.7),
        ("1000 rows per INSERT", many_rows, setting.megabytes, 0.6),
        ("one row per INSERT", one_row, setting.megabytes, 0.7),
    ):
        root = setting.folder / f"{line.__name__}{size}"
        _write(root, itertools.chain([_TABLE], _lines(line, size * MB)))
        yield Case(
            f"a file of {size} MB, {title}",
            (setting.theirs(NO_DUMP, "up"), setting.ours(NO_DUMP, "up")),
            setting.fresh,
            max(setting.rounds // 2, 1) if size <= 10 else 1,
            root,
            (Target(limit, "dbmate"), Target(size + 60, what="client"), Target(30, what="backend")),
            warm_up=size <= 10,
        )


def copies(setting: Setting) -> Iterator[Case]:
    """dbmate cannot run COPY with its data in the file: psql is what people use instead."""
    psql = shutil.which("psql")
    if psql is None:
        return
    root = setting.folder / "copy"
    data = itertools.chain(
        [_TABLE, "copy item (id, name, price) from stdin;\n"], _lines(copy_row, setting.megabytes * MB), ["\\.\n"]
    )
    file = _write(root, data)
    plain = root / "plain.sql"
    plain.write_text(file.read_text().partition("\n")[2].rpartition("-- migrate:down")[0])
    yield Case(
        f"a file of {setting.megabytes} MB of COPY data",
        (
            Program("psql", ("sh", "-c", f'exec {psql} -qX -1 -v ON_ERROR_STOP=1 -f {plain} "$DATABASE_URL"')),
            setting.ours(NO_DUMP, "up"),
        ),
        setting.fresh,
        max(setting.rounds // 2, 1),
        root,
        (Target(1.3, "psql"), Target(setting.megabytes + 60, what="client"), Target(30, what="backend")),
    )


def _lines(line: Callable[[int], str], size: int) -> Iterator[str]:
    written = 0
    for number in itertools.count():
        part = line(number)
        yield part
        written += len(part)
        if written >= size:
            return


def _write(root: Path, lines: Iterator[str]) -> Path:
    path = root / "db" / "migrations" / "1_big.sql"
    if not path.exists():
        path.parent.mkdir(parents=True)
        with path.open("w", newline="\n") as file:
            file.write("-- migrate:up\n")
            file.writelines(lines)
            file.write("\n-- migrate:down\ndrop table item;\n")
    return path
