"""What the users of a table feel while many of its rows are changed: at once, by a loop in a DO block, by a backfill.

    python -m bench.backfilling [--rows 400000] [--clients 8] [--rounds 3]

Clients update a random row and read another one, some three hundred transactions a second together. The figures are
their 50th and 99th percentile, and the longest one. The loop is what people write by hand: pages of 10,000 rows by
key, a COMMIT after each.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg

from bench.report import Chapter, table
from tests.support import environment
from tests.support.servers import DatabaseServer, server_of_major

HEAD = ("way", "took", "rows/s", "clients' p50", "p99", "longest", "p99, ratio to the load alone")
_SETTLED = 3.0  # seconds that the load runs alone
_THINKING = 0.025  # seconds between two transactions of a client
_CHANGE = "update busy set m = n + 1 where m is null"
_LOOP = """do $$ declare _from bigint := 0; _most bigint := (select max(id) from busy); begin
  while _from <= _most loop
    update busy set m = n + 1 where m is null and id > _from and id <= _from + 10000;
    _from := _from + 10000; commit;
  end loop; end $$"""


@dataclass(frozen=True, slots=True)
class Load:
    """The table's rows, the clients, and how often all that."""

    rows: int = 400_000
    clients: int = 8
    rounds: int = 3


def main() -> None:
    load = _arguments()
    with environment.without_database_variables(), server_of_major(None, environ=dict(os.environ)) as server:
        print(table(HEAD, rows(server, load)))


def chapter(server: DatabaseServer, load: Load) -> Chapter:
    text = table(HEAD, rows(server, load))
    said = f"{load.rows:,} rows, {load.clients} clients; medians of {load.rounds} rounds."
    return Chapter("Clients of a table whose rows are all changed", f"{text}\n\n{said}")


def rows(server: DatabaseServer, load: Load) -> Iterator[tuple[str, ...]]:
    alone = 0.0
    for name, change in WAYS.items():
        rounds = [_round(server, load, change) for _ in range(load.rounds)]
        took, p50, p99, longest = (statistics.median(values) for values in zip(*rounds, strict=True))
        alone = alone or p99
        rate = f"{load.rows / took:,.0f}" if change is not _nothing else ""
        figures = (f"{value * 1000:.0f} ms" for value in (p50, p99, longest))
        yield (name, f"{took:.1f} s", rate, *figures, f"{p99 / alone:.2f}")


def _arguments() -> Load:
    parser = argparse.ArgumentParser(prog="python -m bench.backfilling", description=__doc__)
    parser.add_argument("--rows", type=int, default=400_000)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    return Load(**vars(parser.parse_args()))


def _round(server: DatabaseServer, load: Load, change: Callable[[str], None]) -> tuple[float, float, float, float]:
    """One run: how long it took, and p50, p99 and maximum of the clients' transactions meanwhile."""
    name = f"backfilling_{random.getrandbits(32)}"
    server.create(name)
    url = server.url(name)
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("create table busy (id bigint primary key, n int not null, m int, pad text not null)")
        conn.execute(f"insert into busy select g, 0, null, repeat('x', 80) from generate_series(1, {load.rows}) g")
        conn.execute("vacuum analyze busy")
    times: list[float] = []
    stop = threading.Event()
    clients = [threading.Thread(target=_use, args=(url, load, times, stop)) for _ in range(load.clients)]
    for client in clients:
        client.start()
    time.sleep(1.0)
    times.clear()
    began = time.perf_counter()
    change(url)
    took = time.perf_counter() - began
    stop.set()
    for client in clients:
        client.join()
    server.drop(name)
    ordered = sorted(times)
    return took, ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.99)], ordered[-1]


def _use(url: str, load: Load, times: list[float], stop: threading.Event) -> None:
    with psycopg.connect(url, autocommit=True) as conn:
        while not stop.is_set():
            began = time.perf_counter()
            with conn.transaction():
                conn.execute("update busy set n = n + 1 where id = %s", (random.randint(1, load.rows),))
                conn.execute("select n from busy where id = %s", (random.randint(1, load.rows),))
            times.append(time.perf_counter() - began)
            time.sleep(_THINKING)


def _nothing(url: str) -> None:
    time.sleep(_SETTLED)


def _at_once(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute(_CHANGE)


def _by_loop(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute(_LOOP)


def _by_backfill(url: str) -> None:
    with tempfile.TemporaryDirectory(prefix="dbmigrate-bench-") as folder:
        directory = Path(folder, "db", "migrations")
        directory.mkdir(parents=True)
        text = f"-- migrate:up backfill:busy\n{_CHANGE} and :batch;\n-- migrate:down\n"
        (directory / "1_fill.sql").write_text(text)
        subprocess.run(
            [sys.executable, "-m", "dbmigrate", "--no-dump-schema", "up"],
            cwd=folder,
            env={**environment.clean(os.environ, home=Path(folder)), "DATABASE_URL": url},
            check=True,
            capture_output=True,
        )


WAYS: dict[str, Callable[[str], None]] = {
    "the load alone": _nothing,
    "one UPDATE": _at_once,
    "a loop in a DO block, 10,000 rows": _by_loop,
    "a backfill, with the default options": _by_backfill,
}

if __name__ == "__main__":
    main()
