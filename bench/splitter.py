"""How fast migration files are read, and how much memory that takes, as a Markdown table.

    python bench/splitter.py --sizes 1,10,100

Every row is a file of one kind of content, generated into a temporary directory, and read by a process of its own: once
for checking (`parser.read`) and once for running (`parser.statements`). MB are 10^6 bytes; RSS is the process's peak.
`sqlparse.split` is measured on 1 MB only: larger texts take minutes.
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
from collections.abc import Callable, Iterator

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
    from dbmigrate import parser
    from dbmigrate.model import MigrationFile

    begin = time.perf_counter()
    migration = parser.read(MigrationFile("1", os.path.basename(path), path))
    checked = time.perf_counter()
    count = 0
    for statement in parser.statements(migration, migration.sections[0]):
        count += 1
        for _ in statement.copy_data or ():
            pass
    done = time.perf_counter()
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
    begin = time.perf_counter()
    sqlparse.split(text)
    return time.perf_counter() - begin


def row(name: str, make: Callable[[int], str], megabytes: float, directory: str) -> str:
    path = os.path.join(directory, "1_bench.sql")
    write(path, make, int(megabytes * MB))
    size = os.path.getsize(path) / MB
    child = subprocess.run([sys.executable, __file__, "--measure", path], check=True, capture_output=True, text=True)
    found = json.loads(child.stdout)
    stock = f"{size / measure_sqlparse(path):.2f}" if megabytes == 1 else ""
    os.unlink(path)
    return (
        f"| {name} | {size:,.1f} | {found['count']:,.0f} | {size / found['check']:.0f} | {size / found['run']:.0f}"
        f" | {found['rss']:.0f} | {stock} |"
    )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--sizes", default="1,10,100", help="MB, separated by commas")
    options.add_argument("--measure", metavar="FILE", help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.measure:
        print(json.dumps(measure(given.measure)))
        return
    print("| content | MB | statements | check MB/s | run MB/s | peak RSS MiB | sqlparse.split MB/s |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as directory:
        for megabytes in map(float, given.sizes.split(",")):
            for name, make in CONTENTS.items():
                print(row(name, make, megabytes, directory), flush=True)


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    main()
