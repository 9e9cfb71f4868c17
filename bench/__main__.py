"""Measure, print Markdown, and with --write make RESULTS.md of it.

    python -m bench [--cases startup,noop] [--rounds 5] [--quick] [--server 15] [--write]

The server is one of our own, on disk and as durable as PostgreSQL is by default. `--quick` takes some five minutes
(smaller files, fewer rounds), all of it some twenty. Another major version of the server shows how a newer pg_dump
helps at a distance.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from psycopg import sql

from bench import bulk, cases
from bench.cases import Setting
from bench.harness import Databases, Measured, measure
from dbmigrate.embedded import Options, Search, kept_server
from tests.support import dbmate, environment
from tests.support.servers import (
    PASSWORD,
    DatabaseServer,
    binaries_of,
    cache_directory,
    connected_server,
    free_port,
)

RESULTS = Path(__file__).with_name("RESULTS.md")
NOTES = Path(__file__).with_name("NOTES.md")
CASES = {
    "startup": cases.startup,
    "noop": cases.nothing_to_do,
    "rollback": cases.rollback,
    "many": cases.many_files,
    "dump": cases.dumping,
    "check": cases.checking,
    "inserts": bulk.inserts,
    "copy": bulk.copies,
    "growth": cases.growth,
}
DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}


def main() -> None:
    arguments = _arguments()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dbmigrate-bench-", dir="/var/tmp")))
        folder.chmod(0o711)  # root runs the server as another account
        environ = dict(os.environ)
        stack.enter_context(environment.without_database_variables())
        server = stack.enter_context(_server(folder / "server", arguments.server, environ))
        other = str(dbmate.binary(cache=cache_directory(environ)))
        setting = Setting(folder, Databases(server), other, arguments.rounds)
        if arguments.quick:
            setting = Setting(folder, setting.databases, other, 3, megabytes=20, many=2000)
        measured = list(_all(setting, arguments.cases))
        setting.databases.drop_all()
    text = _report(server, measured)
    print(text)
    if arguments.write:
        RESULTS.write_text(text)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=lambda text: text.split(","), default=list(CASES), help=", ".join(CASES))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="3 rounds, files of 20 MB, 2000 files")
    parser.add_argument("--server", type=int, default=None, help="PostgreSQL major version; default: the embedded one")
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.name}")
    return parser.parse_args()


@contextmanager
def _server(directory: Path, major: int | None, environ: dict[str, str]) -> Iterator[DatabaseServer]:
    binaries = binaries_of(major, environ=environ)
    options = Options(port=free_port(), settings=DURABLE)
    with (
        kept_server(directory, Search(bindir=binaries.bindir), options=options) as server,
        connected_server(server.conninfo(), is_ours=True) as database_server,
    ):
        database_server.admin.execute(sql.SQL("alter role postgres password {}").format(sql.Literal(PASSWORD)))
        yield database_server


def _all(setting: Setting, names: list[str]) -> Iterator[Measured]:
    for name in names:
        for case in CASES[name](setting):
            measured = measure(case, setting.folder, setting.databases.server)
            print(*measured.verdicts, sep="\n", flush=True)
            yield measured


def _report(server: DatabaseServer, measured: list[Measured]) -> str:
    machine = f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}, Python {platform.python_version()}"
    head = (
        f"# Measured\n\n{datetime.now(UTC):%Y-%m-%d}, {machine}, PostgreSQL {server.major} with its default durability,"
        f" dbmate {dbmate.VERSION}; made by `make bench`. The load of the machine was {os.getloadavg()[1]:.1f} at the"
        " end. Ratios are medians of ratios within a round; trust them rather than the times. `floor` is the least that"
        " a Python program on typer and psycopg can do (`floor.py`).\n"
    )
    targets = ("## Targets\n", "| case | target | reached | met |", "|---|---|---|---|")
    verdicts = [verdict for each in measured for verdict in each.verdicts]
    notes = NOTES.read_text() if NOTES.exists() else ""
    return "\n".join((head, *targets, *verdicts, "", notes, "## Tables\n", *(each.table for each in measured)))


if __name__ == "__main__":
    main()
