"""Files that are gone, written back from what the old table keeps of them: Supabase's has the statements that ran."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dbmigrate.errors import ConfigError
from dbmigrate.importing.texts import Text, as_one_message
from dbmigrate.importing.values import ForeignMigration, Judgement, Reading, State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dbmigrate.importing.values import Answers, Row, Tool

__all__ = ["ANSWER", "written_back"]

ANSWER = "lost-files"  # as `--option` takes it
_WRITE = "write"


def written_back(tool: Tool, reading: Reading, rows: Sequence[Row], answers: Answers) -> Reading:
    """With a migration for each row of which the table keeps the SQL and no file is there, where that was asked for.

    Raises ConfigError E205 for another answer.
    """
    if ANSWER not in answers.options:
        return reading
    if answers.options[ANSWER] != _WRITE:
        raise ConfigError(f"--option {ANSWER}={answers.options[ANSWER]}: it has to be {_WRITE}", code="E205")
    lost = [
        _migration(row)
        for row in rows
        if row.sql and row.state is State.APPLIED and not any(tool.matches(each, row) for each in reading.migrations)
    ]
    judged = (Judgement(f"{each.path} is written back from the old table", hint=None) for each in lost)
    migrations = sorted([*reading.migrations, *lost], key=lambda each: each.sort_key)
    return replace(reading, migrations=tuple(migrations), judgements=(*reading.judgements, *judged))


def _migration(row: Row) -> ForeignMigration:
    """As its file would be read. The old tool sorts by the names of the files."""
    assert row.sql is not None
    name = row.name or "lost"
    path = f"{row.key}_{name.replace(' ', '_')}.sql"
    part = as_one_message(Text(path, row.sql, row.sql))
    sums = {"kept": row.checksum} if row.checksum else {}
    return ForeignMigration(row.key, name, path, ups=(part,), downs=None, sort_key=(path.encode(),), sums=sums)
