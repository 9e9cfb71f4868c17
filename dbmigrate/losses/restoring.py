"""The SQL that brings saved data back, for psql. Pure.

The rows go through a temporary table: names and types of the real one stay in SQL, where they can be quoted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.losses.tables import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dbmigrate.losses.tables import Column, Partition, Table

_TEMPORARY = "pg_temp.dbmigrate_saved"
_HEAD = r"""\set ON_ERROR_STOP on
\encoding {encoding}
begin;
set local datestyle = 'ISO, YMD';
set local intervalstyle = 'postgres';
create temporary table {temporary} ({columns}) on commit drop;
\copy {temporary} from '{path}'
"""


def values(table: Table, saved: Sequence[Column], lost: Sequence[Column], key: Sequence[str]) -> str:
    """The body for columns: add what is missing, set the values by the key, and then what the columns had beside."""
    name, given = table.sql, [column for column in lost if not column.generated]
    lines = [f"alter table {name} add column if not exists {_added(column)};" for column in lost]
    lines += [
        f"alter table {name} alter column {quoted(column.name)} drop identity if exists;"
        for column in lost
        if column.identity
    ]
    if given:
        sets = ", ".join(f"{quoted(column.name)} = saved.{quoted(column.name)}" for column in given)
        same = " and ".join(f"t.{quoted(each)} = saved.{quoted(each)}" for each in key)
        lines.append(f"update {table.source} as t set {sets}\nfrom {_TEMPORARY} as saved where {same};")
    lines.append("commit;")
    lines.append("-- NOT NULL fails where rows that came later have no value; the saved ones are back all the same")
    lines.append(r"\set ON_ERROR_STOP off")
    lines += [line for column in given for line in _rest(table, column)]
    return "\n".join(lines)


def rows(table: Table, made: Sequence[str], saved: Sequence[Column]) -> str:
    """The body for rows: `made` are statements that make the table where it is missing."""
    names = ", ".join(quoted(column.name) for column in saved)
    lines = [
        *made,
        f"insert into {table.sql} ({names}) overriding system value\nselect {names} from {_TEMPORARY};",
        *(line for column in saved for line in _counted(table, column)),
        "commit;",
    ]
    return "\n".join(lines)


def head(saved: Sequence[Column], *, path: str, encoding: str) -> str:
    """The beginning of a script: a temporary table with what the file at `path` holds."""
    columns = ", ".join(f"{quoted(column.name)} {column.type}{_collate(column)}" for column in saved)
    shown = path.replace("'", "''")
    return _HEAD.format(temporary=_TEMPORARY, columns=columns, path=shown, encoding=encoding)


def created(table: Table, constraints: Sequence[str], tree: Sequence[Partition]) -> Iterator[str]:
    """CREATE TABLE IF NOT EXISTS for the table and its partitions; no foreign keys, indexes, triggers and rights."""
    parts = [f"  {_defined(column)}" for column in table.columns] + [f"  {each}" for each in constraints]
    for number, each in enumerate(tree):
        by = f" partition by {each.key}" if each.key else ""
        if number == 0 and each.parent is None:
            yield f"create table if not exists {each.name} (\n" + ",\n".join(parts) + f"\n){by};"
        else:
            yield f"create table if not exists {each.name} partition of {each.parent} {each.bound}{by};"
    for column in table.columns:
        if _is_serial(column):
            yield f"create sequence if not exists {column.sequence} owned by {table.sql}.{quoted(column.name)};"
            yield f"alter table {table.sql} alter column {quoted(column.name)} set default {column.default};"


def _is_serial(column: Column) -> bool:
    return bool(column.sequence and column.default and not column.identity)


def _collate(column: Column) -> str:
    return f" collate {column.collation}" if column.collation else ""


def _computed(column: Column) -> str:
    if not column.generated:
        return ""
    return f" generated always as ({column.default}) {'stored' if column.generated == 's' else 'virtual'}"


def _added(column: Column) -> str:
    """Without a default and NOT NULL, so that rows that came later stay as they are."""
    return f"{quoted(column.name)} {column.type}{_collate(column)}{_computed(column)}"


def _identity(column: Column) -> str:
    return f"generated {'always' if column.identity == 'a' else 'by default'} as identity"


def _defined(column: Column) -> str:
    parts = [_added(column)]
    if column.identity:
        parts.append(_identity(column))
    elif column.default and not column.generated and not _is_serial(column):
        parts.append(f"default {column.default}")
    if column.is_not_null:
        parts.append("not null")
    return " ".join(parts)


def _rest(table: Table, column: Column) -> Iterator[str]:
    """What a column has beside its values."""
    alter = f"alter table {table.sql} alter column {quoted(column.name)}"
    if _is_serial(column):
        yield f"create sequence if not exists {column.sequence} owned by {table.sql}.{quoted(column.name)};"
    if column.default and not column.identity:
        yield f"{alter} set default {column.default};"
    if column.is_not_null:
        yield f"{alter} set not null;"
    if column.identity:
        yield f"{alter} add {_identity(column)};"
    yield from _counted(table, column)


def _counted(table: Table, column: Column) -> Iterator[str]:
    """Let its sequence go on behind the last value that was drawn, or that is there."""
    if column.sequence and column.last_value is not None:
        names = f"{_literal(table.sql)}, {_literal(column.name)}"
        here = f"select max({quoted(column.name)})::bigint from {table.sql}"
        yield (
            f"select pg_catalog.setval(pg_catalog.pg_get_serial_sequence({names}),"
            f" greatest({column.last_value}, ({here})));"
        )


def _literal(text: str) -> str:
    quote = "'" + text.replace("'", "''") + "'"
    return f" E{quote.replace(chr(92), chr(92) * 2)}" if "\\" in text else quote
