"""`lint --fix` in this process: a base migration, one that is to be rewritten, and what became of it."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from dbmigrate.connection import dsn
from dbmigrate.lint import LintConfig
from dbmigrate.lint.fix.run import FileResult, Options, fix
from dbmigrate.migrations import find, parser
from dbmigrate.model import Migration, Order
from dbmigrate.scratch.choose import Choice

FIXTURES = Path(__file__).parent.parent / "rewriting" / "fixtures"
OWN = LintConfig(uses_squawk=False)
CHANGED = "002_change.sql"


def text_of(fixture: str, name: str) -> str:
    return (FIXTURES / fixture / f"{name}.sql").read_text("utf-8")


def oldest_version(fixture: str) -> int:
    """The first PostgreSQL that a fixture is for: ``-- versions: 18-99``."""
    found = re.match(r"-- versions: (\d+)", text_of(fixture, "setup"))
    return int(found[1]) if found else 13


def migrations(directory: Path) -> list[Migration]:
    return [parser.read(file) for file in find.find([str(directory)], Order.NAME)]


def write_project(directory: Path, setup: str, change: str | bytes) -> Path:
    """Two migrations: `setup` as the up section of the first one, and `change` as the second file."""
    (directory / "001_setup.sql").write_text(f"-- migrate:up\n{setup}\n-- migrate:down irreversible:true\n", "utf-8")
    path = directory / CHANGED
    path.write_bytes(change if isinstance(change, bytes) else change.encode())
    return path


def rewritten(
    url: str, directory: Path, *, config: LintConfig = OWN, allows_split: bool = False, only: Collection[str] = ("002",)
) -> FileResult | None:
    """What `lint --fix` makes of the second file; None if it finds nothing to rewrite there."""
    options = Options(config, frozenset(only), allows_split=allows_split)
    results = fix(migrations(directory), options, Choice(explicit=dsn.parse(url)))
    return next((each for each in results if Path(each.path).name == CHANGED), None)
