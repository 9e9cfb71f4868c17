"""What the comments of a numbered file say: ``Purpose:``, ``Dependencies:``, ``Rollback:``, ``Environment:``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dbmigrate.errors import MigrationFileError
from dbmigrate.frozen import frozen
from dbmigrate.importing.texts import statements

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dbmigrate.importing.texts import Text

_KEY = re.compile(
    r"(?P<key>Migration|Purpose|Description|Dependencies|Depends[ -]on|Requires|Rollback|Undo|Down|Environments?|Env"
    r"|Version|Author|Date|Created|Notes?)\s*:\s*(?P<rest>.*)",
    re.IGNORECASE,
)
_RULE = re.compile(r"[-=*#~\s]*")
_DEPENDS = ("dependencies", "depends on", "depends-on", "requires")
_ROLLBACK = ("rollback", "undo", "down")
_NOTHING = re.compile(r"(?:(?:none|n/?a|nothing|no)\b[^0-9]*)?", re.IGNORECASE)
_FILE = re.compile(r"[\w./-]+\.sql", re.IGNORECASE)
_DEPENDENCY = re.compile(r"`?(?P<number>[0-9]+)(?:[-_][\w.-]*?)?(?:\.sql)?`?", re.IGNORECASE)
_FILLER = frozenset({"requires", "migration", "migrations", "and", "depends", "on", "see", "file", "files"})
_ONLY = re.compile(r"\b(production|prod|staging|stage|development|dev|test|local)[ -]only\b", re.IGNORECASE)
_EVERYWHERE = frozenset({"all", "any", "every", "both", ""})
_OBJECT = (
    "AGGREGATE|CAST|COLLATION|DOMAIN|EVENT TRIGGER|EXTENSION|FOREIGN|FUNCTION|INDEX|MATERIALIZED VIEW|OPERATOR|POLICY"
    "|PROCEDURE|PUBLICATION|ROLE|RULE|SCHEMA|SEQUENCE|STATISTICS|SUBSCRIPTION|TABLE|TRIGGER|TYPE|UNIQUE INDEX|USER|VIEW"
)
_UNDOES = re.compile(
    rf"(?:(?:DROP|ALTER|CREATE(?: OR REPLACE)?) (?:{_OBJECT})|DELETE FROM|INSERT INTO|UPDATE \S+ SET|TRUNCATE \S+ ?;"
    r"|TRUNCATE TABLE|COMMENT ON|REVOKE|GRANT|BEGIN ?;|START TRANSACTION)(?!\w)",
    re.IGNORECASE,
).match


@frozen
class Entry:
    """What stands behind a key, line by line."""

    line: int
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.lines).split())


@frozen
class Header:
    """The entries by their keys, in lower case, and the environment that the file is said to be for."""

    entries: Mapping[str, Entry]
    environment: str | None = None

    def entry(self, keys: Sequence[str]) -> Entry | None:
        return next((self.entries[key] for key in keys if key in self.entries), None)

    @property
    def depends(self) -> Entry | None:
        return self.entry(_DEPENDS)

    @property
    def rollback(self) -> Entry | None:
        return self.entry(_ROLLBACK)


def header(text: Text) -> Header:
    """The comments above the first statement, and those below the last one."""
    found = statements(text)
    lines = text.text.split("\n")
    first = found[0].line - text.first_line if found else len(lines)
    end = text.line_of(found[-1].offset + len(found[-1].sql)) - text.first_line + 1 if found else len(lines)
    entries: dict[str, Entry] = {}
    for begin, block in ((0, lines[:first]), (end, lines[end:])):
        for key, entry in _entries(block, text.first_line + begin).items():
            entries.setdefault(key, entry)
    only = _ONLY.search("\n".join(line for line in lines[:first] if line.lstrip().startswith("--")))
    return Header(entries, _environment(entries) or (only[1].lower() if only else None))


def _entries(block: Sequence[str], first_line: int) -> dict[str, Entry]:
    entries: dict[str, Entry] = {}
    key = ""
    for number, line in enumerate(block, first_line):
        comment = line.strip()
        said = comment.removeprefix("--").strip()
        match = _KEY.match(said)
        if not comment.startswith("--") or (key and _RULE.fullmatch(said) and said):
            key = ""
        elif match is not None:
            key = match["key"].lower()
            entries.setdefault(key, Entry(number, (match["rest"],) if match["rest"] else ()))
        elif key and said:
            entries[key] = Entry(entries[key].line, (*entries[key].lines, said))
    return entries


def _environment(entries: Mapping[str, Entry]) -> str | None:
    for key in ("environment", "environments", "env"):
        if key in entries and entries[key].text.lower() not in _EVERYWHERE:
            return entries[key].text
    return None


def dependencies(entry: Entry) -> tuple[int, ...] | None:
    """The numbers of the files that an entry names; None if it is a text that says something else."""
    if _NOTHING.fullmatch(" ".join(line.lstrip("-* ") for line in entry.lines)):
        return ()
    words = [word.strip(",;.()") for line in entry.lines for word in line.lstrip("-* ").split()]
    words = [word for word in words if word.lower().rstrip(":") not in _FILLER and word]
    found = [_DEPENDENCY.fullmatch(word) for word in words]
    return tuple(int(match["number"]) for match in found if match) if all(found) else None


def rollback_file(entry: Entry) -> str | None:
    """The name of the file that an entry refers to."""
    match = _FILE.search(entry.text)
    return match[0].rpartition("/")[2] if match else None


def rollback_sql(entry: Entry, text: Text) -> str | None:
    """The SQL that stands in the comment itself."""
    sql = "\n".join(entry.lines) + "\n"
    is_sql = sql.rstrip().endswith(";") and _UNDOES(" ".join(sql.split()))
    return sql if is_sql and _is_whole(text.with_text(sql)) else None


def _is_whole(text: Text) -> bool:
    """Whether no quote is left open, as an apostrophe in prose would leave it."""
    try:
        statements(text)
    except MigrationFileError:
        return False
    return True
