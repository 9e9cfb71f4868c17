"""What a test costs that has a migrated database of its own, by the way in which it gets that.

Sessions of pytest in one environment: with the plugin, with the template database of pytest-postgresql (its `load` is
the same `Migrator.up`), and with a fixture that makes a database and migrates it. Each test inserts a row. The cost of
a test is what a session of many takes longer than one of a single test: the template and pytest's start are not in it.
"""

from __future__ import annotations

import fcntl
import os
import statistics
import subprocess
import time
import venv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from bench.cases import small
from bench.report import Chapter, Verdict, table
from bench.setting import ROOT, Setting, Size
from tests.support.servers import UnavailableError, cache_directory

PYTEST_POSTGRESQL = "10.0.0"
MIGRATIONS = 100
_TESTS = """
import pytest

@pytest.mark.parametrize("number", range({count}))
def test_it(number, {fixture}):
    {fixture}.execute("insert into t0 (id, name) values (1, 'x')")
"""
_PLUGIN = ""
_THEIRS = """
from pytest_postgresql import factories
from psycopg.conninfo import make_conninfo
from dbmigrate import Migrator

def load(host, port, user, password, dbname, **others):
    Migrator(make_conninfo("", host=host, port=port, user=user, password=password, dbname=dbname)).up()

place = dict(host={host!r}, port={port}, user={user!r}, password={password!r})
postgresql_noproc = factories.postgresql_noproc(**place, load=[load])
db = factories.postgresql("postgresql_noproc")
"""
_EACH = """
import psycopg
import pytest
from itertools import count
from dbmigrate import Migrator

numbers = count()

@pytest.fixture
def db():
    url = {url!r}.replace("/postgres?", f"/each{{next(numbers)}}?")
    Migrator(url).up()
    with psycopg.connect(url, autocommit=True) as conn:
        yield conn
    Migrator(url).drop()
"""


@dataclass(frozen=True, slots=True)
class Way:
    """A way to get databases: its fixture, what stands in conftest.py, and how many tests a session has."""

    name: str
    fixture: str
    conftest: str
    count: int
    words: tuple[str, ...] = ()
    server: str = ""


def sessions(setting: Setting) -> Iterator[Chapter]:
    """Seconds a test of every way, alternating in rounds."""
    python = _environment(cache_directory(setting.environ), setting.environ)
    root = setting.project("fixtures", small(MIGRATIONS))
    rounds = min(setting.size.long, 3)
    many, few = (20, 4) if setting.size.megabytes < Size().megabytes else (500, 20)
    ways = _ways(setting, many, few)
    costs: dict[str, list[float]] = {way.name: [] for way in ways}
    whole: dict[str, list[float]] = {way.name: [] for way in ways}
    for _ in range(rounds):
        for way in ways:
            one, all_of_them = (_session(setting, python, root, way, count) for count in (1, way.count))
            costs[way.name].append((all_of_them - one) / (way.count - 1))
            whole[way.name].append(all_of_them)
    yield _chapter(ways, costs, whole, rounds)


def _ways(setting: Setting, many: int, few: int) -> list[Way]:
    url = setting.databases.server.tcp_url("postgres") + "?sslmode=disable"
    kept = setting.databases.server.tcp_url("postgres")
    place = conninfo_to_dict(kept)
    theirs = _THEIRS.replace("{host!r}", repr(place["host"])).replace("{port}", str(place["port"]))
    theirs = theirs.replace("{user!r}", repr(place["user"])).replace("{password!r}", repr(place["password"]))
    no = ("-p", "no:dbmigrate")
    return [
        Way("plugin", "dbmigrate_db", _PLUGIN, many, ("-p", "no:pytest_postgresql"), url),
        Way("pytest-postgresql, template", "db", theirs, many, no),
        Way("plugin, a server of its own", "dbmigrate_db", _PLUGIN, max(many, 100), ("-p", "no:pytest_postgresql")),
        Way("a database migrated for each test", "db", _EACH.format(url=url), few, no),
    ]


def _session(setting: Setting, python: Path, root: Path, way: Way, count: int) -> float:
    (root / "conftest.py").write_text(way.conftest)
    (root / "test_it.py").write_text(_TESTS.format(count=count, fixture=way.fixture))
    command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *way.words, "test_it.py"]
    environ = {"PATH": setting.environ.get("PATH", os.defpath), "HOME": str(root), "DBMIGRATE_SCRATCH_URL": way.server}
    began = time.monotonic()
    done = subprocess.run(command, cwd=root, env=environ, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - began
    if f"{count} passed" not in done.stdout:
        raise RuntimeError(f"{way.name}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return seconds


def _chapter(
    ways: list[Way], costs: Mapping[str, list[float]], whole: Mapping[str, list[float]], rounds: int
) -> Chapter:
    def ratio(name: str, other: str) -> float:
        return statistics.median(mine / theirs for mine, theirs in zip(costs[name], costs[other], strict=True))

    ours, theirs, _, each = (way.name for way in ways)
    rows = (
        (
            way.name,
            str(way.count),
            f"{statistics.median(whole[way.name]):.1f} s",
            f"{statistics.median(costs[way.name]) * 1000:.0f} ms",
            f"{ratio(way.name, ours):.2f}",
        )
        for way in ways
    )
    head = ("databases by", "tests", "session", "a test", f"ratio to the {ours}")
    reached = ratio(ours, theirs), ratio(ours, each)
    shown = {"dbmigrate": f"{statistics.median(costs[ours]) * 1000:.0f} ms"}
    verdicts = (
        Verdict("a test with the plugin", f"<= 1.1 x {theirs}", f"{reached[0]:.2f}", reached[0] <= 1.1, shown),
        Verdict("a test with the plugin", "<= 0.5 x migrating for each", f"{reached[1]:.2f}", reached[1] <= 0.5, shown),
    )
    of_rounds = "one round" if rounds == 1 else f"medians of {rounds} rounds"
    text = f"{table(head, rows)}\n\n{MIGRATIONS} migrations; {of_rounds}."
    return Chapter("A test with a database of its own", text, verdicts)


def _environment(cache: Path, environ: Mapping[str, str]) -> Path:
    """pytest-postgresql beside this checkout of dbmigrate. Raises `UnavailableError`."""
    cache.mkdir(parents=True, exist_ok=True)
    directory = cache / f"pytest-postgresql-{PYTEST_POSTGRESQL}"
    with open(cache / "pytest-postgresql.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (directory / "complete").exists():
            venv.create(directory, clear=True, with_pip=True)
            _pip(directory, environ, f"pytest-postgresql=={PYTEST_POSTGRESQL}", f"{ROOT}[embedded]")
            (directory / "complete").touch()
        _pip(directory, environ, "--force-reinstall", "--no-deps", ROOT)
    return directory / "bin" / "python"


def _pip(directory: Path, environ: Mapping[str, str], *words: str) -> None:
    command = [directory / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *words]
    try:
        done = subprocess.run(command, env=dict(environ), capture_output=True, text=True, timeout=600, check=False)
    except subprocess.TimeoutExpired as exc:
        raise UnavailableError("pip could not install pytest-postgresql in time") from exc
    if done.returncode != 0:
        raise UnavailableError(f"pip could not install pytest-postgresql: {done.stderr.strip()[-300:]}")
