"""``python -m bench [--cases startup,noop] [--rounds 5] [--write]``: measure, print Markdown, write RESULTS.md."""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from bench.cases import CASES, Setting
from bench.harness import Databases, measure
from tests.support import dbmate, environment
from tests.support.servers import cache_directory, server_of_major

RESULTS = Path(__file__).with_name("RESULTS.md")


def main() -> None:
    arguments = _arguments()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dbmigrate-bench-")))
        environ = dict(os.environ)
        stack.enter_context(environment.without_database_variables())
        server = stack.enter_context(server_of_major(arguments.server, environ=environ))
        other = dbmate.binary(cache=cache_directory(environ))
        setting = Setting(folder, Databases(server), str(other), arguments.rounds)
        text = "\n".join((_head(server.version), *_tables(setting, arguments.cases, folder)))
        setting.databases.drop_all()
    if arguments.write:
        RESULTS.write_text(text)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--cases", type=lambda text: text.split(","), default=list(CASES))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--server", type=int, default=None, help="PostgreSQL major version; default: the embedded one")
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.name}")
    return parser.parse_args()


def _head(version: object) -> str:
    machine = f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}, Python {platform.python_version()}"
    return (
        f"# Measured\n\n{datetime.now(UTC):%Y-%m-%d}, {machine}, PostgreSQL {version}, dbmate {dbmate.VERSION}."
        " Ratios are medians of ratios within a round; trust them rather than the times.\n"
    )


def _tables(setting: Setting, names: list[str], home: Path) -> list[str]:
    tables = []
    for name in names:
        for case in CASES[name](setting):
            tables.append(measure(case, home))
            print(tables[-1], flush=True)
    return tables


if __name__ == "__main__":
    main()
