"""What of the environment the program under test may see."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import dbmigrate

PACKAGE_PARENT = Path(dbmigrate.__file__).parent.parent

# Enough for Python and for the loader; nothing that names a database, a terminal, or a CI system.
KEPT = ("PATH", "TMPDIR", "LD_LIBRARY_PATH", "COVERAGE_PROCESS_START", "COVERAGE_FILE")


def changes_what_we_do(name: str) -> bool:
    return (
        name.startswith(("PG", "DBMATE_", "DBMIGRATE_", "DB_"))
        or name.endswith(("DATABASE_URL", "DATABASE_URL_FILE"))
        or name == "NO_COLOR"
    )


def clean(environ: Mapping[str, str], *, home: Path) -> dict[str, str]:
    """The environment of a child process: an empty home, UTF-8, the package that the tests import."""
    kept = {name: environ[name] for name in KEPT if name in environ}
    return kept | {
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(PACKAGE_PARENT),
        "PYTHONNOUSERSITE": "1",
        # a server of its own for every dry run; the tests of the lock report ask for it with --locks
        "DBMIGRATE_LOCK_REPORT": "false",
    }


@contextmanager
def without_database_variables() -> Iterator[None]:
    """This very process, for a while, without the variables that would lead to somebody's database."""
    hidden = {name: value for name, value in os.environ.items() if changes_what_we_do(name)}
    for name in hidden:
        del os.environ[name]
    try:
        yield
    finally:
        for name in [name for name in os.environ if changes_what_we_do(name)]:
            del os.environ[name]
        os.environ.update(hidden)
