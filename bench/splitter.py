"""How fast migration files are read, and how much memory that takes.

    python -m bench.splitter --sizes 1,10,100

Every row is a file of one kind of content, generated into a temporary directory, and read by a process of its own: once
for checking (`parser.read`) and once for running (`parser.statements`), in CPU time. MB are 10^6 bytes; the peak is the
process's. `sqlparse.split` is measured on 1 MB only: larger texts take minutes.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bench.report import Chapter, Verdict, line, table

MB = 1_000_000

_DDL = """
-- table number {0}
CREATE TABLE shop.item_{0} (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL DEFAULT 'none' CHECK (name <> ''),  -- shown to customers
    price numeric(12, 2) NOT NULL,
    UNIQUE (name, price)
);
CREATE INDEX item_{0}_price ON shop.item_{0} USING btree (price) WHERE price > 0;
COMMENT ON TABLE shop.item_{0} IS 'what is sold; it''s number {0}';
ALTER TABLE ONLY shop.item_{0} ADD CONSTRAINT item_{0}_positive CHECK (price - 1 >= 0);
"""
_PLPGSQL = """
CREATE OR REPLACE FUNCTION shop.touch_{0}() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    -- don't stop here; go on
    IF NEW.name IS DISTINCT FROM OLD.name THEN
        NEW.changed := now();
    END IF;
    RETURN NEW;
END;
$body$;
"""


def ddl(number: int) -> str:
    return _DDL.format(number)


def one_row(number: int) -> str:
    return f"INSERT INTO shop.item (id, name, price) VALUES ({number}, 'item no. {number}, it''s new', {number}.50);\n"


def many_rows(number: int) -> str:
    rows = ",\n".join(f"  ({number}, 'item no. {number}-{row}, it''s new', {row}.50)" for row in range(500))
    return f"INSERT INTO shop.item (id, name, price) VALUES\n{rows};\n"


def functions(number: int) -> str:
    return _PLPGSQL.format(number)


def copy_data(number: int) -> str:
    rows = "".join(f"{number}\titem no. {number}-{row}, it's new; really\t{row}.50\n" for row in range(10_000))
    return f"COPY shop.item (id, name, price) FROM stdin;\n{rows}\\.\n"


HEAD = ("content", "MB", "statements", "check", "run", "peak", "`sqlparse.split`")
LEAST = {"DDL": 10, "one-row INSERTs": 20, "multi-row INSERTs": 20}  # MB/s
LINEAR = 0.8  # of the MB/s of a tenth of the size, at least
_SAID = "`check` of a file of up to 1 MiB makes the checksum of its tokens as well, which larger files do not have."
ROOT = Path(__file__).parents[1]
CONTENTS: dict[str, Callable[[int], str]] = {
    "DDL": ddl,
    "one-row INSERTs": one_row,
    "multi-row INSERTs": many_rows,
    "PL/pgSQL functions": functions,
    "COPY data": copy_data,
}


def content(make: Callable[[int], str], size: int) -> Iterator[str]:
    written = 0
    for number in itertools.count(1):
        part = make(number)
        yield part
        written += len(part)
        if written >= size:
            return


def write(path: str, make: Callable[[int], str], size: int) -> None:
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        file.write("-- migrate:up\n")
        file.writelines(content(make, size))
        file.write("-- migrate:down\n")


def measure(path: str) -> dict[str, float]:
    """Read a file as `dbmigrate up` does. Runs in a process of its own, so that its peak of memory is its own."""
    from dbmigrate.migrations import parser
    from dbmigrate.model import MigrationFile

    begin = time.process_time()
    migration = parser.read(MigrationFile("1", os.path.basename(path), path))
    checked = time.process_time()
    count = 0
    for statement in parser.statements(migration, migration.sections[0]):
        count += 1
        for _ in statement.copy_data or ():
            pass
    done = time.process_time()
    return {
        "check": checked - begin,
        "run": done - checked,
        "count": count,
        "rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def measure_sqlparse(path: str) -> float:
    import sqlparse

    with open(path, encoding="utf-8") as file:
        text = file.read()
    begin = time.process_time()
    sqlparse.split(text)
    return time.process_time() - begin


def row(name: str, megabytes: float, directory: str) -> tuple[dict[str, float], tuple[str, ...]]:
    """MB/s by pass, and the cells of the table."""
    path = os.path.join(directory, "1_bench.sql")
    write(path, CONTENTS[name], int(megabytes * MB))
    size = os.path.getsize(path) / MB
    command = [sys.executable, "-m", "bench.splitter", "--measure", path]
    child = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    found = json.loads(child.stdout)
    speeds = {which: size / found[which] for which in ("check", "run")}
    stock = f"{size / measure_sqlparse(path):.2f} MB/s" if megabytes == 1 else ""
    os.unlink(path)
    cells = (
        name,
        f"{size:,.1f}",
        f"{found['count']:,.0f}",
        *(f"{speed:.0f} MB/s" for speed in speeds.values()),
        f"{found['rss']:.0f} MB",
        stock,
    )
    return speeds, cells


def rows(sizes: Sequence[float]) -> Iterator[tuple[str, float, dict[str, float], tuple[str, ...]]]:
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
        for megabytes in sizes:
            for name in CONTENTS:
                yield name, megabytes, *row(name, megabytes, directory)


def chapter(sizes: Sequence[float]) -> Chapter:
    """The table, with the targets of the largest size and of growth up to it."""
    found = list(rows(sizes))
    speeds = {(name, size): by_pass for name, size, by_pass, _ in found}
    *_, before, last = sizes
    verdicts = [
        Verdict(f"splitting {last:g} MB, {name}", f">= {least} MB/s", f"{slowest:.0f} MB/s", slowest >= least)
        for name, least in LEAST.items()
        for slowest in [min(speeds[name, last].values())]
    ]
    growth = {
        name: min(speeds[name, last][of] / speeds[name, before][of] for of in ("check", "run")) for name in CONTENTS
    }
    worst = min(growth, key=lambda name: growth[name])
    verdicts.append(
        Verdict(
            f"splitting is linear: MB/s at {last:g} MB to MB/s at {before:g} MB",
            f">= {LINEAR}",
            f"{growth[worst]:.2f} ({worst})",
            growth[worst] >= LINEAR,
        )
    )
    text = table(HEAD, [cells for *_, cells in found])
    return Chapter("Reading files, in CPU time", f"{text}\n\n{_SAID}", tuple(verdicts))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--sizes", default="1,10,100", help="MB, separated by commas")
    options.add_argument("--measure", metavar="FILE", help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.measure:
        print(json.dumps(measure(given.measure)))
        return
    print(line(*HEAD), "|" + "---|" * len(HEAD), sep="\n")
    for *_, cells in rows([float(word) for word in given.sizes.split(",")]):
        print(line(*cells), flush=True)


if __name__ == "__main__":
    main()
