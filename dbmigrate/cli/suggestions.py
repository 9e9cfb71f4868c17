"""Suggestions for command lines that are written for another tool, or are incomplete. Pure."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["for_argument", "for_command", "for_option"]

# the commands of other migration tools (Flyway, Liquibase, Alembic, Django, Rails, goose, golang-migrate, Knex,
# Sequelize, Prisma, Diesel, sqlx, node-pg-migrate, Sqitch), by what they are here
_FOREIGN: dict[str, tuple[str, ...]] = {
    "up": (
        "latest",
        "upgrade",
        "run-pending",
        "migrate-up",
        "apply-all",
        "apply",
        "head",
        "update",
        "all",
        "sync",
        "push",
        "execute",
        "forward",
    ),
    "up -n 1": ("up-by-one", "upone", "next"),
    "up --to VERSION": ("up-to", "goto", "to"),
    "up --dry-run": ("dry-run", "dryrun", "plan", "preview", "script", "sql", "update-sql", "sqlmigrate"),
    "rollback": ("downgrade", "undo", "revert", "back", "backward", "unapply", "down-by-one"),
    "rollback --to VERSION": ("down-to", "rollback-to"),
    "rollback --all": ("reset", "undo-all", "undo:all", "rollback-all", "down-all", "rollback:all"),
    "redo": ("reapply", "refresh", "reup"),
    "new": ("generate", "make", "add", "create-migration", "makemigrations", "revision", "gen", "migration"),
    "status": ("pending", "list", "ls", "current", "show", "showmigrations", "version", "heads"),
    "history": ("log", "audit"),
    "verify": ("checksum", "checksums"),
    "drift": ("diff", "compare"),
    "repair": ("fix", "resolve"),
    "baseline VERSION": ("stamp", "fake", "changelog-sync", "changelogsync", "init-history"),
    "mark applied VERSION --reason TEXT": ("force", "mark-applied", "mark-ran", "skip"),
    "drop": ("clean", "drop-all", "dropdb"),
    "create": ("createdb", "setup"),
    "dump": ("schema:dump", "structure:dump", "dump-schema", "schema-dump"),
    "doctor": ("diagnose", "ping", "health", "test-connection", "env"),
    "locks": ("blockers", "activity", "ps", "kill"),
    "connect": ("psql", "shell", "console", "dbshell", "dbconsole"),
    "load": ("schema:load", "structure:load", "load-schema", "schema-load"),
}
_COMMAND_OF = {foreign: ours for ours, names in _FOREIGN.items() for foreign in names}
_PREFIX = re.compile(r"(?:db|migrate|migrations?|database):(?=.)")

# options that another command has, or that other tools spell otherwise; of single commands first
_OPTION_OF_COMMAND: dict[tuple[str, str], str] = {
    ("drop", "yes"): "--confirm DBNAME: the name of the database, where its environment is protected",
    ("load", "yes"): "--confirm DBNAME: the name of the database, where its environment is protected",
    ("drop", "force"): "--confirm DBNAME: the name of the database, where its environment is protected",
    ("deploy", "dryrun"): "`dbmigrate up --dry-run`",
    ("redo", "dryrun"): "`dbmigrate rollback --dry-run`",
    ("resume", "dryrun"): "`dbmigrate status` shows where it stopped",
    ("repair", "dryrun"): "`dbmigrate verify`",
    ("baseline", "to"): "`dbmigrate baseline VERSION`",
}
_OPTIONS: dict[str, str] = {
    "baselineversion": "`dbmigrate baseline VERSION`",
    "baselineonmigrate": "`dbmigrate baseline VERSION`",
    "target": "--to VERSION",
    "toversion": "--to VERSION",
    "count": "-n N",
    "step": "-n N",
    "last": "-n N",
    "number": "-n N",
    "locations": "--migrations-dir DIR",
    "path": "--migrations-dir DIR",
    "source": "--migrations-dir DIR",
    "dir": "--migrations-dir DIR",
    "directory": "--migrations-dir DIR",
    "migrations": "--migrations-dir DIR",
    "table": "--migrations-table NAME",
    "database": "--url URL",
    "databaseurl": "--url URL",
    "dsn": "--url URL",
    "connectionstring": "--url URL",
    "user": "the role in the URL: postgres://USER@HOST/NAME",
    "username": "the role in the URL: postgres://USER@HOST/NAME",
    "password": "PGPASSWORD, the password in DATABASE_URL, or --password-command",
    "host": "the host in the URL: postgres://USER@HOST/NAME",
    "port": "the port in the URL: postgres://USER@HOST:PORT/NAME",
    "schemas": "?search_path=SCHEMA in the URL",
    "defaultschema": "?search_path=SCHEMA in the URL",
    "outoforder": "--no-strict",
    "allowoutoforder": "--no-strict",
    "dryrun": "`dbmigrate up --dry-run`",
    "dryrunoutput": "`dbmigrate up --dry-run > FILE`",
    "pretend": "`dbmigrate up --dry-run`",
    "noinput": "--yes",
    "force": "--yes",
    "fake": "`dbmigrate mark applied VERSION --reason TEXT`",
    "environment": "-e NAME",
    "config": "dbmigrate.toml in the current directory, or --env-file FILE",
    "configfiles": "dbmigrate.toml in the current directory, or --env-file FILE",
    "locktimeoutms": "--lock-timeout DURATION",
    "output": "--json",
    "o": "--json",
}
_OF_TARGETS = frozenset(("targets", "targetsquery", "parallel", "shard", "canary", "maxfailures"))
_ENVIRONMENTS = frozenset(("dev", "development", "test", "staging", "stage", "production", "prod", "live"))
_LONGEST_COUNT = 3  # digits; a longer number is a version
_VERSIONED = {"up": "up", "migrate": "migrate", "rollback": "rollback", "down": "rollback"}


def for_command(name: str, known: Iterable[str]) -> str | None:
    """What an unknown command may have been meant to be."""
    plain = name.lower().replace("_", "-")
    bare = _PREFIX.sub("", plain)
    if bare != plain and bare in known:
        return _meant(f"dbmigrate {bare}")
    ours = _COMMAND_OF.get(plain) or _COMMAND_OF.get(bare)
    if ours is None:
        ours = next(iter(difflib.get_close_matches(bare, [*known, *_COMMAND_OF], 1, 0.75)), None)
        ours = _COMMAND_OF.get(ours, ours) if ours else None
    return _meant(f"dbmigrate {ours}") if ours else None


def for_argument(command: str, extra: str) -> str | None:
    """What a superfluous argument may have been meant to be."""
    ours = _VERSIONED.get(command)
    if ours and extra.lstrip("-").isdecimal():
        version = f"`dbmigrate {ours} --to {extra}`"
        if len(extra) > _LONGEST_COUNT or extra.startswith("0"):
            return f"did you mean {version}?"
        return f"did you mean `dbmigrate {ours} -n {extra.lstrip('-')}` (that many), or {version} (a version)?"
    if ours and extra.lower() in ("all", "head", "latest"):
        return _meant("dbmigrate rollback --all" if ours == "rollback" else f"dbmigrate {ours}")
    return _meant(f"dbmigrate {command} -e {extra}") if extra.lower() in _ENVIRONMENTS else None


def for_option(command: str, option: str, known: Sequence[str]) -> str | None:
    """What an unknown option, as it was written, may have been meant to be; `known` are those of the command."""
    name = option.split("=", 1)[0].lstrip("-")
    plain = re.sub("[-_.]", "", name).lower().removeprefix("flyway")
    special = _OPTION_OF_COMMAND.get((command, plain))
    if special is not None:
        return f"use {special}"
    if plain in _OPTIONS:
        return f"use {_OPTIONS[plain]}"
    spelled = {re.sub("-", "", other).lower(): other for other in known if other.startswith("--")}
    if plain in _OF_TARGETS and "--targets" not in known:
        return f"{command} works on one database: --url URL; `dbmigrate status --targets FILE` shows all targets"
    close = difflib.get_close_matches(plain, spelled, 1, 0.7)
    if command == "run" and not close:
        return "options of the program stand behind --: `dbmigrate run -- CMD ...`"
    return f"did you mean {spelled[close[0]]}?" if close else None


def _meant(command: str) -> str:
    return f"did you mean `{command}`?"
