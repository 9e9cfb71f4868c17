"""L14x: the file as a whole: its name, its size, its down section."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dbmigrate.lint.context import Finding
from dbmigrate.lint.rule import file_rule
from dbmigrate.lint.sql.shape import AddEnumValue, CreateTable
from dbmigrate.migrations import conditions, find
from dbmigrate.model import Direction, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbmigrate.lint.context import File
    from dbmigrate.model import Section

_MOST_OLD_TABLES = 3
_MOST_NEW_TABLES = 10
_UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|TBD)\b", re.IGNORECASE).search
_WORDS_OF_A_REASON = 3
# a comment that begins so, and ends with a semicolon, is SQL
_SQL_VERBS = re.compile(
    r"(alter|create|delete|drop|grant|insert|revoke|truncate|update|comment)\s", re.IGNORECASE
).match


@file_rule("L141", "no-down", "an empty down section")
def no_down(file: File) -> Iterator[Finding]:
    for section in _empty_downs(file):
        comments = [text for _, text in _comments_below(file, section)]
        words = [word for text in comments if not _is_sql(text) for word in text.split()]
        is_reason = len(words) >= _WORDS_OF_A_REASON and not _UNFINISHED(" ".join(words))
        if not is_reason and not any(map(_is_sql, comments)):
            yield Finding(
                section.line,
                "the down section is empty: rollback removes the version and undoes nothing",
                "write the down section, or `-- migrate:down irreversible:true`, or a comment that says why not",
            )


@file_rule("L142", "down-only-comments", "the SQL of the down section is commented out")
def down_is_commented_out(file: File) -> Iterator[Finding]:
    for section in _empty_downs(file):
        line = next((line for line, text in _comments_below(file, section) if _is_sql(text)), None)
        if line is not None:
            yield Finding(
                line,
                "the SQL of the down section is commented out: rollback undoes nothing",
                "uncomment the SQL, or remove it",
            )


def _empty_downs(file: File) -> Iterator[Section]:
    """Where another pair undoes something, an empty down is that of a pair with nothing to undo, such as VALIDATE."""
    downs = [section for section in file.migration.sections if section.direction is Direction.DOWN]
    for section in () if any(section.count for section in downs) else downs:
        if section.direction is Direction.DOWN and not section.count and not section.irreversible:
            yield section


def _comments_below(file: File, section: Section) -> Iterator[tuple[int, str]]:
    lines = [other.line for other in file.migration.sections if other.line > section.line]
    end = min(lines, default=None)
    for line, text in file.comments:
        is_below = section.line < line and (end is None or line < end)
        if is_below and not text.startswith(("dbmigrate:ignore", "squawk-ignore")):
            yield line, text


def _is_sql(comment: str) -> bool:
    return _SQL_VERBS(comment) is not None and comment.endswith(";")


@file_rule("L143", "vague-name", "a file name that does not say what changes", Severity.NOTE)
def name_is_vague(file: File) -> Iterator[Finding]:
    stem = file.migration.name.removesuffix(".sql")[len(file.migration.version) :]
    if fault := find.name_fault(stem):
        yield Finding(1, f"the file name{fault.message}", fault.hint)


@file_rule("L145", "session-setting", "a setting of the session is left behind")
def setting_is_left(file: File) -> Iterator[Finding]:
    for problem in file.migration.problems:
        if problem.code == "W675" and problem.place is not None:
            yield Finding(problem.place.line, problem.message, problem.hint)


@file_rule("L149", "faulty-condition", "a condition that is not a query, or is about no SQL")
def condition_is_faulty(file: File) -> Iterator[Finding]:
    for direction in Direction:
        for fault in conditions.faults(file.migration, direction):
            if fault.place is not None:
                yield Finding(fault.place.line, fault.message, fault.hint)
    empty = {section.number for section in file.migration.sections if not section.count}
    for annotation in file.migration.annotations:
        if annotation.key == "check" and annotation.section in empty:
            message = "a postcondition of a section without SQL: nothing has changed that it could be about"
            yield Finding(annotation.place.line, message, "write `migrate:require`, or the SQL")


@file_rule("L144", "many-changes", "many changes in one file", Severity.NOTE)
def many_changes(file: File) -> Iterator[Finding]:
    created = sum(isinstance(unit.shape, CreateTable) and unit.shape.partition_of is None for unit in file.ups)
    is_one = file.migration.is_transactional(Direction.UP)  # L116 is about the locks of one transaction
    if len(file.changed) > _MOST_OLD_TABLES and not is_one:
        names = ", ".join(map(str, file.changed))
        yield Finding(1, f"the migration alters {len(file.changed)} existing tables: {names}", _SPLIT)
    elif created > _MOST_NEW_TABLES and (file.changed or any(isinstance(u.shape, AddEnumValue) for u in file.ups)):
        yield Finding(1, f"the migration creates {created} tables and alters others", _SPLIT)


_SPLIT = "one change per migration: each can be reviewed, delayed and undone alone"
