"""Every environment variable that is read, as data; a test compares the documentation with it."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from dbmigrate.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping


class Kind(Enum):
    """How a setting is written in the project file."""

    TEXT = "text"
    LIST = "a text, or a list of them"
    BOOLEAN = "true or false"
    NEGATION = "true or false, negated"  # dump-schema = false is DBMIGRATE_NO_DUMP_SCHEMA=true
    DURATION = "duration"


@frozen
class Variable:
    """An environment variable.

    `twin` is dbmate's name for it, `option` the flag that wins over both, `key` its name in the project file (none:
    it does not belong there), where it is of the `kind`.
    """

    purpose: str
    default: str = ""
    option: str = ""
    twin: str = ""
    key: str = ""
    kind: Kind = Kind.TEXT


# Every variable that is read; a name with a <placeholder> stands for many. The documentation is compared with it.
VARIABLES: Mapping[str, Variable] = {
    "DATABASE_URL": Variable("the target database", option="--url"),
    "DATABASE_URL_FILE": Variable("a file that holds the URL, such as a mounted secret"),
    "<NAME>_DATABASE_URL": Variable("the database of environment NAME (`-e name`)"),
    "<NAME>_DATABASE_URL_FILE": Variable("a file that holds that URL"),
    "DB_HOST": Variable("without a URL: the server's host or socket directory", "localhost"),
    "DB_PORT": Variable("without a URL: the server's port", "5432"),
    "DB_USER": Variable("without a URL: the role", "postgres"),
    "DB_PASSWORD": Variable("without a URL: the role's password"),
    "DB_NAME": Variable("without a URL: the database's name", "postgres"),
    "DB_SSLMODE": Variable("without a URL: libpq's sslmode", "prefer"),
    "PG<NAME>": Variable("libpq's variables (PGHOST, PGPASSWORD, PGSERVICE ...), for what is not set otherwise"),
    "DBMIGRATE_PASSWORD_COMMAND": Variable(
        "a command of the shell that prints the password, where none is given otherwise",
        "",
        "--password-command",
        key="password-command",
    ),
    "DBMIGRATE_ENV": Variable("the environment", option="--env"),
    "DBMIGRATE_SERVICE": Variable("the service: `[service.NAME]` of the project file", option="--service"),
    "DBMIGRATE_DRIVER": Variable("a driver in place of the URL's scheme", "", "--driver", "DBMATE_DRIVER"),
    "DBMIGRATE_MIGRATIONS_DIR": Variable(
        "the directories of migration files, separated by commas",
        "./db/migrations",
        "--migrations-dir",
        "DBMATE_MIGRATIONS_DIR",
        key="migrations-dir",
        kind=Kind.LIST,
    ),
    "DBMIGRATE_VERSION_ORDER": Variable(
        "the order of migrations: name (bytes of the file name, as in dbmate) or numeric (number of the version)",
        "name",
        "--version-order",
        key="version-order",
    ),
    "DBMIGRATE_MIGRATIONS_TABLE": Variable(
        "the tracking table, with or without a schema",
        "schema_migrations",
        "--migrations-table",
        "DBMATE_MIGRATIONS_TABLE",
        key="migrations-table",
    ),
    "DBMIGRATE_SCHEMA_FILE": Variable(
        "the schema file", "./db/schema.sql", "--schema-file", "DBMATE_SCHEMA_FILE", key="schema-file"
    ),
    "DBMIGRATE_SEEDS_DIR": Variable("the directory of seeds", "./db/seeds", "--seeds-dir", key="seeds-dir"),
    "DBMIGRATE_NO_DUMP_SCHEMA": Variable(
        "do not write the schema file",
        "false",
        "--no-dump-schema",
        "DBMATE_NO_DUMP_SCHEMA",
        key="dump-schema",
        kind=Kind.NEGATION,
    ),
    "DBMIGRATE_SCHEMA_VERSIONS": Variable(
        "how versions are written in the schema file: dbmate or scattered", "dbmate", key="schema-versions"
    ),
    "DBMIGRATE_PG_DUMP": Variable("the pg_dump command to use"),
    "DBMIGRATE_SCRATCH_URL": Variable(
        "a server for scratch databases: a new database is created there, and dropped at the end",
        "",
        "--scratch-url",
        "SHADOW_DATABASE_URL",
    ),
    "DBMIGRATE_LOCK_REPORT": Variable(
        "report in a dry run what the migrations lock, measured on a scratch database",
        "true",
        "--locks",
        key="lock-report",
        kind=Kind.BOOLEAN,
    ),
    "DBMIGRATE_PG_BIN": Variable("the directory of the embedded server's programs"),
    "DBMIGRATE_WAIT": Variable(
        "wait for the server before anything else", "false", "--wait", "DBMATE_WAIT", key="wait", kind=Kind.BOOLEAN
    ),
    "DBMIGRATE_WAIT_TIMEOUT": Variable(
        "how long to wait for it",
        "1m0s",
        "--wait-timeout",
        "DBMATE_WAIT_TIMEOUT",
        key="wait-timeout",
        kind=Kind.DURATION,
    ),
    "DBMIGRATE_WAIT_INTERVAL": Variable(
        "the pause between attempts",
        "1s",
        "--wait-interval",
        "DBMATE_WAIT_INTERVAL",
        key="wait-interval",
        kind=Kind.DURATION,
    ),
    "DBMIGRATE_LOCK_WAIT": Variable(
        "how long to wait for another run to end", "5m", "--lock-wait", key="lock-wait", kind=Kind.DURATION
    ),
    "DBMIGRATE_AUTO": Variable("whether `run` applies what is pending before it starts its command", "true"),
    "DBMIGRATE_ALLOW_POOLER": Variable(
        "work through a transaction pooler where that is safe",
        "false",
        "--allow-pooler",
        key="allow-pooler",
        kind=Kind.BOOLEAN,
    ),
    "DBMIGRATE_LOCK_TIMEOUT": Variable(
        "lock_timeout of every migration, 0 for none; without it short ones, with lock retries",
        "",
        "--lock-timeout",
        key="lock-timeout",
        kind=Kind.DURATION,
    ),
    "DBMIGRATE_TIMEOUT": Variable(
        "statement_timeout of every migration", "", "--timeout", key="timeout", kind=Kind.DURATION
    ),
    "DBMIGRATE_MAX_BLOCKED": Variable(
        "how long other sessions may wait for a statement before it is cancelled and tried again; 0 for no limit",
        "",
        "--max-blocked",
        key="max-blocked",
        kind=Kind.DURATION,
    ),
    "DBMIGRATE_PROTECTED": Variable(
        "protected environments, where changes need a confirmation, separated by commas",
        "production,prod,live",
        key="protected",
        kind=Kind.LIST,
    ),
    "DBMIGRATE_TEMPLATE": Variable(
        "the template of a new migration: a name, or a path", option="--template", key="template"
    ),
    "DBMIGRATE_TICKET_PATTERN": Variable(
        "a regular expression for ticket ids in comments; empty: none", key="ticket-pattern"
    ),
    "DBMIGRATE_STRICT": Variable(
        "refuse migrations older than the newest applied one; true by default on protected environments",
        "false",
        "--strict",
        "DBMATE_STRICT",
        key="strict",
        kind=Kind.BOOLEAN,
    ),
    "DBMIGRATE_METRICS_FILE": Variable(
        "a file for metrics in Prometheus' text format, written at the end of a run",
        "",
        "--metrics-file",
        key="metrics-file",
    ),
    "DBMIGRATE_LOG_FORMAT": Variable(
        "the form of the messages on stderr: text, json or logfmt", "text", "--log-format", key="log-format"
    ),
    "DBMIGRATE_SLOW_AFTER": Variable(
        "how long a migration may take before it is reported as slow, 0 for any time; it goes on",
        "",
        key="slow-after",
        kind=Kind.DURATION,
    ),
    "OTEL_EXPORTER_OTLP_ENDPOINT": Variable(
        "where traces are sent, with the extra `otel`; also `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`"
    ),
    "TRACEPARENT": Variable("the span of the caller (W3C trace context), for traces; also `TRACESTATE`"),
    "DBMIGRATE_VAR_<NAME>": Variable("the value of the variable NAME in migrations that declare it"),
    "DBMIGRATE_VERBOSE": Variable("print more messages", "false", "--verbose", "DBMATE_VERBOSE"),
    "NO_COLOR": Variable("no colours on terminals; pipes never get colours"),
}
