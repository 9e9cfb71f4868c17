"""The least that a Python program on psycopg can do for the same work: the floor that dbmigrate is measured against.

    python -c 'from bench.floor import main; main()' status|up|rollback|check DIRECTORY [COUNT]

No lock, no log, no checks: read the versions, send what is missing, one transaction each with its version row.
`rollback` undoes the last COUNT; `check` is up, down and up again.
"""

from __future__ import annotations

import os
import sys

import psycopg
import typer  # noqa: F401 (a command line needs something of the kind)


def pending(conn, directory):
    applied = {row[0] for row in conn.execute("select version from schema_migrations")}
    return [name for name in sorted(os.listdir(directory)) if name.partition("_")[0] not in applied]


def sections(directory, name):
    with open(os.path.join(directory, name), encoding="utf-8") as file:
        up, _, down = file.read().partition("-- migrate:down")
    return up, down


def up(conn, directory):
    conn.execute("create table if not exists schema_migrations (version varchar primary key)")
    for name in pending(conn, directory):
        version = name.partition("_")[0]
        record = f"insert into schema_migrations (version) values ('{version}');"
        conn.execute(f"begin;\n{sections(directory, name)[0]}\n;{record}commit".encode())


def down(conn, directory, count=None):
    missing = set(pending(conn, directory))
    applied = [name for name in sorted(os.listdir(directory), reverse=True) if name not in missing]
    for name in applied[:count]:
        version = name.partition("_")[0]
        record = f"delete from schema_migrations where version = '{version}';"
        conn.execute(f"begin;\n{sections(directory, name)[1]}\n;{record}commit".encode())


def main():
    command, directory, *count = sys.argv[1:]
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        if command == "up":
            up(connection, directory)
        elif command == "rollback":
            down(connection, directory, int(count[0]))
        elif command == "check":
            for run in (up, down, up):
                run(connection, directory)
        else:
            print(len(pending(connection, directory)))
