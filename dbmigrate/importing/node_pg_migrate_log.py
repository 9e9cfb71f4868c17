"""What ``node-pg-migrate up --dry-run --verbose`` prints: the SQL of each migration, code included, as it would be run.

Seen with 9.0.0. A migration begins with ``### MIGRATION name (UP) ###`` and ends with the INSERT into the tool's table;
one with ``pgm.noTransaction()`` stands between COMMIT and BEGIN, and every one between BEGIN and COMMIT where the runs
are not in a single transaction.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dbmigrate.importing.scripts import Script
from dbmigrate.importing.texts import refuses_transaction, statements
from dbmigrate.importing.values import Part
from dbmigrate.model import StatementKind

if TYPE_CHECKING:
    from dbmigrate.importing.texts import Text

_BEGINNING = re.compile(r"^### MIGRATION (?P<name>.*) \((?:UP|DOWN)\) ###\r?$", re.MULTILINE)
_END = re.compile(r"^(?:### MIGRATION |Migrations complete!)", re.MULTILINE)
_RECORD = re.compile(r'INSERT INTO "[^;]*" \(name, run_on\) VALUES \(\'[^;]*\', NOW\(\)\);')


def is_log(text: Text) -> bool:
    return _BEGINNING.search(text.text) is not None


def logged(log: Text, name: str) -> Script:
    """The SQL of a migration. Raises MigrationFileError E281: it is not in the log, or is not SQL."""
    start = next((each for each in _BEGINNING.finditer(log.text) if each["name"] == name), None)
    if start is None:
        hint = "an applied migration is not printed: run the dry run on an empty database"
        raise log.error(f"the log has no `### MIGRATION {name} (UP) ###`", 1, hint=hint)
    end = _END.search(log.text, start.end())
    text = log.piece(min(start.end() + 1, len(log.text)), end.start() if end else len(log.text))
    found = list(statements(text))
    own = [each for each in found if _RECORD.fullmatch(each.sql)]
    is_wrapped = len(found) > 1 and {found[0].kind, found[-1].kind} == {StatementKind.BEGIN, StatementKind.COMMIT}
    own += [found[0], found[-1]] if is_wrapped else []
    sql = text.text
    for each in sorted(own, key=lambda statement: -statement.offset):
        sql = sql[: each.offset] + sql[each.offset + len(each.sql) :]
    kept = [each for each in found if each not in own]
    is_outside = is_wrapped and found[0].kind is StatementKind.COMMIT
    if not kept:
        return Script()
    return Script((Part(sql.strip("\r\n") + "\n", transaction=not is_outside and not refuses_transaction(kept)),))
