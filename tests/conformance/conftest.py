"""Fixtures: `program` is each of the two programs in turn; `dbmigrate` and `dbmate` are both at once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from secrets import token_hex

import pytest

from dbmigrate.embedded import throwaway_server
from tests.conformance.programs import Name, Program, database_of, with_parameters
from tests.support import dbmate as released
from tests.support.commands import Runner
from tests.support.databases import MakeDatabase
from tests.support.servers import DatabaseServer, UnavailableError, binaries_of, cache_directory
from tests.support.servers import make_url as server_url

ENVIRON = dict(os.environ)  # before the tests clean it


@pytest.fixture(scope="session")
def dbmate_binary() -> Path:
    try:
        return released.binary(cache=cache_directory(ENVIRON) / "npm")
    except UnavailableError as exc:
        pytest.skip(f"dbmate {released.VERSION}: {exc}")


@pytest.fixture(scope="session")
def client_programs(server: DatabaseServer) -> Path:
    """The directory of a pg_dump that can dump the server; npm's servers come without one."""
    for major in (server.major, None):
        with suppress(UnavailableError):
            found = binaries_of(major, environ=ENVIRON)
            if found.major >= server.major and (found.bindir / "pg_dump").exists():
                return found.bindir
    pytest.skip(f"no pg_dump for PostgreSQL {server.major}")


@pytest.fixture
def dbmigrate(runner: Runner, client_programs: Path, request: pytest.FixtureRequest) -> Program:
    """In the matrix each run is in an interpreter of its own, as dbmate's."""
    options = request.config.getoption
    is_fresh = bool(options("--everything") or options("--server-versions"))
    return Program(Name.DBMIGRATE, replace(runner, is_fresh=is_fresh), client_programs)


@pytest.fixture
def dbmate(runner: Runner, client_programs: Path, dbmate_binary: Path) -> Program:
    real = released.Dbmate(dbmate_binary, runner.cwd, runner.home, runner.environ, runner.started)
    return Program(Name.DBMATE, real, client_programs)


# the released dbmate does not change: that it does what these tests say is looked at in the matrix
_PROGRAMS = [
    pytest.param(name, id=str(name), marks=[pytest.mark.matrix] if name is Name.DBMATE else []) for name in Name
]


@pytest.fixture(params=_PROGRAMS)
def program(request: pytest.FixtureRequest) -> Program:
    """Each of the two in turn."""
    chosen: Program = request.getfixturevalue(request.param.value)
    return chosen


@pytest.fixture
def make_url(make_database: MakeDatabase) -> Callable[..., str]:
    """As `make_database`, with a URL that both programs understand: dbmate wants TLS unless told otherwise."""

    def make(name: str | None = None, /, **parameters: str) -> str:
        return with_parameters(make_database(name), **{"sslmode": "disable", **parameters})

    return make


@pytest.fixture
def url(make_url: Callable[..., str]) -> str:
    """The URL of a fresh, empty database, for both programs."""
    return make_url()


@pytest.fixture
def absent_url(make_url: Callable[..., str], server: DatabaseServer) -> str:
    """The URL of a database that does not exist; what a test makes there is dropped at its end."""
    url = make_url()
    server.drop(database_of(url))
    return url


@pytest.fixture
def twin_url(make_url: Callable[..., str]) -> str:
    """The URL of a second one, on the same server."""
    return make_url()


@pytest.fixture
def tcp_url(url: str, server: DatabaseServer) -> str:
    """The same database through TCP, with a password that needs percent-encoding."""
    if not server.is_ours:
        pytest.skip("a server that is not ours need not listen on TCP")
    return with_parameters(server.tcp_url(database_of(url)), sslmode="disable")


@pytest.fixture
def absent_name() -> Callable[[str], str]:
    """A name that no other test uses at the same time, made of the given one."""
    return lambda name: f"{name} {token_hex(4)}"


@pytest.fixture
def lone_url(server: DatabaseServer, cluster_cache: Path) -> Iterator[Callable[[str], str]]:
    """The URL of a database on a server that only this test uses."""
    if not server.is_ours:
        pytest.skip("the tests were given a server, and may have no programs for another one")
    with throwaway_server(binaries_of(server.major, environ=ENVIRON), cache=cluster_cache) as lone:
        yield lambda name: with_parameters(server_url({**lone.conninfo(), "dbname": name}), sslmode="disable")
