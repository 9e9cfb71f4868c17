"""Do the application's queries work before and after each migration? Which migration breaks which query?"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dbmigrate.check import queries
from dbmigrate.check.values import found
from dbmigrate.model import Severity

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dbmigrate.check.queries import Query, Refusal
    from dbmigrate.connection.database import Connection
    from dbmigrate.model import Migration, Problem

_UNTYPED = "42P18"  # a parameter whose type PostgreSQL cannot determine
_SYNTAX = "42601"


@dataclass(slots=True)
class _State:
    """What is known of one query. `text` is the spelling that worked, once one has."""

    query: Query
    text: str | None = None
    refusal: Refusal | None = None
    broken_by: Migration | None = None
    spellings: Sequence[str] = field(default_factory=tuple)

    def prepare(self, conn: Connection, migration: Migration | None) -> None:
        """Prepare it on the schema that `migration` has left."""
        if self.text is not None:
            now = queries.prepare(conn, self.text)
            if now is not None and self.refusal is None:
                self.broken_by = migration
            self.refusal = now
            return
        refusals = []
        for text in self.spellings:
            refusal = queries.prepare(conn, text)
            if refusal is None:
                self.text, self.refusal = text, None
                return
            refusals.append(refusal)
        self.refusal = next((each for each in refusals if each.sqlstate != _SYNTAX), refusals[0])


class Application:
    """All queries, prepared on one schema after another."""

    def __init__(self, watched: Sequence[Query]) -> None:
        self._states = [_State(query, spellings=tuple(queries.spellings(query.sql))) for query in watched]

    def prepare(self, conn: Connection, migration: Migration | None = None) -> None:
        """Prepare every query now; `migration` is the one that has just been applied, None before the first."""
        for state in self._states:
            state.prepare(conn, migration)

    def problems(self) -> Iterator[Problem]:
        """What does not work on the last schema."""
        unclear = 0
        for state in self._states:
            if state.refusal is None:
                continue
            if state.broken_by is not None:
                yield _broken(state, state.broken_by, state.refusal)
            elif state.query.place is None:  # it uses a temporary table, or an object that was dropped since
                unclear += 1
            elif state.refusal.sqlstate == _UNTYPED:
                yield found("C112", _reason(state.refusal), state.query.place, severity=Severity.NOTE, hint=_CAST)
            else:
                yield found("C111", f"this query does not work: {_reason(state.refusal)}", state.query.place)
        if unclear:
            message = f"{unclear} statements of pg_stat_statements work neither before nor after the migrations"
            yield found("C112", message, None, severity=Severity.NOTE)


_CAST = "write the type: $1::text"


def _broken(state: _State, migration: Migration, refusal: Refusal) -> Problem:
    what = "this query" if state.query.place else f"the query `{state.query.name}`"
    message = f"{migration.name} breaks {what}: {_reason(refusal)}"
    hint = "change in two steps: add the new, release code that uses it, then drop the old in a later migration"
    return found("C110", message, state.query.place, hint=hint)


def _reason(refusal: Refusal) -> str:
    return f"{refusal.message} ({refusal.sqlstate})"
