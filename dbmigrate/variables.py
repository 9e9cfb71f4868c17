"""Every environment variable that is read, as data: the documentation is compared with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Variable:
    """An environment variable. `twin` is dbmate's name for it, `option` the flag that wins over both."""

    purpose: str
    default: str = ""
    option: str = ""
    twin: str = ""


# Every variable that is read; a name with a <placeholder> stands for many. The documentation is compared with it.
VARIABLES: Mapping[str, Variable] = {
    "DATABASE_URL": Variable("the database to work on", option="--url"),
    "DATABASE_URL_FILE": Variable("a file that holds the URL, such as a mounted secret"),
    "<NAME>_DATABASE_URL": Variable("the database of environment NAME (`-e name`)"),
    "<NAME>_DATABASE_URL_FILE": Variable("a file that holds that URL"),
    "DB_HOST": Variable("without a URL: the server's host or socket directory", "localhost"),
    "DB_PORT": Variable("without a URL: the server's port", "5432"),
    "DB_USER": Variable("without a URL: the role", "postgres"),
    "DB_PASSWORD": Variable("without a URL: the role's password"),
    "DB_NAME": Variable("without a URL: the database's name", "postgres"),
    "DB_SSLMODE": Variable("without a URL: libpq's sslmode", "prefer"),
    "PG<NAME>": Variable("libpq's variables (PGHOST, PGPASSWORD, PGSERVICE ...) fill in what nothing else says"),
    "DBMIGRATE_ENV": Variable("the environment", option="--env"),
    "DBMIGRATE_DRIVER": Variable("a driver in place of the URL's scheme", "", "--driver", "DBMATE_DRIVER"),
    "DBMIGRATE_MIGRATIONS_DIR": Variable(
        "the directories of migration files, separated by commas",
        "./db/migrations",
        "--migrations-dir",
        "DBMATE_MIGRATIONS_DIR",
    ),
    "DBMIGRATE_MIGRATIONS_TABLE": Variable(
        "the tracking table, with or without a schema",
        "schema_migrations",
        "--migrations-table",
        "DBMATE_MIGRATIONS_TABLE",
    ),
    "DBMIGRATE_SCHEMA_FILE": Variable("the schema file", "./db/schema.sql", "--schema-file", "DBMATE_SCHEMA_FILE"),
    "DBMIGRATE_NO_DUMP_SCHEMA": Variable(
        "leave the schema file alone", "false", "--no-dump-schema", "DBMATE_NO_DUMP_SCHEMA"
    ),
    "DBMIGRATE_SCHEMA_VERSIONS": Variable("how versions stand in the schema file: dbmate or scattered", "dbmate"),
    "DBMIGRATE_PG_DUMP": Variable("the pg_dump command to use"),
    "DBMIGRATE_PG_BIN": Variable("the directory of the embedded server's programs"),
    "DBMIGRATE_WAIT": Variable("wait for the server before anything else", "false", "--wait", "DBMATE_WAIT"),
    "DBMIGRATE_WAIT_TIMEOUT": Variable("how long to wait for it", "1m0s", "--wait-timeout", "DBMATE_WAIT_TIMEOUT"),
    "DBMIGRATE_WAIT_INTERVAL": Variable("the pause between tries", "1s", "--wait-interval", "DBMATE_WAIT_INTERVAL"),
    "DBMIGRATE_LOCK_WAIT": Variable("how long to wait for another run to end", "5m", "--lock-wait"),
    "DBMIGRATE_ALLOW_POOLER": Variable(
        "work through a transaction pooler, where that is safe", "false", "--allow-pooler"
    ),
    "DBMIGRATE_LOCK_TIMEOUT": Variable(
        "lock_timeout of every migration, 0 for none; without it short ones, tried again", "", "--lock-timeout"
    ),
    "DBMIGRATE_TIMEOUT": Variable("statement_timeout of every migration", "", "--timeout"),
    "DBMIGRATE_PROTECTED": Variable(
        "the environments on which the careful choice is the default, separated by commas", "production,prod,live"
    ),
    "DBMIGRATE_STRICT": Variable(
        "refuse migrations older than the newest applied one; true by default on protected environments",
        "false",
        "--strict",
        "DBMATE_STRICT",
    ),
    "DBMIGRATE_VERBOSE": Variable("say more", "false", "--verbose", "DBMATE_VERBOSE"),
}
