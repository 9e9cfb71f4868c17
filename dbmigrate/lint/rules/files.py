"""L14x: the file as a whole: its name, its size, its down section."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dbmigrate.lint.context import Finding
from dbmigrate.lint.rule import file_rule
from dbmigrate.lint.sql.shape import AddEnumValue, CreateTable
from dbmigrate.migrations import conditions
from dbmigrate.model import Direction, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbmigrate.lint.context import File
    from dbmigrate.model import Section

_MOST_OLD_TABLES = 3
_MOST_NEW_TABLES = 10
_UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|TBD)\b", re.IGNORECASE).search
_WORDS_OF_A_REASON = 3
_EMPTY = frozenset(
    re.findall(
        r"\w+",
        """
        a adjust adjustments all alter an and apply asdf bugfix change changed changes cleanup database data db ddl demo
        dev do draft edit edits etc final fix fixed fixes foo bar hotfix improve improvements initial2 minor migrate
        migration migrations misc miscellaneous mods modify more my new next other patch quick quickfix refactor release
        schema script several small some sql stuff table tables temp test tests the things tmp todo tweak tweaks up
        update updated updates upgrade various wip work
        """,
    )
)
_VERBS = frozenset(
    re.findall(
        r"\w+",
        """
        add alter backfill change check clean contract convert copy create delete disable drop empty enable
        expand extend fill fix grant import index insert link load lock lower make merge migrate move
        normalise normalize partition populate prepare raise record refactor remove rename replace require
        reset restrict revoke seed set split store switch sync truncate tune unify unlink update upgrade
        validate widen
        """,
    )
)
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
    for section in file.migration.sections:
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
    words = [word for word in re.split(r"[\W_]+", stem.lower()) if word and not word.isdigit()]
    if all(word in _EMPTY for word in words):
        name = f" `{' '.join(words)}`" if words else ""
        yield Finding(1, f"the file name{name} does not say what the migration changes", _RENAME)
    elif _names_two(words):
        yield Finding(1, f"the file name `{' '.join(words)}` names two changes", "write two migrations")


_RENAME = "name the change: add_email_to_users; but do not rename a file that is applied anywhere"


def _names_two(words: list[str]) -> bool:
    """``add_a_and_drop_b``, ``a_and_b``; but ``create_a_and_b`` is one change of two tables."""
    at = words.index("and") if "and" in words else -1
    return at > 0 and at + 1 < len(words) and (words[at + 1] in _VERBS or words[0] not in _VERBS)


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
