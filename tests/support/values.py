"""Builders of the package's values, for tests that need no database. What is left out has an unremarkable default."""

from __future__ import annotations

from datetime import UTC, datetime

from dbmigrate.model import (
    Applied,
    Direction,
    History,
    LogState,
    Migration,
    MigrationFile,
    Problem,
    Section,
    Statement,
    Step,
    StepRecord,
    Unfinished,
)
from dbmigrate.reports import Outcome

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def file(name: str) -> MigrationFile:
    """``file("1_users")`` is version 1 in ``db/migrations/1_users.sql``."""
    digits = name[: len(name) - len(name.lstrip("0123456789"))]
    return MigrationFile(digits, f"{name}.sql", f"db/migrations/{name}.sql")


def files(*names: str) -> tuple[MigrationFile, ...]:
    return tuple(file(name) for name in names)


def migration(
    name: str,
    *,
    ups: int = 1,
    downs: int = 1,
    transaction: bool = True,
    irreversible: bool = False,
    problems: tuple[Problem, ...] = (),
) -> Migration:
    """A parsed file with so many statements in its up and its down section."""
    sections = (
        Section(Direction.UP, 0, 1, transaction=transaction, count=ups),
        Section(Direction.DOWN, 1, 4, transaction=transaction, irreversible=irreversible, count=downs),
    )
    return Migration(file(name), sections, checksum=f"sum of {name}", problems=problems)


def parsed(*migrations: Migration | str) -> dict[str, Migration]:
    """Migrations by version, as a plan wants them; a name stands for an ordinary migration."""
    built = [migration(item) if isinstance(item, str) else item for item in migrations]
    return {item.version: item for item in built}


def applied(version: str, name: str | None = None) -> Applied:
    """An applied version; with the name of its file if a log knows it, else as dbmate leaves it."""
    return Applied(version, f"{name}.sql" if name else None)


def history(*versions: str | Applied, unfinished: tuple[Unfinished, ...] = ()) -> History:
    """What a database holds; a bare version stands for one that dbmate recorded."""
    return History(tuple(applied(item) if isinstance(item, str) else item for item in versions), unfinished)


def unfinished(
    name: str, *states: LogState, direction: Direction = Direction.UP, error: str | None = None
) -> Unfinished:
    """A migration without a transaction that stopped; one state for each of its statements that was begun."""
    steps = tuple(StepRecord(number, state, f"sum {number}", error=error) for number, state in enumerate(states, 1))
    return Unfinished(file(name).version, f"{name}.sql", direction, NOON, steps, error)


def step(name: str, direction: Direction = Direction.UP) -> Step:
    return Step(file(name).version, f"{name}.sql", direction, migration=migration(name))


def outcome(
    name: str,
    direction: Direction = Direction.UP,
    *,
    seconds: float = 0.5,
    statements: int = 1,
    rows: int | None = None,
) -> Outcome:
    return Outcome(step(name, direction), seconds, statements, rows)


def statement(sql: str, *, lead: str = "", copy_data: list[str] | None = None) -> Statement:
    return Statement(sql, 1, 1, lead=lead, copy_data=copy_data)
