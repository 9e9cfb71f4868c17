"""What taking a project over costs, against `up` of what comes of it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from zlib import crc32

import psycopg

from bench.cases import small
from bench.harness import Case, Program, Target
from bench.setting import NO_DUMP, OURS, Setting

_COUNT = 1000
_AT_ONCE = 200  # migrations in one transaction, for the locks that a server with its default settings has room for
_HISTORY = """
create table flyway_schema_history (installed_rank int primary key, version varchar(50),
  description varchar(200) not null, type varchar(20) not null, script varchar(1000) not null, checksum int,
  installed_by varchar(100) not null, installed_on timestamp not null default now(), execution_time int not null,
  success bool not null)
"""
_ROW = "insert into flyway_schema_history values (%s, %s, %s, 'SQL', %s, %s, 'ada', now(), 1, true)"
_ARE_RECORDED = f"select count(*) = {_COUNT} from schema_migrations"


def taking_over(setting: Setting) -> Iterator[Case]:
    """The files of a Flyway project; then its history as well, with the proof on a server that is there."""
    root = setting.project(f"many{_COUNT}", small(_COUNT))
    old = root / "old"
    files = _old_files(old)
    up = Program("`up` of the files", (OURS, NO_DUMP, "-d", str(root / "db" / "migrations"), "up"))
    yield Case(
        f"`import` of {_COUNT} files",
        (up, setting.ours("import", str(old))),
        lambda program: _elsewhere(setting, setting.fresh(program)),
        setting.size.long,
        cwd=root,
        targets=(Target(1.0, up.name),),
    )
    full = _database(setting, files)

    def prepared(program: Program) -> dict[str, str]:
        env = setting.fresh(program)
        if program.name == up.name:
            return env
        url = setting.databases.copy(full)
        return _elsewhere(setting, {**setting.env(url), "DBMIGRATE_SCRATCH_URL": env["DATABASE_URL"]})

    yield Case(
        f"`import --history` of {_COUNT} files, proof included",
        (up, setting.ours(NO_DUMP, "import", str(old), "--history")),
        prepared,
        setting.size.long,
        90.0,
        root,
        (Target(3.0, up.name),),
        proof=_ARE_RECORDED,
    )


def _old_files(old: Path) -> Mapping[str, str]:
    """The same migrations as Flyway has them, with their undo files."""
    found = {}
    for name, text in small(_COUNT).items():
        version, _, rest = name.partition("_")
        up, _, down = text.partition("-- migrate:down\n")
        found[f"V{version}__{rest}"] = up.removeprefix("-- migrate:up\n")
        found[f"U{version}__{rest}"] = down
    if not old.exists():
        old.mkdir()
        for name, text in found.items():
            (old / name).write_text(text)
    return {name: text for name, text in found.items() if name.startswith("V")}


def _database(setting: Setting, files: Mapping[str, str]) -> str:
    """What Flyway leaves of them."""
    url = setting.databases.fresh()
    texts = list(files.values())
    with psycopg.connect(url, autocommit=True) as conn:
        for first in range(0, len(texts), _AT_ONCE):
            conn.execute("".join(texts[first : first + _AT_ONCE]).encode())
        conn.execute(_HISTORY.encode())
        rows = [
            (rank, name[1:].partition("__")[0], name[1:-4].partition("__")[2], name, _sum(text))
            for rank, (name, text) in enumerate(files.items(), 1)
        ]
        conn.cursor().executemany(_ROW, rows)
    return url


def _sum(text: str) -> int:
    """CRC32 of the lines without their ends, as a signed number."""
    value = crc32("".join(text.splitlines()).encode())
    return value - (1 << 32) if value >= 1 << 31 else value


def _elsewhere(setting: Setting, env: dict[str, str]) -> dict[str, str]:
    """With a migrations directory that is not there yet: each run writes all files."""
    directory = setting.folder / f"imported{setting.databases.made}"
    return {**env, "DBMIGRATE_MIGRATIONS_DIR": os.fspath(directory)}
