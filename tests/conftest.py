"""Fixtures. A test that names `database_url` runs on a real PostgreSQL server, in a database of its own.

DBMIGRATE_TEST_CACHE        where downloads and ready-made clusters are kept (default ~/.cache/dbmigrate-tests)
DBMIGRATE_TEST_VERSIONS     the same as --server-versions
DBMIGRATE_TEST_REQUIRE_BROWSER  a browser that cannot be had is a failure, not a reason to skip
TEST_DATABASE_URL           run on this server instead of our own; its role must be allowed to create databases
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from secrets import token_hex
from tempfile import mkdtemp

import pytest
from hypothesis import HealthCheck, settings

from tests.support import databases, environment
from tests.support.commands import Processes, Runner, end_all
from tests.support.databases import MakeDatabase
from tests.support.projects import Project
from tests.support.servers import (
    DatabaseServer,
    UnavailableError,
    Version,
    cache_directory,
    free_port,
    server_of_major,
    server_of_url,
    versions,
)

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # a shell's background job ignores SIGINT, and so would every program that is tested
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup does the same with SIGHUP

# a busy machine is no fault of what is tested
settings.register_profile("patient", deadline=None, suppress_health_check=list(HealthCheck))
settings.load_profile("patient")

ENVIRON = dict(os.environ)  # as the test run was started; the tests themselves see a cleaned one
DEFAULT_SERVER = 0


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--server-versions",
        default=ENVIRON.get("DBMIGRATE_TEST_VERSIONS", ""),
        help="run every database test on each of these servers, for example 13,15-debian,18; and --everything",
    )
    parser.addoption("--everything", action="store_true", help="run the tests marked as matrix too")

    parser.addoption(
        "--chaos-rounds",
        type=int,
        default=int(ENVIRON.get("DBMIGRATE_TEST_CHAOS_ROUNDS", "10")),
        help="how many rounds of tests/faults/test_chaos.py there are, over all servers",
    )
    parser.addoption("--chaos-first", type=int, default=1, help="the seed of the first of these rounds")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    chosen = versions(metafunc.config.getoption("--server-versions"))
    if "chaos_seed" in metafunc.fixturenames:
        first, rounds = metafunc.config.getoption("--chaos-first"), metafunc.config.getoption("--chaos-rounds")
        _spread(metafunc, range(first, first + rounds), chosen)
    elif chosen and "server" in metafunc.fixturenames:
        names = [f"pg{major}" for major in chosen]
        metafunc.parametrize("server", chosen, indirect=True, scope="session", ids=names)


def _spread(metafunc: pytest.Metafunc, seeds: range, majors: list[Version]) -> None:
    """Each seed on one of the servers."""
    if not majors:
        metafunc.parametrize("chaos_seed", seeds)
        return
    pairs = sorted(((majors[seed % len(majors)], seed) for seed in seeds), key=str)
    names = [f"pg{major}-{seed}" for major, seed in pairs]
    metafunc.parametrize(("server", "chaos_seed"), pairs, indirect=["server"], scope="session", ids=names)


LEFT_OUT = pytest.StashKey[int]()
_HOW = "`make test-matrix` runs them"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What is slow and rarely breaks waits for the matrix, or for somebody who names it (``-m matrix``)."""
    wants_all = config.getoption("--everything") or config.getoption("--server-versions") or config.getoption("-m")
    left_out = [] if wants_all else [item for item in items if item.get_closest_marker("matrix")]
    config.stash[LEFT_OUT] = len(left_out)
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if not item.get_closest_marker("matrix")]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker of xdist tells how many tests it left out, which is what each of them did."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["left_out"] = session.config.stash.get(LEFT_OUT, 0)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: object) -> None:
    config: pytest.Config = node.config  # type: ignore[attr-defined]
    told = getattr(node, "workeroutput", {}).get("left_out", 0)
    config.stash[LEFT_OUT] = max(config.stash.get(LEFT_OUT, 0), told)


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """One line for all that was not run, as the last one before the count."""
    skipped = Counter(_reason(report) for report in terminalreporter.stats.get("skipped", ()))
    parts = [f"{number} skipped ({reason})" for reason, number in skipped.most_common(3)]
    if len(skipped) > 3:
        parts.append(f"{sum(skipped.values()) - sum(number for _, number in skipped.most_common(3))} more skipped")
    if left_out := config.stash.get(LEFT_OUT, 0):
        parts.insert(0, f"{left_out} of the matrix ({_HOW})")
    if parts:
        terminalreporter.write_line(f"left out: {'; '.join(parts)}", yellow=True)


def _reason(report: pytest.TestReport) -> str:
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    first = reason.removeprefix("Skipped: ").partition("\n")[0]
    return f"{first}: install Node.js" if first.endswith("npm is not installed") else first


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest) -> Iterator[DatabaseServer]:
    """The server of this test: `url(dbname)`, `tcp_url(dbname)`, `version`, `major`, `superuser`, `is_ours`."""
    major = getattr(request, "param", DEFAULT_SERVER)
    url = ENVIRON.get("TEST_DATABASE_URL")
    with ExitStack() as stack:
        stack.enter_context(environment.without_database_variables())
        try:
            if url and major == DEFAULT_SERVER:
                found = stack.enter_context(server_of_url(url))
            else:
                found = stack.enter_context(server_of_major(major or None, environ=ENVIRON))
        except UnavailableError as exc:
            if major == DEFAULT_SERVER:
                raise  # a run without any server proves nothing, and must not look green
            pytest.skip(f"PostgreSQL {major}: {exc}")
        yield found


@pytest.fixture
def make_database(server: DatabaseServer, _processes: Processes) -> Iterator[MakeDatabase]:
    """Makes an empty database (optionally of a given name) and returns its URL; dropped at the end.

    The test fails if one of our sessions or advisory locks is left in it.
    """
    with databases.fresh_databases(server, prefix=f"dbmigrate_test_{token_hex(4)}") as (make, names):
        yield make
        end_all(_processes)
        left = [f"{name}: {thing}" for name in names for thing in databases.leftovers(server, name)]
        if left:
            pytest.fail("left behind by dbmigrate:\n" + "\n".join(left))


@pytest.fixture
def database_url(make_database: MakeDatabase) -> str:
    """The URL of a fresh, empty database."""
    return make_database()


@pytest.fixture
def twin_database_url(make_database: MakeDatabase) -> str:
    """The URL of a second one, on the same server."""
    return make_database()


@pytest.fixture
def query():
    """`query(url, sql) -> rows`"""
    return databases.query


@pytest.fixture
def _processes() -> Iterator[Processes]:
    """What `start` started. Ended before a database is looked at for leftovers, whichever fixture came first."""
    processes: Processes = []
    yield processes
    end_all(processes)


@pytest.fixture
def runner(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, _processes: Processes) -> Runner:
    """`run` and `start` in one object."""
    return Runner(cwd=tmp_path, home=tmp_path_factory.mktemp("home"), environ=ENVIRON, started=_processes)


@pytest.fixture
def run(runner: Runner):
    """Runs the real program: `run("up", env={"DATABASE_URL": url}) -> CompletedRun`; see `Runner.run`."""
    return runner.run


@pytest.fixture
def start(runner: Runner):
    """Starts the real program and returns its Popen, for signals and for races; see `Runner.start`."""
    return runner.start


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project with an empty ``db/migrations`` in the directory that `run` works in."""
    project = Project(tmp_path)
    project.migrations.mkdir(parents=True)
    return project


@pytest.fixture
def open_tmp_path() -> Iterator[Path]:
    """Like `tmp_path`, but every account can pass through it: root's embedded server runs as another one."""
    path = Path(mkdtemp(prefix="dbmigrate-tests-", dir="/tmp"))
    path.chmod(0o711)
    yield path
    _remove(path)


def _remove(path: Path, patience: float = 20.0) -> None:
    """A server whose parent was killed is ended by its watchdog, and may still write for a moment."""
    end = time.monotonic() + patience
    while path.exists():
        try:
            shutil.rmtree(path)
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


@pytest.fixture
def unused_port() -> int:
    """A TCP port on 127.0.0.1 that nothing listens on now."""
    return free_port()


@pytest.fixture(scope="session")
def cluster_cache() -> Path:
    """Where ready-made clusters are kept between test runs: a server starts in 60 ms instead of 400."""
    return cache_directory(ENVIRON) / "clusters"


@pytest.fixture(autouse=True)
def _clean_environment() -> Iterator[None]:
    """No test sees the developer's databases, whatever his environment says."""
    with environment.without_database_variables():
        yield
