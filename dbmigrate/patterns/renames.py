"""`rename-column`, `rename-table`, `drop-column`, `split-table`: the old form works until a deployment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.lint.fix.writing import quoted
from dbmigrate.patterns.copies import body, copied, function_of, literal, trigger_of
from dbmigrate.patterns.refusals import misfit, refused
from dbmigrate.patterns.values import Draft, Pair, Planned, Section

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dbmigrate.patterns.copies import Copy
    from dbmigrate.patterns.schema import Column, Schema, Table

__all__ = ["drop_column", "rename_column", "rename_table", "split_table"]

_IRREVERSIBLE = Section(options="irreversible:true")
_INVOKER = 15  # PostgreSQL's version from which a view can read with the rights of its caller


# ------------------------------------------------------------------------------------------------------- rename-column


def rename_column(schema: Schema, arguments: Sequence[str]) -> Planned:
    """``TABLE COLUMN NEW``: both names work from the first file on; the second drops the old one."""
    table = schema.table(arguments[0])
    column, new = table.column(arguments[1]), arguments[2]
    if new in table.columns:
        raise misfit(f"{table.written} has a column {new} already")
    copy = copied(schema, table, column, new, column.type)
    sync = schema.free(table.name, new, suffix="_sync")
    function = function_of(table, sync)
    gone = (f"drop trigger {sync} on {table.written};", f"drop function {function}();")
    expand = Pair(
        Section(
            (
                *_new_column(copy),
                body(function, _both_ways(copy), replaces=False),
                trigger_of(table, sync, function),
            )
        ),
        Section((*gone, f"alter table {table.written} drop column {copy.new};")),
    )
    fill = (
        f"update {table.written} set {copy.new} = {copy.old} where {copy.new} is distinct from {copy.old} and :batch;"
    )
    pairs = (expand, Pair(Section((fill,), backfill=table.written)), *_built(copy))
    where = f"{table.written}.{copy.old}"
    first = Draft(
        f"rename {table.name} {column.name} to {new}",
        (f"{where} is renamed to {copy.new}: both names work until the next file.",),
        pairs,
    )
    contract = Section((*gone, f"alter table {table.written} drop column {copy.old};", *_named_as_before(copy)))
    second = Draft(
        f"drop {table.name} {column.name}", (f"The end of a rename: {where} goes.",), (Pair(contract, _IRREVERSIBLE),)
    )
    plain = f"alter table {table.written} rename column {copy.old} to {copy.new};"
    notes = [
        f"the function {each} mentions {column.name}: look whether it has to change"
        for each in schema.mentioning(column.name)
    ]
    return Planned((first, second), plain, tuple(notes))


def _new_column(copy: Copy) -> list[str]:
    """The copy, without a default while there is the old one: an INSERT of the old name would lose its value."""
    found = [f"alter table {copy.written} add column {copy.new} {copy.type};"]
    if copy.column.comment:
        found.append(f"comment on column {copy.written}.{copy.new} is {literal(copy.column.comment)};")
    for who, right, may in copy.column.grants:
        option = " with grant option" if may else ""
        found.append(f"grant {right} ({copy.new}) on {copy.written} to {who}{option};")
    return found


def _both_ways(copy: Copy) -> tuple[str, ...]:
    """On INSERT the new name wins, on UPDATE the one that changed; a row of before is filled."""
    old, new = copy.old, copy.new
    return (
        "if tg_op = 'INSERT' then",
        f"    new.{new} := coalesce(new.{new}, new.{old});",
        f"    new.{old} := new.{new};",
        f"elsif new.{new} is distinct from old.{new} then",
        f"    new.{old} := new.{new};",
        f"elsif new.{old} is distinct from old.{old} then",
        f"    new.{new} := new.{old};",
        f"elsif new.{new} is distinct from new.{old} then",
        f"    new.{new} := new.{old};",
        "end if;",
    )


def _built(copy: Copy) -> list[Pair]:
    alter = f"alter table {copy.written}"
    up = [twin.build for twin in copy.twins if twin.build]
    if copy.column.is_required:
        up.append(f"{alter} add constraint {copy.not_null} check ({copy.new} is not null) not valid;")
        up.append(f"{alter} validate constraint {copy.not_null};")
    up += [part for twin in copy.twins for part in (twin.add, twin.validate) if part]
    down = [f"{alter} drop constraint if exists {twin.new};" for twin in copy.twins if twin.add]
    if copy.column.is_required:
        down.append(f"{alter} drop constraint if exists {copy.not_null};")
    down += [
        f"drop index concurrently if exists {function_of(copy.table, twin.new)};" for twin in copy.twins if twin.build
    ]
    if not up:
        return []
    return [Pair(Section(tuple(up), options="transaction:false"), Section(tuple(down), options="transaction:false"))]


def _named_as_before(copy: Copy) -> list[str]:
    """What belonged to the old column is gone, so that its names are free for what was made for the new one."""
    alter, found = f"alter table {copy.written}", list[str]()
    if copy.column.is_required:
        found += [
            f"{alter} alter column {copy.new} set not null;",
            f"{alter} drop constraint {copy.not_null};",
        ]
    if copy.column.default:
        found.append(f"{alter} alter column {copy.new} set default {copy.column.default};")
    for twin in copy.twins:
        if twin.kind == "index":
            found.append(f"alter index {function_of(copy.table, twin.new)} rename to {twin.old};")
        elif twin.kind == "u":
            found.append(f"{alter} add constraint {twin.old} unique using index {twin.new};")
        else:
            found.append(f"{alter} rename constraint {twin.new} to {twin.old};")
    return found


# -------------------------------------------------------------------------------------------------------- rename-table


def rename_table(schema: Schema, arguments: Sequence[str]) -> Planned:
    """``TABLE NEW``: a view of the old name, through which old code reads and writes."""
    table, new = schema.table(arguments[0]), quoted(arguments[1])
    if table.has_row_security and schema.server < _INVOKER:
        raise refused(
            f"{table.written} has row level security, and a view before PostgreSQL {_INVOKER} reads as its owner: it"
            " would show rows that its policies hide",
            f"set pg-version = {_INVOKER} in [tool.dbmigrate.lint] if all servers are that new",
        )
    prefix = table.written.rpartition(".")[0]
    renamed = f"{prefix}.{new}" if prefix else new
    columns = ", ".join(quoted(name) for name in table.columns)
    options = " with (security_invoker=true)" if schema.server >= _INVOKER else ""
    view = f"create view {table.written}{options} as select {columns} from {renamed};"
    grants = [
        f"grant {right} on {table.written} to {who}{' with grant option' if may else ''};"
        for who, right, may in table.grants
        if right in ("select", "insert", "update", "delete")
    ]
    rename = f"alter table {table.written} rename to {new};"
    back = f"alter table {renamed} rename to {quoted(table.name)};"
    what = f"{table.written} is renamed to {renamed}"
    expand = Section((rename, view, *grants))
    first = Draft(
        f"rename {table.name} to {arguments[1]}",
        (f"{what}: the old name is a view until the next file.",),
        (Pair(expand, Section((f"drop view {table.written};", back))),),
    )
    second = Draft(
        f"drop view {table.name}",
        (f"The end of a rename: no code uses {table.written} any more.",),
        (Pair(Section((f"drop view {table.written};",)), Section((view, *grants))),),
    )
    note = f"TRUNCATE, COPY FROM, REFERENCES and row triggers do not work through the view {table.written}"
    return Planned((first, second), rename, (note,))


# --------------------------------------------------------------------------------------------------------- drop-column


def drop_column(schema: Schema, arguments: Sequence[str]) -> Planned:
    """``TABLE COLUMN``: first nobody has to fill it, then, after a deployment, it goes."""
    table = schema.table(arguments[0])
    column = table.column(arguments[1])
    name, alter = quoted(column.name), f"alter table {table.written}"
    used = [each.text for each in table.dependents if each.column == column.name and not each.is_remade]
    if used:
        raise refused(f"{table.written}.{name} is used by {', '.join(used)}", "change or drop that first")
    keys = [each.name for each in table.constraints_on(column.name, "p")]
    if keys:
        raise refused(f"{table.written}.{name} is part of the primary key {keys[0]}", "change-primary-key first")
    drop = f"{alter} drop column {name};"
    second = Draft(
        f"drop {table.name} {column.name}",
        (f"No code reads or writes {table.written}.{name} any more.",),
        (Pair(Section((drop,)), _IRREVERSIBLE),),
    )
    notes = [f"the function {each} mentions {column.name}: it would fail" for each in schema.mentioning(column.name)]
    if not column.is_required or column.default or column.identity or column.generated:
        return Planned((second,), drop, tuple(notes))
    first = Draft(
        f"free {table.name} {column.name}",
        (f"Code that does not know {table.written}.{name} can insert from here on.",),
        (Pair(Section((f"{alter} alter column {name} drop not null;",)), _required_again(schema, table, column)),),
    )
    return Planned((first, second), drop, tuple(notes))


def _required_again(schema: Schema, table: Table, column: Column) -> Section:
    check, name = schema.free(table.name, column.name, suffix="not_null_check"), quoted(column.name)
    alter = f"alter table {table.written}"
    return Section(
        (
            "-- rows that were added without a value have to be filled first",
            f"{alter} add constraint {check} check ({name} is not null) not valid;",
            f"{alter} validate constraint {check};",
            "begin;",
            f"{alter} alter column {name} set not null;",
            f"{alter} drop constraint {check};",
            "commit;",
        ),
        options="transaction:false",
    )


# --------------------------------------------------------------------------------------------------------- split-table


def split_table(schema: Schema, arguments: Sequence[str]) -> Planned:
    """``TABLE NEW COLUMN ...``: the columns move to a table of their own, one row for each of the old one."""
    table, new = schema.table(arguments[0]), quoted(arguments[1])
    columns = [table.column(name) for name in arguments[2:]]
    key = table.primary
    if key is None or len(key.columns) != 1:
        raise misfit(f"{table.written} needs a primary key of one column")
    used = [each.text for each in table.dependents if each.column in arguments[2:] and not each.is_remade]
    for name in arguments[2:]:
        used += [each.name for each in table.indexes_on(name)]
        used += [each.name for each in table.constraints_on(name, "cufx")]
    if used:
        raise refused(
            f"the columns are used by {', '.join(used)}", "drop that first, and make it again on the new table"
        )
    prefix = table.written.rpartition(".")[0]
    written = f"{prefix}.{new}" if prefix else new
    return _split(schema, table, written, [*columns, table.column(key.columns[0])])


def _split(schema: Schema, table: Table, written: str, found: Sequence[Column]) -> Planned:
    *columns, key = found
    name = written.rpartition(".")[2]
    reference = quoted(f"{table.name}_{key.name}")
    names = [quoted(column.name) for column in columns]
    listed = ", ".join(names)
    defined = [f"{quoted(column.name)} {column.type}{' not null' if column.is_required else ''}" for column in columns]
    create = (
        f"create table {written} ({reference} {key.type} primary key references {table.written} ({quoted(key.name)})"
        f" on delete cascade, {', '.join(defined)});"
    )
    sync = schema.free(table.name, name.strip('"'), suffix="_sync")
    function = function_of(table, sync)
    trigger = f"create trigger {sync} after insert or update on {table.written}"
    gone = (f"drop trigger {sync} on {table.written};", f"drop function {function}();")
    lines = _copying(written, reference, quoted(key.name), names)
    made = body(function, lines, replaces=False).replace("return new;", "return null;")
    copy = (
        f"insert into {written} ({reference}, {listed}) select {quoted(key.name)}, {listed} from {table.written}"
        f" where :batch on conflict ({reference}) do nothing;"
    )
    expand = Section((create, made, f"{trigger} for each row execute function {function}();"))
    first = Draft(
        f"split {table.name} into {name}",
        (f"{listed} of {table.written} move to {written}; until the next file both tables have them.",),
        (
            Pair(expand, Section((*gone, f"drop table {written};"))),
            Pair(Section((copy,), backfill=table.written)),
        ),
    )
    drop = f"alter table {table.written} {', '.join(f'drop column {each}' for each in names)};"
    comment = (f"The end of a split: {written} has the columns now.",)
    second = Draft(f"drop {table.name} columns of {name}", comment, (Pair(Section((*gone, drop)), _IRREVERSIBLE),))
    note = f"until the second file, code that writes {written} itself is not copied back to {table.written}"
    return Planned((first, second), f"{create}\n{drop}", (note,))


def _copying(written: str, reference: str, key: str, names: Sequence[str]) -> tuple[str, ...]:
    """The body of the trigger's function: a row of the old table becomes one of the new, or changes it."""
    return (
        f"if tg_op = 'UPDATE' and {_row('new', names)} is not distinct from {_row('old', names)} then",
        "    return null;",
        "end if;",
        f"insert into {written} ({', '.join((reference, *names))})"
        f" values ({', '.join(f'new.{each}' for each in (key, *names))})",
        f"    on conflict ({reference}) do update set {', '.join(f'{each} = excluded.{each}' for each in names)};",
    )


def _row(prefix: str, names: Sequence[str]) -> str:
    return f"row({', '.join(f'{prefix}.{each}' for each in names)})"
