"""What is measured of large files: INSERTs of many rows and of one, and COPY."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.harness import Case, Program, Target
from bench.setting import NO_DUMP, Setting
from tests.support.servers import UnavailableError

MB = 1_000_000
CLIENT_MB, BACKEND_MB = 60, 30  # beyond the file; of a server process
FULL_MB = 100  # the size that the targets of time are about, beside 10 MB
_TABLE = "create table item (id bigint, name text, price numeric);\n"
_IS_THERE = "select exists (select from item)"
_IS_THERE_EMPTY = "select to_regclass('item') is not null"


def many_rows(number: int) -> str:
    rows = ",\n".join(f"({number}, 'item no. {number}-{row}, it''s new', {row}.50)" for row in range(1000))
    return f"insert into item (id, name, price) values\n{rows};\n"


def one_row(number: int) -> str:
    return f"insert into item (id, name, price) values ({number}, 'item no. {number}, it''s new', {number}.50);\n"


def copy_row(number: int) -> str:
    return f"{number}\titem no. {number}, it's new\t{number}.50\n"


KINDS: dict[str, tuple[Callable[[int], str], dict[int, float]]] = {  # with the limits of time by size in MB
    "1000 rows per INSERT": (many_rows, {10: 0.7, FULL_MB: 0.6}),
    "one row per INSERT": (one_row, {FULL_MB: 0.7}),
}


def inserts(setting: Setting) -> Iterator[Case]:
    for size in (10, setting.size.megabytes):
        for title, (line, limits) in KINDS.items():
            yield _inserts(setting, f"a file of {size} MB, {title}", line, (size, limits.get(size)))


def _inserts(setting: Setting, title: str, line: Callable[[int], str], wanted: tuple[int, float | None]) -> Case:
    size, limit = wanted
    root = setting.folder / f"{line.__name__}{size}"
    _write(root, itertools.chain([_TABLE], _lines(line, size * MB)))
    setting.with_revisions(root)
    return Case(
        title,
        (
            *setting.dbmate(NO_DUMP, "up"),
            setting.ours(NO_DUMP, "up"),
            *setting.alembic(root, "upgrade", "head"),
            setting.floor("up", root),
        ),
        setting.fresh,
        setting.size.long,
        75.0,
        root,
        (*([Target(limit, "dbmate")] if limit else []), *_memory(size)),
        _IS_THERE,
        warm_up=size <= 10,
    )


def copies(setting: Setting) -> Iterator[Case]:
    """dbmate cannot run COPY with its data in the file: psql is what people use instead."""
    psql = shutil.which("psql")
    if psql is None:
        raise UnavailableError("there is no psql here")
    size = setting.size.megabytes
    root = setting.folder / "copy"
    data = itertools.chain(
        [_TABLE, "copy item (id, name, price) from stdin;\n"], _lines(copy_row, size * MB), ["\\.\n"]
    )
    file = _write(root, data)
    plain = root / "plain.sql"
    plain.write_text(file.read_text().partition("\n")[2].rpartition("-- migrate:down")[0])
    command = f'exec {psql} -qX -1 -v ON_ERROR_STOP=1 -f {plain} "$DATABASE_URL"'
    yield Case(
        f"a file of {size} MB of COPY data",
        (Program("psql", ("sh", "-c", command)), setting.ours(NO_DUMP, "up")),
        setting.fresh,
        setting.size.long,
        cwd=root,
        targets=(*([Target(1.3, "psql")] if size == FULL_MB else []), *_memory(size)),
        proof=_IS_THERE,
    )


def answers(setting: Setting) -> Iterator[Case]:
    """A migration whose statement returns rows that nobody reads: they must not gather in the memory."""
    size = setting.size.megabytes
    root = setting.folder / "answers"
    rows = f"select repeat('x', 100000) from generate_series(1, {size * MB // 100_000});\n"
    _write(root, iter([_TABLE, rows]))
    yield Case(
        f"a statement that returns {size} MB",
        (*setting.dbmate(NO_DUMP, "up"), setting.ours(NO_DUMP, "up")),
        setting.fresh,
        setting.size.long,
        cwd=root,
        targets=(Target(CLIENT_MB, what="client"),),
        proof=_IS_THERE_EMPTY,
    )


def _memory(size: int) -> tuple[Target, Target]:
    return Target(size + CLIENT_MB, what="client"), Target(BACKEND_MB, what="backend")


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
