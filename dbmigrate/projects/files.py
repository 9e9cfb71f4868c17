"""The files of a new project, as values: what is written where nothing is, what is advised where something is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from dbmigrate.model import Problem, Severity
from dbmigrate.projects.project_file_text import project_file, project_line
from dbmigrate.projects.values import File
from dbmigrate.settings.variables import VARIABLES
from dbmigrate.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbmigrate.projects.values import Choices, Layout
    from dbmigrate.settings.project_file import Project

__all__ = ["SCRIPTS", "directories", "files", "unkept"]

# the commands that other tools' users have as targets of make and scripts of npm
SCRIPTS = {
    "new": "new",
    "migrate": "up",
    "rollback": "rollback",
    "info": "status",
    "validate": "verify",
    "repair": "repair",
    "baseline": "baseline",
    "connect": "connect",
    "check": "check",
}
WORKFLOWS = ("db-check.yml", "db-migrate.yml", "db-scan.yml", "db-staging.yml")
# what a workflow of dbmigrate's own repository installs, with the comment above it
_INSTALLED = re.compile(r"(?m)^( *)# what pip installs: .*\n(?: *#.*\n)* *DBMIGRATE: .*$")

_RELEASE = (
    r"\1# what pip installs: a release, or the directory of a checkout of dbmigrate with [embedded,lint] behind it"
    f'\n\\1DBMIGRATE: "dbmigrate[embedded,lint]=={__version__}"'
)

_IGNORED = """\
# variables with passwords
.env
.env.dbmate
# rows of customers
backups/
# an embedded server
.dbmigrate/
"""
_ENV_IGNORED = r"/?(\*\*/)?\*?\.env\*?/?"
_MAKEFILE = """\
include db.mk

.PHONY: dev
dev: ## apply what is pending, then become the application: make dev CMD="npm start"
\t$(DBMIGRATE) run -- $(CMD)
"""
_MAKE_HEAD = """\
# Targets of dbmigrate; in a Makefile: include db.mk
#
#   make db-migrate                             make db-migrate DBMIGRATE_ENV=staging
#   make db-new ARGS='"add users"'              make db-baseline ARGS="20260301120000"
#
# ARGS are the arguments and options of the command.
DBMIGRATE ?= dbmigrate
"""
# GNU make takes the first target that it sees for the default one
_NO_DEFAULT = """\
ifeq ($(.DEFAULT_GOAL),db-new)
.DEFAULT_GOAL :=
endif
"""
_COMPOSE = """\
# db becomes healthy, migrate applies what is pending and ends, then the application starts. Try it alone:
#   docker compose -f compose.dbmigrate.yaml up
# In the compose file of the project (a service named db there replaces the one below: remove it here):
#   include: [compose.dbmigrate.yaml]
#   services:
#     app:
#       depends_on:
#         migrate:
#           condition: service_completed_successfully
services:
  db:
    image: postgres:18
    environment:
      POSTGRES_USER: app
      POSTGRES_PASSWORD: app
      POSTGRES_DB: app
    healthcheck:
      test: ["CMD-SHELL", "pg_isready -U app -d app"]
      interval: 2s
      timeout: 5s
      retries: 15

  migrate:
    build:
      dockerfile_inline: |
        FROM python:3.13-slim
        RUN pip install --no-cache-dir "dbmigrate=={version}"
        WORKDIR /app
        ENTRYPOINT ["dbmigrate"]
    command: ["up", "--wait", "--no-dump-schema"]
    environment:
      DATABASE_URL: postgres://app:app@db:5432/app?sslmode=disable
    volumes:
      - .:/app:ro
    depends_on:
      db:
        condition: service_healthy
    restart: "no"
"""


def directories(layout: Layout) -> tuple[str, ...]:
    return (*layout.migrations_dirs, layout.seeds_dir)


def files(layout: Layout, choices: Choices) -> Iterator[File]:
    """All that is wanted, in the order in which it is written."""
    yield File(".env.example", _shipped(".env.example"))
    yield File("dbmigrate.toml", project_file(layout.given))
    yield _attributes(layout)
    yield File(
        ".gitignore",
        _IGNORED,
        _ENV_IGNORED,
        _advice("W722", ".gitignore does not name .env, which holds passwords", ".env"),
    )
    if choices.workflow:
        yield from (File(f".github/workflows/{name}", _workflow(name, layout)) for name in WORKFLOWS)
    if choices.compose:
        yield File("compose.dbmigrate.yaml", _COMPOSE.replace("{version}", __version__))
    if choices.make:
        yield File("db.mk", _targets())
        advice = _advice("W723", "the Makefile has no targets db-migrate ...", "include db.mk")
        yield File("Makefile", _MAKEFILE, r".*db\.mk.*", advice)


def unkept(present: Project, layout: Layout) -> Iterator[Problem]:
    """What the options of this call say, and a project file that is there does not."""
    for name, variable in VARIABLES.items():
        wanted = layout.given.get(variable.key)
        found = present.values.get(name)
        if present.path and wanted is not None and (found is None or found.text != wanted):
            line = project_line(variable, wanted)
            yield _advice("W723", f"{present.path} does not say {line}, so later commands look elsewhere", line)


def _advice(code: str, message: str, line: str) -> Problem:
    return Problem(code, message, Severity.NOTE, hint=f"add the line: {line}")


def _attributes(layout: Layout) -> File:
    """The same bytes on every machine: schema files are compared, and applied migrations have checksums."""
    patterns = (*(_pattern(each, "/**/*.sql") for each in layout.migrations_dirs), _pattern(layout.schema_file))
    lines = [f"{pattern} text eol=lf" for pattern in patterns]
    text = "# the same bytes on every machine: applied files have checksums, the schema file is compared\n"
    merged = f"# branches that both change it merge; in each clone once: dbmigrate init\n{layout.merge_line}\n"
    message = ".gitattributes does not say how the lines of SQL files end: checksums could differ between machines"
    advice = _advice("W723", message, lines[0])
    text += "\n".join(lines) + "\n" + (merged if layout.merge_line else "")
    return File(".gitattributes", text, r".*(sql|eol=lf|text=auto).*", advice)


def _pattern(path: str, below: str = "") -> str:
    """As gitattributes(5) wants it: wildcards in a name are letters, and a name with a space or a quote is quoted."""
    plain = re.sub(r"([*?\[\\])", r"\\\1", _plain(path)) + below
    if not re.search(r'[\s"]', plain):
        return plain
    quoted = plain.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}"'


def _plain(path: str) -> str:
    return path.removeprefix("./").rstrip("/")


def _targets() -> str:
    rule = "db-{}: ## dbmigrate {}\n\t$(DBMIGRATE) {} $(ARGS)\n"
    rules = "\n".join(rule.format(target, command, command) for target, command in SCRIPTS.items())
    names = " ".join(f"db-{target}" for target in SCRIPTS)
    return f"{_MAKE_HEAD}\n.PHONY: {names}\n\n{rules}\n{_NO_DEFAULT}"


def _workflow(name: str, layout: Layout) -> str:
    """A workflow of dbmigrate's own repository, for a project that installs a release."""
    text = _INSTALLED.sub(_RELEASE, _shipped(f".github/workflows/{name}"))
    places = ", ".join(f'"{_plain(each)}/**"' for each in layout.migrations_dirs)
    return text.replace('"db/migrations/**"', places).replace('"db/**"', f'{places}, "db/**"')


def _shipped(name: str) -> str:
    """A file of dbmigrate's repository: an installed package has it in it."""
    here = Path(__file__).resolve().parent
    base = here / "shipped" if (here / "shipped").is_dir() else here.parents[1]
    return (base / name).read_text(encoding="utf-8")
