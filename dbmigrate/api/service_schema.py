"""The schema file of one of several services in a database: what its own migrations make, and nothing of the others.

It is made from a scratch database, on which what the service depends on was run first: the database itself does not
say whose an object is.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from dbmigrate.api import service_replay
from dbmigrate.connection import database
from dbmigrate.errors import DatabaseError, PlanError
from dbmigrate.events import Warned
from dbmigrate.execution.access import Access
from dbmigrate.execution.session import Session
from dbmigrate.migrations import find
from dbmigrate.model import Problem
from dbmigrate.schema import dump as schema_file
from dbmigrate.schema import parts
from dbmigrate.scratch import choose, running, schema_copy
from dbmigrate.tracking import provenance, read_history, write_log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from dbmigrate.api.options import Options
    from dbmigrate.api.service_replay import Replay
    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.events import Event
    from dbmigrate.model import Migration
    from dbmigrate.schema.parts import Title
    from dbmigrate.schema.versions import Dumping

__all__ = ["text"]

_COMMAND = "dump"
_MAJOR = 10000


def text(session: Session, options: Options, dumping: Dumping, arguments: Sequence[str]) -> str:
    """The normalised schema of the service, and its versions. Raises PlanError E260, E261, E293, ToolMissing E244."""
    replay, again = service_replay.of_needed(session, options), _repeatables(session, options)
    choice = options.scratch() if options.scratch else choose.Choice()
    major = session.facts.server_version // _MAJOR
    wanted = replace(choice, target=session.dsn, major=major, effects=replay.effects, spared=session.dsn)
    with choose.open_server(wanted) as server, server.database() as made:
        copy = schema_copy.with_settings_of(session, made)
        run = partial(running.run_all, server, copy)
        with _tracked(session, copy) as there:
            look = partial(schema_file.text, there, dumping, arguments=arguments)
            try:
                others = _run(replay, run, lambda: parts.texts(look()))
                run(again)
            except DatabaseError as exc:
                raise _unbuildable(exc, choose.hint_for(exc, server)) from exc
            whole = look()
    for problem in _changed(others, parts.texts(whole), replay.own):
        session.emit(Warned(problem))
    return parts.without(whole, others) if others else whole


def _run(
    replay: Replay, run: Callable[[Sequence[Migration]], None], look: Callable[[], Mapping[Title, str]]
) -> Mapping[Title, str]:
    """Run all of it; what the others have made, as they made it."""
    groups = list(replay.groups())
    others: dict[Title, str] = {}
    if all(is_own for is_own, _ in groups):
        for _, migrations in groups:
            run(migrations)
        return others
    mine = set(look())  # the tracking table
    for number, (is_own, migrations) in enumerate(groups, 1):
        run(migrations)
        if not is_own:
            others |= {title: part for title, part in look().items() if title not in mine}
        elif number < len(groups):
            mine |= look().keys() - others.keys()
    return others


@contextmanager
def _tracked(session: Session, copy: Dsn) -> Iterator[Session]:
    """A session of the scratch database, which has the tracking table of the service and its versions."""
    table = f"{session.tables.schema}.{session.tables.name}"
    with database.translated(session.dsn):
        versions = read_history.versions(session.conn, session.tables)
    with Session(Access(copy, _COMMAND, table, 0.0, _ignore, partial(provenance.describe, ()))) as there:
        there.lock()
        there.ensure_tables()
        with database.translated(copy):
            write_log.record_versions(there.conn, there.tables, versions)
        yield there


def _repeatables(session: Session, options: Options) -> Sequence[Migration]:
    found = find.look(options.directories, options.order).repeatables
    if not found:
        return ()
    from dbmigrate.api import repeatables_in_force

    return repeatables_in_force.in_force(found, session)


def _changed(others: Mapping[Title, str], now: Mapping[Title, str], own: str) -> Iterator[Problem]:
    """What the service has done to objects of others, which their schema files do not have either."""
    for title, before in others.items():
        if now.get(title) != before:
            who = f"service {own}" if own else "the project itself"
            yield Problem(
                "W740",
                f"{who} changes {title} of another service: no schema file has that change",
                hint="let the service that owns it make the change",
            )


def _unbuildable(exc: DatabaseError, hint: str | None) -> PlanError:
    message = f"what the migrations of this service make cannot be built in a scratch database: {exc.message}"
    return exc.recast(PlanError, message, code="E260", hint=hint)


def _ignore(event: Event) -> None:
    """The listener of the session on the scratch database."""
