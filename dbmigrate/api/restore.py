"""The public Python API of backups: one is taken now, or restored into a database of its own."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from dbmigrate.api.base import ApiBase
from dbmigrate.api.records import Upkeep
from dbmigrate.connection import database, programs
from dbmigrate.errors import Error, PlanError, Refused
from dbmigrate.events import Targeted
from dbmigrate.model import Problem
from dbmigrate.planning import plan
from dbmigrate.reports import Restored
from dbmigrate.schema import archives, backup
from dbmigrate.schema.restored_database import Place, by_hand

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dbmigrate.reports import Backup, Finding

__all__ = ["Backups"]

_SHOWN = 5


class Backups(ApiBase):
    """Backups of one database."""

    def take(self, directory: str, environ: Mapping[str, str]) -> Backup:
        """Back the database up now, as `up --backup` does. Raises what `backup.take` raises."""
        with self._open("backup") as session:
            return backup.take(session, directory, environ, now=partial(datetime.now, UTC))

    def restore(self, path: str, environ: Mapping[str, str], *, replacing: bool = False) -> Restored:
        """Restore a backup into a new database, whose history has to agree with the files; the target stays as it is.

        With `replacing` it is refused at once where sessions are connected to the target (E729). Raises ConfigError
        E207, E227 (not an archive), ToolMissing E206, Refused E703, E704, DatabaseError E418 (no new database), E431
        (the archive cannot be restored), which leave nothing; Refused E728 (the history), after which it is there.
        """
        started, archive, place = time.monotonic(), Path(path), self._place
        if not replacing:  # otherwise somebody was asked about it
            self._on_event(Targeted(self._where, f"restore {path}"))
        with place.maintenance() as conn:
            facts = database.facts(conn)
            database.refuse_shared_session(facts, "CREATE DATABASE works on the whole server")
            database.refuse_unwritable(facts, self._dsn)
            search, major = programs.Search.from_environ(environ), facts.server_version // 10000
            restorer = archives.Restorer.of(search, environ, major=major)
            archives.refuse_other(archive, restorer)
            if replacing:
                place.refuse_sessions(conn, "nothing was changed")
            self._warn(place.leftovers(conn))
            has_target = place.has_target(conn)
            new, beside = place.names(conn)
        previous = beside if has_target else None
        place.fill(new, archive, restorer)
        made = Restored(path, new, place.renames(new, previous), previous)
        return replace(self._verified(made), seconds=time.monotonic() - started)

    def replace(self, restored: Restored) -> None:
        """Do the renames: both, or neither. Raises Refused E729 (sessions are connected), DatabaseError E419."""
        state = f"{self._dsn.database} was not touched; {restored.database} is complete"
        self._place.rename(restored.renames, state)

    @property
    def _place(self) -> Place:
        return Place(self._dsn, self._on_event)

    def _verified(self, made: Restored) -> Restored:
        """With what its history says. Raises Refused E728 if the files do not agree with it."""
        there = Upkeep(self._dsn.with_database(made.database), self._options, on_event=self._on_event)
        try:
            serious = self._disagreements(there, made)
            recorded, files = there.recorded(), there._known_files()
        except Error as exc:
            raise self._keeping(exc, made) from exc
        if serious or (files and not recorded.applied):
            raise self._keeping(_disagreement(serious, made), made)
        pending = plan.pending_versions(files, recorded)
        current = plan.newest(files, [item.version for item in recorded.applied], self._options.order)
        return replace(made, current=current, applied=len(recorded.applied), pending=len(pending))

    def _disagreements(self, there: Upkeep, made: Restored) -> Sequence[Finding]:
        try:
            return [each for each in there.verify() if each.is_serious]
        except PlanError as exc:
            if exc.code not in ("E230", "E235"):
                raise
            message = f"the history of {made.database} was compared with nothing: {exc.message}"
            self._warn((Problem("W702", message, hint="run it where the migrations are"),))
            return ()

    def _keeping(self, error: Error, made: Restored) -> Error:
        error.state = f"{self._dsn.database} was not touched; {made.database} holds what was restored"
        return error


def _disagreement(serious: Sequence[Finding], made: Restored) -> Refused:
    more = f" and {len(serious) - _SHOWN} more" if len(serious) > _SHOWN else ""
    names = ", ".join(f"{each.name} ({each.deviation})" for each in serious[:_SHOWN])
    what = f"disagrees with the files: {names}{more}" if serious else "records no migration"
    hint = f"check that it is the right backup, and this the checkout that it belongs to; then {by_hand(made.renames)}"
    return Refused(f"the history of {made.database} {what}", code="E728", hint=hint)
