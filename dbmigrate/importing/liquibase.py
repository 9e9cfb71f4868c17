"""Liquibase's formatted SQL: each change of a file becomes a migration; the table keeps an MD5 sum of each.

A change is known by its id, its author and its file. What Liquibase decides again in each environment (contexts, labels
or preconditions that mark a change as run) has no counterpart; a row of the old table settles it, or a person is
asked.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dbmigrate.errors import LockNotAcquired
from dbmigrate.importing import variables
from dbmigrate.importing.given_sql import given_sql
from dbmigrate.importing.liquibase_changes import Project, migrations_of
from dbmigrate.importing.liquibase_order import order_of
from dbmigrate.importing.liquibase_sql import is_formatted, read_changes
from dbmigrate.importing.texts import Text, file_name, moment, qualified, read_text
from dbmigrate.importing.values import HistoryTable, Judgement, Reading, Row, State

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dbmigrate.importing.liquibase_order import Order
    from dbmigrate.importing.values import Answers, ForeignMigration, Query, Source

_COLUMNS = frozenset(("id", "author", "filename", "orderexecuted", "exectype", "md5sum"))
_PARAMETER = re.compile(r"^\s*(?:liquibase\.)?parameter\.([^\s=:]+)\s*[=:]\s*(.*?)\s*$", re.MULTILINE)
_STATES = {
    "EXECUTED": State.APPLIED,
    "RERAN": State.APPLIED,
    "MARK_RAN": State.MARKED,
    "SKIPPED": State.PENDING,
    "FAILED": State.FAILED,
}


class Liquibase:
    """See `values.Tool`."""

    name = "liquibase"

    def recognises(self, source: Source) -> bool:
        """By the first line of a file of SQL."""
        sql = (file for file in source.files if file.path.endswith(".sql"))
        return any(is_formatted(file.content[:4096].decode("utf-8-sig", errors="replace")) for file in sql)

    def read(self, source: Source, answers: Answers) -> Reading:
        """The migrations. Raises MigrationFileError."""
        order = order_of(source)
        project = Project(answers, _properties(source, order.properties, answers))
        files = {file.path: file for file in source.files}
        judgements = list(_about(source, order, answers))
        for path in order.files:
            if path not in answers.skip:
                text = read_text(source, files[path])
                found = read_changes(text)
                project.properties = {**found.properties, **project.properties}
                judgements += _early(text, found.early)
                project.add(path, text, found)
        for path in order.other_changes:
            if printed := given_sql(source, answers, path):
                project.add_printed(path, printed)
        left_out = {path: "left out, as asked" for path in order.files if path in answers.skip}
        left_out |= {
            file.path: "no changelog includes it"
            for file in source.files
            if file.path.endswith(".sql") and file.path not in order.files and _is_formatted(source, file.path)
        }
        migrations = migrations_of(project)
        return variables.settled(Reading(migrations, {**left_out, **project.left_out}, tuple(judgements)))

    def owns(self, table: HistoryTable, neighbours: frozenset[str]) -> bool:
        return {column.lower() for column in table.columns} >= _COLUMNS

    def history(self, query: Query, table: HistoryTable, answers: Answers) -> tuple[Row, ...]:
        """The rows in the order in which they ran; an undone change has none. Raises LockNotAcquired E601."""
        _refuse_locked(query, table)
        columns = ("id", "author", "filename", "exectype", "md5sum", "dateexecuted", "comments")
        named = {column.lower(): f'"{column}"' for column in table.columns}
        listed = ", ".join(named.get(column, "null") for column in columns)
        rows = query(f"select {listed} from {qualified(table)} order by {named['orderexecuted']}")
        return tuple(_row(*row) for row in rows)

    def matches(self, migration: ForeignMigration, row: Row) -> bool:
        """By id, author and file; the old tool may have started above or below SOURCE."""
        ours, theirs = f"/{migration.version}", f"/{row.key}"
        return ours.endswith(theirs) or theirs.endswith(ours)

    def verifies(self, migration: ForeignMigration, row: Row) -> bool | None:
        """Sums of version 9, since Liquibase 4.22. Older ones are of another kind; `clear-checksums` empties them."""
        if not row.checksum or not row.checksum.startswith("9:"):
            return None
        if not migration.sums or any(each.lower().endswith("any") for each in migration.sums.values()):
            return None
        return row.checksum in migration.sums.values()


TOOL = Liquibase()


def _is_formatted(source: Source, path: str) -> bool:
    return any(file.path == path and is_formatted(read_text(source, file).text) for file in source.files)


def _properties(source: Source, root: Mapping[str, str], answers: Answers) -> dict[str, str]:
    """Values by name: answers before liquibase.properties before the changelog."""
    found = dict(root)
    for file in source.files:
        if file_name(file.path) == "liquibase.properties":
            found |= dict(_PARAMETER.findall(read_text(source, file).text))
    return {**found, **answers.placeholders}


def _about(source: Source, order: Order, answers: Answers) -> Iterable[Judgement]:
    if order.root is None and len(order.files) > 1:
        yield Judgement("no root changelog was found: the files are taken in the order of their paths")
    for path, name in order.missing:
        if any(each.endswith(name) for each in answers.skip):
            continue
        yield Judgement(
            f"{path} includes {name}, which is not below {source.directory}",
            hint="name the directory that holds all of the changelog",
        )
    for path in order.other_changes:
        if path in answers.sql_of:
            continue
        yield Judgement(
            f"{path} holds changes that are not SQL, which are not converted",
            hint="`dbmigrate baseline --from-schema` takes all of it over as one file; or give what"
            f" `liquibase update-sql` prints on an empty database: --sql {path}=SQLFILE; or --skip {path}",
            asks=path not in answers.skip,
        )


def _early(text: Text, line: int | None) -> Iterable[Judgement]:
    if line is not None:
        yield Judgement("SQL before the first --changeset is left out: Liquibase never runs it", text.place(line))


def _refuse_locked(query: Query, table: HistoryTable) -> None:
    suffix = "LOCK" if table.name.isupper() else "lock"
    lock = qualified(HistoryTable(table.schema, table.name + suffix, ()))
    if not query("select 1 where to_regclass('" + lock.replace("'", "''") + "') is not null"):
        return
    held = query(f"select lockedby, lockgranted from {lock} where locked")
    if held:
        raise LockNotAcquired(
            f"Liquibase holds its lock: {held[0][0]}, since {held[0][1]}",
            code="E601",
            hint="wait until it is done; `liquibase release-locks` removes a lock that nobody holds any more",
        )


def _row(*columns: object) -> Row:
    ident, author, path, exectype, md5sum, executed, comments = columns
    state = _STATES.get(str(exectype), State.FAILED)
    remark = "Liquibase marked it as run, and never ran it" if state is State.MARKED else ""
    return Row(
        key=f"{str(path).removeprefix('classpath:').lstrip('/')}::{ident}::{author}",
        state=state,
        applied_at=moment(executed),
        checksum=str(md5sum) if md5sum is not None else None,
        name=str(comments) if comments else None,
        remark=remark if state is not State.PENDING else "Liquibase skipped it",
    )
