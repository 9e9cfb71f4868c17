"""Migrations that are code: named, never run. A person gives their SQL, or the schema is taken over as a whole."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

from dbmigrate.errors import LockNotAcquired
from dbmigrate.frozen import frozen
from dbmigrate.importing.given_sql import given_sql
from dbmigrate.importing.texts import as_one_message, qualified, statements
from dbmigrate.importing.values import ForeignMigration, HistoryTable, Judgement, Part, Reading
from dbmigrate.sql import words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dbmigrate.importing.texts import Text
    from dbmigrate.importing.values import Answers, Query, Source

__all__ = [
    "CodeFile",
    "KnownSql",
    "Language",
    "assigned",
    "elements",
    "in_order",
    "parsed",
    "reading_of",
    "refuse_locked",
]

_SHOWN = 5  # names in a message


@frozen
class CodeFile:
    """A migration that is code: what the old table calls it, and where it stands in the old order."""

    path: str
    version: str
    name: str
    sort_key: tuple[object, ...]


@frozen
class Language:
    """What a tool's migrations are written in, how it prints their SQL, and the tables that this SQL writes to."""

    code: str
    printing: str
    own_tables: frozenset[str] = frozenset()


@frozen
class KnownSql:
    """The SQL of a file that is code; `downs` is None where nobody has given one."""

    ups: tuple[Part, ...]
    downs: tuple[Part, ...] | None = None


def reading_of(
    source: Source,
    answers: Answers,
    found: Sequence[CodeFile],
    language: Language,
    known: Mapping[str, KnownSql] | None = None,
) -> Reading:
    """The migrations whose SQL was given, or is in `known` by version; the others are named, with the ways out."""
    migrations, left_out = [], {}
    for each in found:
        if each.path in answers.skip:
            left_out[each.path] = "left out, as asked"
            continue
        sql = (known or {}).get(each.version) or _given(source, answers, each, language)
        if sql is None:
            left_out[each.path] = f"{language.code}: its SQL is not known"
        else:
            migrations.append(
                ForeignMigration(
                    each.version, each.name, each.path, ups=sql.ups, downs=sql.downs, sort_key=each.sort_key
                )
            )
    unknown = [each.path for each in found if each.path in left_out and each.path not in answers.skip]
    return Reading(tuple(migrations), left_out, tuple(_question(unknown, language) for _ in unknown[:1]))


def _given(source: Source, answers: Answers, file: CodeFile, language: Language) -> KnownSql | None:
    text = given_sql(source, answers, file.path)
    return None if text is None else KnownSql((as_one_message(_without_tables(text, language.own_tables)),))


def _question(paths: Sequence[str], language: Language) -> Judgement:
    shown = ", ".join(paths[:_SHOWN]) + (f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else "")
    number = f"{len(paths)} files are" if len(paths) > 1 else "a file is"
    return Judgement(
        f"{number} {language.code}, which is not run to find their SQL: {shown}",
        hint="`dbmigrate baseline --from-schema` takes over what they made as one file;"
        f" or give the SQL of each: --sql FILE=SQLFILE ({language.printing}); or leave it out: --skip FILE",
        asks=True,
    )


def _without_tables(text: Text, tables: frozenset[str]) -> Text:
    """Without the statements on the old tool's own tables."""
    sql = text.text
    for each in reversed(statements(text)):
        names = {word.strip('"').lower() for word in words(each.sql)} if tables else set()
        if names & tables:
            sql = sql[: each.offset] + sql[each.offset + len(each.sql) :].lstrip("\r\n")
    return text.with_text(sql)


# --------------------------------------------------------------------------------------------------------------- Python


def parsed(text: Text) -> ast.Module:
    """A module's syntax; nothing of it is run. Raises MigrationFileError E281."""
    try:
        return ast.parse(text.text)
    except SyntaxError as exc:
        raise text.error(f"not valid Python: {exc.msg}", exc.lineno or 1, column=exc.offset or 1) from exc


def assigned(body: Sequence[ast.stmt], name: str) -> object:
    """The literal that a module or a class assigns to a name; None for anything else."""
    value = _value(body, name)
    try:
        return ast.literal_eval(value) if value is not None else None
    except ValueError:
        return None


def elements(body: Sequence[ast.stmt], name: str) -> list[ast.expr]:
    """The elements of the list or tuple that is assigned to a name."""
    value = _value(body, name)
    return value.elts if isinstance(value, ast.List | ast.Tuple) else []


def _value(body: Sequence[ast.stmt], name: str) -> ast.expr | None:
    for statement in body:
        if isinstance(statement, ast.Assign):
            targets = statement.targets
        elif isinstance(statement, ast.AnnAssign):
            targets = [statement.target]
        else:
            continue
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            return statement.value
    return None


def in_order(graph: Mapping[str, Sequence[str]], fallback: Sequence[str]) -> list[str]:
    """Keys after everything that they depend on; in the order of `fallback` where that leaves a choice."""
    rank = {key: number for number, key in enumerate(fallback)}
    sorter = TopologicalSorter({key: [each for each in graph[key] if each in graph] for key in fallback})
    try:
        sorter.prepare()
    except CycleError:
        return list(fallback)
    made: list[str] = []
    waiting: list[str] = []
    while sorter.is_active():
        waiting = sorted([*waiting, *sorter.get_ready()], key=rank.__getitem__)
        made.append(waiting.pop(0))
        sorter.done(made[-1])
    return made


# ----------------------------------------------------------------------------------------------------------------- lock


def refuse_locked(query: Query, table: HistoryTable, held: str, hint: str) -> None:
    """Raise LockNotAcquired E601 where the lock table has a row for which `held` is true."""
    name = qualified(table)
    if query("select 1 where to_regclass('" + name.replace("'", "''") + "') is not null") and query(
        f"select 1 from {name} where {held}"
    ):
        raise LockNotAcquired(f"the old tool holds its lock: {table.schema}.{table.name}", code="E601", hint=hint)
