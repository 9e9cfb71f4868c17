"""PostgreSQL's client programs: psql for the scripts of a dry run, pg_dump for fingerprints."""

from __future__ import annotations

import os
import subprocess
from functools import cache
from pathlib import Path

from dbmigrate.connection.programs import Search, client_programs
from tests.support import environment
from tests.support.commands import CompletedRun

ENVIRON = dict(os.environ)  # as the test run was started; the tests themselves see a cleaned one


@cache
def programs(name: str) -> tuple[str, ...]:
    """Where psql or pg_dump of this machine are, the newest version first: system packages and the server's wheel."""
    found = client_programs(Search.from_environ({"PATH": ENVIRON.get("PATH", os.defpath)}), name)
    return tuple(program.command[0] for program in found)


def program(name: str) -> str:
    """The newest psql or pg_dump: both work with every older server."""
    assert programs(name), f"there is no {name} on this machine"
    return programs(name)[0]


def psql(url: str, script: str, *options: str, path: str | None = None, **env: str) -> CompletedRun:
    """Run a script as ``... | psql -X URL`` does. `env` is added to the clean environment; `path` is another psql."""
    arguments = ("-X", "-d", url, *options)
    done = subprocess.run(
        [path or program("psql"), *arguments],
        env=environment.clean(ENVIRON, home=Path("/nonexistent")) | env,
        input=script.encode(),
        capture_output=True,
        timeout=120,
    )
    return CompletedRun(arguments, done.returncode, done.stdout.decode(), done.stderr.decode())
