"""The repeatable migrations that a database has run last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.connection import database
from dbmigrate.migrations.repeatables import name_of
from dbmigrate.model import Direction, MigrationFile
from dbmigrate.tracking import read_repeatables

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dbmigrate.execution.session import Session
    from dbmigrate.model import Migration
    from dbmigrate.planning.repeatables import Entry

__all__ = ["in_force", "kept", "newest"]


def newest(session: Session | None) -> Mapping[str, Entry]:
    """The newest log entry of each; none without a database."""
    if session is None:
        return {}
    with database.translated(session.dsn):
        return read_repeatables.newest(session.conn, session.tables)


def in_force(files: Sequence[MigrationFile], session: Session) -> tuple[Migration, ...]:
    """What ran last of each, in the order in which it ran: as the log keeps it; a very large one as its file is."""
    entries = (entry for entry in newest(session).values() if entry.checksum is not None)
    by_name = {file.version: file for file in files}
    found: list[Migration] = []
    for entry in sorted(entries, key=lambda entry: entry.event_id):
        with database.translated(session.dsn):
            text = read_repeatables.text(session.conn, session.tables, entry.event_id)
        if text is not None:
            found.append(kept(entry.name, text))
        elif entry.name in by_name:
            from dbmigrate.migrations import parser

            found.append(parser.read(by_name[entry.name], (Direction.UP,)))
    return tuple(found)


def kept(name: str, text: str) -> Migration:
    """A text that the log keeps."""
    from dbmigrate.migrations import parser

    shown = name_of(name)
    return parser.read_text(MigrationFile(name, shown, shown, is_repeatable=True), text)
