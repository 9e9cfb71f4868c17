"""The settings that decide how a file's text is read: its encoding, and what a backslash in a string means.

Files are checked as UTF-8 with standard strings. After a change of these settings the server would read the rest of the
file differently; such a migration is refused.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING

from dbmigrate.errors import MigrationFailed, MigrationFileError
from dbmigrate.model import Place
from dbmigrate.sql import may_be_read_otherwise, words

if TYPE_CHECKING:
    from dbmigrate.connection.database import Connection
    from dbmigrate.model import Migration, Statement

_NEEDED = {"client_encoding": "UTF8", "standard_conforming_strings": "on"}
_HINT = "files are read as UTF-8 with standard strings: do not set {}"

_UNCHANGED = " AND ".join(
    f"pg_catalog.current_setting('{name}') OPERATOR(pg_catalog.=) '{wanted}'" for name, wanted in _NEEDED.items()
)
# A query for scripts that fails (22P02) where a setting has another value. It runs in the middle of a file, under the
# file's search_path.
PROOF = f"SELECT CASE WHEN {_UNCHANGED} THEN '1' ELSE 'the migration changed how its text is read' END::int;\n"
# The same as a column, where the error is to name the values: nobody can ask for them once they are rolled back.
_NAMED = "the migration reads its text with"
NAMING_PROOF = (
    f" CASE WHEN {_UNCHANGED} THEN '1' ELSE pg_catalog.concat('{_NAMED}',"
    + ",".join(f" ' {name}=', pg_catalog.current_setting('{name}')" for name in _NEEDED)
    + ") END::int,"
)

_SPELLINGS = {
    "client_encoding": ("'UTF8'", "'UTF-8'", "UTF8", "DEFAULT"),
    "standard_conforming_strings": ("ON", "TRUE", "'ON'", "DEFAULT"),
}
# the settings, and the ways to run dynamic SQL
_SUSPECT = re.compile(
    r"set_config|pg_settings|client_encoding|standard_conforming|execute|event\s+trigger", re.I
).search
_HARMLESS = re.compile(
    r"(?i:alter|analyze|comment|copy|create|delete|drop|grant|insert|lock|revoke|truncate|update)(?!\w)"
).match


def refuse_changed(conn: Connection, migration: Migration) -> None:
    """Raise MigrationFailed E406 when the file changed how its text is read."""
    for name, wanted in _NEEDED.items():
        if conn.pgconn.parameter_status(name.encode()) != wanted.encode():
            raise _changed_to(migration.name, name, conn.info.parameter_status(name))


def error_from(name: str, message: str) -> MigrationFailed | None:
    """The same error for the migration `name`, from the server's message about `NAMING_PROOF`."""
    if _NAMED not in message:
        return None
    found = dict(part.split("=", 1) for part in message.partition(_NAMED)[2].strip(' "').split(" ") if "=" in part)
    setting = next(each for each, wanted in _NEEDED.items() if found.get(each) != wanted)
    return _changed_to(name, setting, found.get(setting))


def _changed_to(name: str, setting: str, value: str | None) -> MigrationFailed:
    return MigrationFailed(f"{name} sets {setting} to {value!r}", code="E406", hint=_HINT.format(setting))


class SettingsGuard:
    """Decides before which statements of a script the settings have to be proved.

    The text of a statement does not show what it sets: a function or a trigger can do it. Statements that change rows
    and objects are trusted until the migration has a statement that could set one.
    """

    def __init__(self, migration: Migration | None) -> None:
        self._migration = migration
        self._is_trusted = True
        self._may_be_changed = False

    def is_due(self, statement: Statement) -> bool:
        """Whether the settings have to be proved before `statement`. Raises MigrationFileError E270."""
        if self._migration is not None:
            refuse(statement, self._migration)
        is_due = self._may_be_changed and may_be_read_otherwise(statement.lead, statement.sql)
        is_due = is_due or (self._may_be_changed and statement.copy_data is not None)
        self._is_trusted = self._is_trusted and not _SUSPECT(statement.sql)
        if is_due:
            self._may_be_changed = False
        self._may_be_changed = self._may_be_changed or not self._is_trusted or not _HARMLESS(statement.sql)
        return is_due


def refuse(statement: Statement, migration: Migration) -> None:
    """Raise MigrationFileError E270 for a SET command that changes how the file's text is read."""
    name = _changed(statement.sql)
    if name is not None:
        raise MigrationFileError(
            f"the dry run cannot be a script: this sets {name}, which decides how the text is read",
            code="E270",
            place=Place(migration.file.path, statement.line, statement.column),
            hint=_HINT.format(name),
        )


def takes_back(sql: str) -> bool:
    """Whether a statement resets the encoding to the value that the session was opened with."""
    if sql[:1].upper() not in ("R", "D", "S"):
        return False
    found = tuple(islice(words(sql), 5))
    return found[:2] in (("RESET", "ALL"), ("DISCARD", "ALL"), ("RESET", "CLIENT_ENCODING")) or (
        found[:1] == ("SET",) and "DEFAULT" in found
    )


def _changed(sql: str) -> str | None:
    """The setting that a SET command gives a wrong value, if it is such a command."""
    if sql[:3].upper() != "SET":
        return None
    found = [word for word in islice(words(sql), 6) if word != ";"]
    rest = found[2:] if found[1:2] in (["SESSION"], ["LOCAL"]) else found[1:]
    if rest[:1] == ["NAMES"]:
        rest = ["CLIENT_ENCODING", "TO", *rest[1:]]
    name = rest[0].lower() if rest else ""
    if name not in _NEEDED or len(rest) < 3:
        return None
    return None if rest[2].upper() in _SPELLINGS[name] else name
