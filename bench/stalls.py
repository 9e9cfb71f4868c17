"""What the writers of a busy table feel while a migration waits for a long reader: with our lock handling and without.

    python -m bench.stalls [--writers 20] [--reader 6] [--rounds 3]

Twenty writers update rows of one table. A reader keeps a transaction open on it for some seconds, and meanwhile a
migration adds a column. Without limits the migration's ACCESS EXCLUSIVE request queues, and everybody queues behind it
until the reader ends. The figure is the 99th percentile, and the maximum, of a writer's statement.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg

from bench.report import Chapter, table
from tests.support import environment
from tests.support.servers import DatabaseServer, server_of_major

WAYS = {
    "without a limit (--lock-timeout 0)": ("--lock-timeout", "0"),
    "as by default (escalating, waits for blockers)": (),
}


HEAD = ("way", "writers' p99", "writers' longest", "migration done after", "p99, ratio to the first")


@dataclass(frozen=True, slots=True)
class Load:
    """How many writers, how many seconds the reader's transaction stays open, and how often all that."""

    writers: int = 20
    reader: float = 6.0
    rounds: int = 3


def main() -> None:
    load = _arguments()
    with environment.without_database_variables(), server_of_major(None, environ=dict(os.environ)) as server:
        print(table(HEAD, rows(server, load)))


def chapter(server: DatabaseServer, load: Load) -> Chapter:
    text = table(HEAD, rows(server, load))
    said = f"{load.writers} writers; somebody reads the table for {load.reader:g} s; medians of {load.rounds} rounds."
    return Chapter("Writers of a table that a migration changes", f"{text}\n\n{said}")


def rows(server: DatabaseServer, load: Load) -> Iterator[tuple[str, ...]]:
    first = 0.0
    for name, options in WAYS.items():
        rounds = [_round(server, load, options, number) for number in range(load.rounds)]
        p99, longest, took = (statistics.median(values) for values in zip(*rounds, strict=True))
        first = first or p99
        yield (name, f"{p99 * 1000:.0f} ms", f"{longest * 1000:.0f} ms", f"{took:.1f} s", f"{p99 / first:.3f}")


def _arguments() -> Load:
    parser = argparse.ArgumentParser(prog="python -m bench.stalls", description=__doc__)
    parser.add_argument("--writers", type=int, default=20)
    parser.add_argument("--reader", type=float, default=6.0, help="seconds that the reader's transaction stays open")
    parser.add_argument("--rounds", type=int, default=3)
    return Load(**vars(parser.parse_args()))


def _round(server: DatabaseServer, load: Load, options: tuple[str, ...], number: int) -> tuple[float, float, float]:
    """One run: (p99, maximum) of the writers' statements while the migration was at work, and how long it took."""
    name = f"stalls_{len(options)}_{number}"
    server.create(name)
    url = server.url(name)
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("create table busy (id int primary key, n int not null)")
        conn.execute("insert into busy select g, 0 from generate_series(1, 2000) g")
    stalls: list[float] = []
    stop = threading.Event()
    writers = [threading.Thread(target=_write, args=(url, i, stalls, stop)) for i in range(load.writers)]
    reader = threading.Thread(target=_read, args=(url, load.reader))
    for thread in (*writers, reader):
        thread.start()
    time.sleep(0.5)
    stalls.clear()
    took = _migrate(url, options)
    stop.set()
    for thread in (*writers, reader):
        thread.join()
    ordered = sorted(stalls)
    return ordered[int(len(ordered) * 0.99)], ordered[-1], took


def _write(url: str, number: int, stalls: list[float], stop: threading.Event) -> None:
    with psycopg.connect(url, autocommit=True) as conn:
        while not stop.is_set():
            started = time.perf_counter()
            conn.execute("update busy set n = n + 1 where id = %s", (number * 50 + 1,))
            stalls.append(time.perf_counter() - started)
            time.sleep(0.05)  # twenty writers must not themselves be what fills two cores


def _read(url: str, seconds: float) -> None:
    with psycopg.connect(url) as conn:
        conn.execute("select count(*) from busy")
        time.sleep(seconds)


def _migrate(url: str, options: tuple[str, ...]) -> float:
    with tempfile.TemporaryDirectory(prefix="dbmigrate-bench-") as folder:
        directory = Path(folder, "db", "migrations")
        directory.mkdir(parents=True)
        (directory / "1_add.sql").write_text("-- migrate:up\nalter table busy add column note text;\n-- migrate:down\n")
        started = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "dbmigrate", "--no-dump-schema", "up", *options],
            cwd=folder,
            env={**environment.clean(os.environ, home=Path(folder)), "DATABASE_URL": url},
            check=True,
            capture_output=True,
        )
        return time.perf_counter() - started


if __name__ == "__main__":
    main()
