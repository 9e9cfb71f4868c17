"""What ``liquibase update-sql`` prints for changes that are not SQL: each one below a line with its key."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dbmigrate.importing.liquibase_sql import Change, Line
from dbmigrate.importing.texts import statements
from dbmigrate.sql import words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dbmigrate.importing.texts import Text

__all__ = ["in_printed_order", "printed_changes"]

_MARK = re.compile(r"^--[ \t]*Changeset[ \t]+(?P<path>.+?)::(?P<id>.*)::(?P<author>[^:\n\r]+?)[ \t]*\r?$", re.MULTILINE)
_RELEASE = re.compile(r"^--[ \t]*Release Database Lock", re.MULTILINE)
_OWN = {"DATABASECHANGELOG", "DATABASECHANGELOGLOCK"}


def printed_changes(text: Text) -> Iterator[tuple[str, Change]]:
    """The path and the change of each mark, without what concerns Liquibase's own tables and its search_path."""
    marks = list(_MARK.finditer(text.text))
    if not marks:
        raise text.error("no line '-- Changeset PATH::ID::AUTHOR', as `liquibase update-sql` prints them", 1)
    released = _RELEASE.search(text.text)
    last = released.start() if released else len(text.text)
    for mark, end in zip(marks, [*(each.start() for each in marks[1:]), last], strict=True):
        line = text.line_of(mark.start())
        sql = _without_own(text.piece(mark.end(), end))
        lines = tuple(Line(line + 1 + number, each) for number, each in enumerate(sql.splitlines()))
        yield mark["path"].removeprefix("classpath:"), Change(mark["author"], mark["id"], "", line, lines)


def _without_own(text: Text) -> str:
    sql = text.text
    for each in reversed(statements(text)):
        said = [word.strip('"').upper() for word in words(each.sql)]
        if said[:2] == ["SET", "SEARCH_PATH"] or _OWN & set(said):
            sql = sql[: each.offset] + sql[each.offset + len(each.sql) :]
    return sql


def in_printed_order(keys: Sequence[str], printed: Sequence[str]) -> list[str]:
    """All keys: those that were printed in that order, the others behind the one before them."""
    made: list[str] = []
    waiting = list(keys)
    known = set(keys)
    for key in printed:
        if key not in known or key in made:
            continue
        while waiting and waiting[0] not in printed:
            made.append(waiting.pop(0))
        if key in waiting:
            waiting.remove(key)
        made.append(key)
    return [*made, *(key for key in waiting if key not in made)]
