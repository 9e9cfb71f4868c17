"""What the log knows of the values that a migration's variables had when it ran."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.connection import database
from dbmigrate.migrations import variables
from dbmigrate.planning import variables as rules
from dbmigrate.tracking import value_hashes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dbmigrate.execution.session import Session
    from dbmigrate.model import Migration, Step
    from dbmigrate.tracking.value_hashes import Recorded

__all__ = ["refuse_other", "with_names"]


def with_names(session: Session, migration: Migration) -> Migration:
    """A migration whose file is gone: the log knows which variables it declared."""
    if ":'" not in (migration.down_sql or "") and ':"' not in (migration.down_sql or ""):
        return migration
    known = _recorded(session, migration.version)
    return variables.declaring(migration, known.hashes if known else ())


def refuse_other(session: Session, steps: Sequence[Step]) -> None:
    """Raise Refused E740 for variables that have other values than those that `steps` undo or go on with."""
    for step in steps:
        known = _recorded(session, step.version)
        if known is not None:
            rules.refuse_other(step, known.compared, known.is_same)


def _recorded(session: Session, version: str) -> Recorded | None:
    with database.translated(session.dsn):
        return value_hashes.recorded(session.conn, session.tables, version)
