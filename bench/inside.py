"""What is not the time of a program.

Round trips and syncs of the WAL, in counts; the start of a scratch server; reading files; other people's writes.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg

from bench import backfilling, linting, reporting, splitter, stalls
from bench.cases import small
from bench.harness import Program
from bench.report import OURS, Chapter, Verdict, table
from bench.setting import NO_DUMP, Setting
from dbmigrate.connection.dsn import Dsn
from dbmigrate.connection.programs import Search
from dbmigrate.scratch import choose
from tests.support import environment
from tests.support.counting import counts_syncs, round_trips, wal_syncs
from tests.support.proxy import Proxy

_FEW, _MANY = 10, 110
_ROUND_TRIPS = 3
_SCRATCH_SECONDS = 0.1


def counts(setting: Setting) -> Iterator[Chapter]:
    """Of what one migration costs more in a run of many than in a run of few, and of runs with nothing to do."""
    with Proxy(setting.databases.server) as proxy:
        found = {program[0].name: _counted(setting, proxy, program) for program in _programs(setting)}
    head = ("program", "round trips per migration", "syncs of the WAL per migration", "round trips of a no-op `up`")
    rows = ((name, *(f"{value:g}" if value >= 0 else "-" for value in values)) for name, values in found.items())
    reached = found[OURS][0]
    verdict = Verdict(
        "round trips of a small migration",
        f"<= {_ROUND_TRIPS}",
        f"{reached:g}",
        reached <= _ROUND_TRIPS,
        {name: f"{values[0]:g}" for name, values in found.items()},
    )
    yield Chapter("Round trips and waits for the disk", table(head, rows), (verdict,))


def _programs(setting: Setting) -> Iterator[list[Program]]:
    """Each program's `up` in a folder of few files, and in one of many."""
    few, many = (setting.project(f"counted{count}", small(count)) for count in (_FEW, _MANY))
    yield [setting.ours(NO_DUMP, "up")] * 2
    if setting.others.dbmate:
        yield setting.dbmate(NO_DUMP, "up") * 2
    if setting.others.alembic:
        yield [*setting.alembic(few, "upgrade", "head"), *setting.alembic(many, "upgrade", "head")]
    yield [setting.floor("up", few), setting.floor("up", many)]


def _counted(setting: Setting, proxy: Proxy, programs: list[Program]) -> tuple[float, float, float]:
    """Round trips and syncs per migration (-1: the server does not count them), and round trips with nothing to do."""
    server = setting.databases.server
    trips, syncs, idle = [], [], 0
    for program, count in zip(programs, (_FEW, _MANY), strict=True):
        name = setting.databases.fresh().partition("?")[0].rpartition("/")[2]
        env = setting.env(proxy.url(name, sslmode="disable"))
        before, seen = wal_syncs(server) if counts_syncs(server) else 0, len(proxy.seen)
        _run(setting, program, count, env)
        syncs.append(wal_syncs(server) - before if counts_syncs(server) else 0)
        trips.append(round_trips(proxy.seen[seen:]))
        seen = len(proxy.seen)
        _run(setting, program, count, env)
        idle = round_trips(proxy.seen[seen:])
    more = _MANY - _FEW
    per_sync = max(round((syncs[1] - syncs[0]) / more, 1), 0) if counts_syncs(server) else -1
    return round((trips[1] - trips[0]) / more, 1), per_sync, idle


def _run(setting: Setting, program: Program, count: int, env: dict[str, str]) -> None:
    clean = environment.clean(os.environ, home=setting.folder)
    root = setting.folder / f"counted{count}"
    subprocess.run(program.command, cwd=root, env=clean | env, check=True, capture_output=True)


# ------------------------------------------------------------------------------------------------------ scratch server


def scratch_server(setting: Setting) -> Iterator[Chapter]:
    """From the call until the first query is answered: in this process, as `check` does it."""
    cache = setting.folder / "scratch-cache"
    cache.mkdir(mode=0o755, exist_ok=True)
    _started(cache)  # makes the cluster
    rounds = [_started(cache) for _ in range(setting.size.short)]
    without = [_started(None) for _ in range(setting.size.long)]
    query = statistics.median(each[0] for each in rounds)
    rows = (
        ("a cluster cached: first query answered", _spread([each[0] for each in rounds])),
        ("a cluster cached: the first query of a scratch database answered", _spread([each[1] for each in rounds])),
        ("a cluster cached: all gone again", _spread([each[2] for each in rounds])),
        ("no cluster cached: first query answered", _spread([each[0] for each in without])),
    )
    verdict = Verdict(
        "scratch server from nothing, a cluster cached",
        f"<= {_SCRATCH_SECONDS * 1000:.0f} ms",
        f"{query * 1000:.0f} ms",
        query <= _SCRATCH_SECONDS,
        {OURS: f"{query * 1000:.0f} ms"},
    )
    text = table(("from the call until", "median", "least", "most"), ((name, *cells) for name, cells in rows))
    yield Chapter(
        "Scratch server", f"{text}\n\nIn {len(rounds)} starts; without a cache in {len(without)}.", (verdict,)
    )


def _started(cache: Path | None) -> tuple[float, float, float]:
    """Seconds until the first query on the server, until that of a new database on it, and until both are gone."""
    began = time.perf_counter()
    with choose.open_server(choose.Choice(search=Search.from_environ(os.environ), cache=cache)) as server:
        _ask(server.dsn)
        query = time.perf_counter() - began
        with server.database() as made:
            _ask(made)
            in_database = time.perf_counter() - began
    return query, in_database, time.perf_counter() - began


def _ask(server: Dsn) -> None:
    with closing(psycopg.connect(**server.conninfo_for_connect("bench"))) as conn:
        conn.execute("select 1")


def _spread(seconds: list[float]) -> tuple[str, ...]:
    return tuple(f"{value * 1000:.0f} ms" for value in (statistics.median(seconds), min(seconds), max(seconds)))


# ---------------------------------------------------------------------------------------- files, other people


def splitting(setting: Setting) -> Iterator[Chapter]:
    yield splitter.chapter([size for size in (1, 10, 100) if size <= setting.size.megabytes])


def long_words(setting: Setting) -> Iterator[Chapter]:
    yield linting.chapter()


def pages(setting: Setting) -> Iterator[Chapter]:
    yield reporting.chapter()


def stalled_writers(setting: Setting) -> Iterator[Chapter]:
    yield stalls.chapter(setting.databases.server, stalls.Load(rounds=min(setting.size.long, 3)))


def backfilled(setting: Setting) -> Iterator[Chapter]:
    yield backfilling.chapter(setting.databases.server, backfilling.Load(rounds=min(setting.size.long, 3)))
