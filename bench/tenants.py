"""Many databases, and many schemas: one run of dbmigrate against dbmate in a loop and by xargs, four at a time."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from os import defpath
from pathlib import Path

import psycopg

from bench.cases import small
from bench.harness import Case, Program, Target
from bench.setting import NO_DUMP, OURS, Setting

_FILES = 20
_DATABASES = 200
_SCHEMAS = 300
_MANY, _COPIES, _FEW = 2000, 10, 200
_HAS_ALL = f"select count(*) >= {_FILES} from pg_class where relkind = 'r' and relname ~ '^t[0-9]+$'"
_LIST = "TARGETS_OF_THE_BENCHMARK"
_LOOP, _XARGS = "dbmate", "dbmate, xargs -P4"


def databases(setting: Setting) -> Iterator[Case]:
    """Everything is pending; the databases of a run are made before it."""
    root = setting.project("tenants", small(_FILES))

    def prepare(program: Program) -> Mapping[str, str]:
        return _listed(root, [setting.databases.fresh() for _ in range(_DATABASES)])

    yield Case(
        f"`up` of {_FILES} files on {_DATABASES} databases, 4 at a time",
        (_ours(), *_theirs(setting, "loop", "xargs")),
        prepare,
        setting.size.long,
        600.0,
        root,
        (Target(0.6, _LOOP), Target(1.0, _XARGS)),
        proof=_HAS_ALL,
        warm_up=False,
    )


def schemas(setting: Setting) -> Iterator[Case]:
    """The same in the schemas of one database."""
    root = setting.project("tenants", small(_FILES))

    def prepare(program: Program) -> Mapping[str, str]:
        return _listed(root, list(_in_schemas(setting.databases.fresh(), _SCHEMAS)))

    yield Case(
        f"`up` of {_FILES} files on {_SCHEMAS} schemas of one database, 4 at a time",
        (_ours(), *_theirs(setting, "xargs")),
        prepare,
        setting.size.long,
        600.0,
        root,
        (Target(1.0, _XARGS),),
        proof=_HAS_ALL.replace(f">= {_FILES}", f">= {_FILES * _SCHEMAS}"),
        warm_up=False,
    )


def nothing_to_do(setting: Setting) -> Iterator[Case]:
    """All is applied: a second run, or a deployment without a migration."""
    root = setting.project("tenants3", small(3))
    first = setting.databases.fresh()
    env = _listed(root, list(_in_schemas(first, _MANY // _COPIES)))
    subprocess.run(_ours().command, cwd=root, env={**env, "PATH": defpath}, check=True, stdout=subprocess.DEVNULL)
    copies = [first, *(setting.databases.copy(first) for _ in range(_COPIES - 1))]
    urls = [url for copy in copies for url in _in_schemas(copy, _MANY // _COPIES)]
    few = Program(f"dbmigrate, {_FEW} targets", _ours().command)

    def prepare(program: Program) -> Mapping[str, str]:
        return _listed(root, urls[:_FEW] if program.name == few.name else urls)

    yield Case(
        f"`up` with nothing to do on {_MANY} schemas of {_COPIES} databases, 4 at a time",
        (_ours(), *_theirs(setting, "xargs"), few),
        prepare,
        setting.size.long,
        600.0,
        root,
        (Target(0.4, _XARGS), Target(1.1, few.name, "client")),
        warm_up=False,
    )


def _ours() -> Program:
    return Program("dbmigrate", ("sh", "-c", f"exec {OURS} {NO_DUMP} -q up --parallel 4 --targets ${_LIST}"))


def _theirs(setting: Setting, *ways: str) -> list[Program]:
    if setting.others.dbmate is None:
        return []
    run = f"{setting.others.dbmate} {NO_DUMP} --url"
    commands = {
        "loop": (_LOOP, f'while read -r url; do {run} "$url" up || exit 1; done < ${_LIST}'),
        "xargs": (_XARGS, f"xargs -P 4 -I '{{}}' {run} '{{}}' up < ${_LIST}"),
    }
    return [Program(name, ("sh", "-c", script)) for name, script in map(commands.__getitem__, ways)]


def _listed(root: Path, urls: Sequence[str]) -> dict[str, str]:
    """The environment of a run on these targets; the database of the last one is looked at afterwards."""
    path = root / "targets.txt"
    path.write_text("".join(f"{url}\n" for url in urls))
    return {_LIST: str(path), "DATABASE_URL": urls[-1].partition("&search_path=")[0]}


def _in_schemas(url: str, count: int) -> Iterator[str]:
    """The URLs of schemas of a database, which dbmate wants to be there."""
    names = [f"tenant_{number}" for number in range(count)]
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("; ".join(f"create schema if not exists {name}" for name in names).encode())
    return (f"{url}&search_path={name}" for name in names)
