"""The least that a Python program on psycopg can do for the same work: the floor that dbmigrate is measured against.

    python -m bench.floor status|up|check DIRECTORY

No lock, no log, no checks: read the versions, send what is missing, one transaction each with its version row. `check`
is up, down and up again.
"""

from __future__ import annotations

import os
import sys

import psycopg
import typer  # noqa: F401 (a command line needs something of the kind)


def pending(conn, directory):
    conn.execute("create table if not exists schema_migrations (version varchar primary key)")
    applied = {row[0] for row in conn.execute("select version from schema_migrations")}
    return [name for name in sorted(os.listdir(directory)) if name.partition("_")[0] not in applied]


def sections(directory, name):
    with open(os.path.join(directory, name), encoding="utf-8") as file:
        up, _, down = file.read().partition("-- migrate:down")
    return up, down


def up(conn, directory):
    for name in pending(conn, directory):
        version = name.partition("_")[0]
        record = f"insert into schema_migrations (version) values ('{version}');"
        conn.execute(f"begin;\n{sections(directory, name)[0]}\n;{record}commit".encode())


def down(conn, directory):
    for name in sorted(os.listdir(directory), reverse=True):
        version = name.partition("_")[0]
        record = f"delete from schema_migrations where version = '{version}';"
        conn.execute(f"begin;\n{sections(directory, name)[1]}\n;{record}commit".encode())


with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
    if sys.argv[1] == "up":
        up(connection, sys.argv[2])
    elif sys.argv[1] == "check":
        for run in (up, down, up):
            run(connection, sys.argv[2])
    else:
        print(len(pending(connection, sys.argv[2])))
