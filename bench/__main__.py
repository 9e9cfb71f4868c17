"""Measure, print Markdown, and with --write make RESULTS.md of it.

    python -m bench [--only startup,noop] [--rounds 5] [--quick] [--server 15] [--write]

The server is one of our own, on disk, with PostgreSQL's default settings. All of it takes some twenty minutes,
`--quick` five: smaller files, fewer of them, fewer rounds. Between two runs some minutes should pass, because the first
one ends with the deletion of many files, which ext4 makes the next ones pay for.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from bench import bulk, cases, comparing, fixtures, importing, inside, report, revisions, tenants
from bench.harness import Case, measure
from bench.report import Chapter
from bench.setting import QUICK, Databases, Others, Setting, Size, default_server
from tests.support import dbmate, environment
from tests.support.servers import UnavailableError

RESULTS = Path(__file__).with_name("RESULTS.md")
NOTES = Path(__file__).with_name("NOTES.md")

# In this order: what deletes files comes after what would have to pay for it.
CASES: dict[str, Callable[[Setting], Iterator[Case | Chapter]]] = {
    "startup": cases.startup,
    "noop": cases.nothing_to_do,
    "counts": inside.counts,
    "dump": cases.dumping,
    "many": cases.many_files,
    "import": importing.taking_over,
    "growth": cases.growth,
    "inserts": bulk.inserts,
    "copy": bulk.copies,
    "answers": bulk.answers,
    "far": cases.dumping_far_away,
    "rollback": cases.rollback,
    "check": cases.checking,
    "drift": comparing.drift,
    "scratch": inside.scratch_server,
    "splitter": inside.splitting,
    "lint": inside.long_words,
    "report": inside.pages,
    "stalls": inside.stalled_writers,
    "backfill": inside.backfilled,
    "tenants": tenants.databases,
    "schemas": tenants.schemas,
    "tenants-noop": tenants.nothing_to_do,
    "fixtures": fixtures.sessions,
}


def main() -> None:
    arguments = _arguments()
    began = time.monotonic()
    with ExitStack() as stack:
        setting = _setting(stack, arguments)
        notes = [*setting.others.missing]
        load = os.getloadavg()[0]
        chapters = [chapter for name in arguments.only for chapter in _run(name, setting, notes)]
        minutes = (time.monotonic() - began) / 60
        text = _text(setting, chapters, notes, f"{load:.1f} at the start; all took {minutes:.0f} minutes")
    print(text)
    if arguments.write:
        RESULTS.write_text(text)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", type=_names, default=list(CASES), metavar="NAMES", help=f"some of {', '.join(CASES)}")
    parser.add_argument("--rounds", type=int, help="of every case, at most")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, files of 20 MB, 2000 files")
    parser.add_argument("--server", type=int, default=None, help="PostgreSQL major version; default: the embedded one")
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.name}")
    given = parser.parse_args()
    if given.write and set(given.only) != set(CASES):
        parser.error(f"{RESULTS.name} is about all cases: --write without --only")
    return given


def _names(text: str) -> list[str]:
    names = text.split(",")
    for name in names:
        if name not in CASES:
            raise argparse.ArgumentTypeError(f"{name} is none of {', '.join(CASES)}")
    return names


def _setting(stack: ExitStack, arguments: argparse.Namespace) -> Setting:
    # not in memory, whatever TMPDIR says: the disk is part of what is measured
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dbmigrate-bench-", dir="/var/tmp")))
    folder.chmod(0o711)  # root runs the server as another account
    environ = dict(os.environ)
    stack.enter_context(environment.without_database_variables())
    server = stack.enter_context(default_server(folder / "server", arguments.server, environ))
    size = QUICK if arguments.quick else Size()
    if arguments.rounds:
        size = replace(size, short=arguments.rounds, long=arguments.rounds)
    return Setting(folder, environ, Databases(server), Others.found(environ), size, stack)


def _run(name: str, setting: Setting, notes: list[str]) -> Iterator[Chapter]:
    """Measure the cases of one name, saying on stderr what is reached; a reason why there are none is noted."""
    began = time.monotonic()
    try:
        for case in CASES[name](setting):
            if isinstance(case, Case):
                chapter = report.chapter(measure(case, setting.folder, setting.databases.server))
            else:
                chapter = case
            for verdict in chapter.verdicts:
                print(verdict.row, file=sys.stderr)
            yield chapter
    except UnavailableError as exc:
        notes.append(f"`{name}` is left out: {exc}")
    print(f"({name}: {time.monotonic() - began:.0f} s)", file=sys.stderr)


def _text(setting: Setting, chapters: list[Chapter], notes: list[str], run: str) -> str:
    machine = f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}, Python {platform.python_version()}"
    server = f"PostgreSQL {setting.databases.server.major} with its default settings, over TCP"
    smaller = ", smaller (`--quick`)" if setting.size.megabytes < Size().megabytes else ""
    head = (
        f"# Measured\n\n{datetime.now(UTC):%Y-%m-%d}, {machine}, {server}; dbmate {dbmate.VERSION}, Alembic"
        f" {revisions.VERSION}. Made by `make bench`{smaller}. The load of the machine was {run}.\n\n"
        "Ratios are medians of ratios within a round; trust them rather than the times, which are medians over all"
        " rounds. `floor` is the least that a Python program on typer and psycopg can do (`floor.py`): no lock, no log,"
        " no checks. Alembic runs the same SQL from revision files.\n"
    )
    verdicts = [verdict for chapter in chapters for verdict in chapter.verdicts]
    parts = (
        head,
        *(f"- {note}" for note in notes),
        *([""] if notes else []),
        f"## Targets\n\n{report.targets(verdicts)}\n",
        NOTES.read_text(),
        "## Tables\n",
        *(chapter.text for chapter in chapters),
    )
    return "\n".join(parts)


if __name__ == "__main__":
    main()
