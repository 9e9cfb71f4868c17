"""What a comparison of databases costs as they grow, where everything differs."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg

from bench.harness import Case, Program, Target
from bench.setting import OURS, Setting

_FEW = 1000
_AT_ONCE = 200  # tables in one transaction, for the locks that a server with its default settings has room for
_TABLE = (
    "create table t{0} (id bigint primary key, name text default '{1}', price numeric not null, at timestamptz);"
    " create index on t{0} (name); alter table t{0} alter price set (n_distinct = {1})"
)


def drift(setting: Setting) -> Iterator[Case]:
    """Nothing in `drift` may be dearer per difference because there are more of them."""
    many = setting.size.many
    root = setting.project("drift", {})
    pairs = {count: _pair(setting, count) for count in (_FEW, many)}
    # the exit code is 1: there is drift
    command = ("sh", "-c", f"{OURS} drift --against twin; [ $? = 1 ]")
    few = Program(f"dbmigrate, {_FEW}", command)
    yield Case(
        f"`drift` of {many} tables that all differ",
        (few, Program("dbmigrate", command)),
        lambda program: pairs[_FEW if program.name == few.name else many],
        setting.size.long,
        90.0,
        root,
        (Target(many / _FEW, few.name),),
    )


def _pair(setting: Setting, count: int) -> dict[str, str]:
    here, twin = _made(setting, count, "1"), _made(setting, count, "2")
    return {**setting.env(here), "TWIN_DATABASE_URL": twin}


def _made(setting: Setting, count: int, value: str) -> str:
    url = setting.databases.fresh()
    with psycopg.connect(url, autocommit=True) as conn:
        for first in range(0, count, _AT_ONCE):
            tables = range(first, min(first + _AT_ONCE, count))
            conn.execute("; ".join(_TABLE.format(number, value) for number in tables).encode())
    return url
