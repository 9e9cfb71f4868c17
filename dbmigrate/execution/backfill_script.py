"""A backfill in a dry run's script: a DO block that commits after each page, and leaves what a run leaves.

The statements are executed as texts: PL/pgSQL's variables would take the place of columns of their names, and its plans
would not know the bounds. https://www.postgresql.org/docs/current/plpgsql-transactions.html

psql does not replace its variables inside of the block, which is a string. So the values of a migration's variables
are settings of the session, and the block puts them into the statements.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dbmigrate.backfill import key as keys
from dbmigrate.backfill import options, placement
from dbmigrate.backfill.cursor import Cursor
from dbmigrate.backfill.key import TEXT_SETTINGS
from dbmigrate.backfill.names import identifier, literal
from dbmigrate.connection import database
from dbmigrate.execution import psql_text
from dbmigrate.execution.substeps import as_one
from dbmigrate.frozen import frozen
from dbmigrate.tracking.write_log import statement_checksum

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dbmigrate.backfill.key import Key
    from dbmigrate.connection.database import Connection
    from dbmigrate.execution.session import Session
    from dbmigrate.execution.substeps import SubStep
    from dbmigrate.model import Step
    from dbmigrate.variables import Filled, Use

__all__ = ["block"]

_NOTE = """
-- a backfill in pages of {rows} rows, each a transaction of its own: not under `psql -1`. A run steers the size of its
-- pages, pauses, waits for others, tries a page again, and has an end under inserts; this block does none of that.
-- If it is interrupted, `dbmigrate up` goes on at its cursor.
SET statement_timeout = 0;
"""
_ONE_PAGE = """
-- the table of this backfill does not exist yet: what the script has put into it by then is one page
SET statement_timeout = 0;
"""
_SETTING = "dbmigrate.var_"
_EXISTS = "select pg_catalog.to_regclass(%s) is not null"


def block(session: Session, step: Step, substep: SubStep) -> str:
    """SQL for one backfill. Raises Refused E760, as a run does."""
    assert substep.backfill is not None
    settings = options.settings(substep.backfill.options)
    with database.translated(session.dsn):
        key = _key(session.conn, settings)
    filled = [each.filled for each in substep.statements]
    statements = [_Text(placement.paged(each.sql), each.filled) for each in substep.statements]
    shown, columns = (key.shown, key.names) if key else (settings.table[1], settings.key)
    whole = as_one(substep)
    cursor = Cursor(shown, columns, batch=settings.batch, sql=statement_checksum(whole)).to_json()
    entry = session.writer.cursor_opened(step, substep.number, whole, cursor)
    made = _Block(key, settings.batch, session.writer.cursor_of_script(step, substep.number))
    note = _NOTE.format(rows=settings.batch) if key else _ONE_PAGE
    names = sorted({patch.use.name for each in filled if each for patch in each.patches})
    before = "".join(_set(name, psql_text.value(name)) for name in names)
    after = "\n" + "".join(_set(name, "''") for name in names) if names else ""
    return f"{note}{psql_text.one_line(entry)}{before}{psql_text.statement(made.text(statements))}{after}"


def _set(name: str, value: str) -> str:
    return f"SELECT pg_catalog.set_config('{_SETTING}{name}', {value}, false) IS NULL AS set_{name};\n"


@frozen
class _Text:
    """A statement of the file, with its marks, and with its variables if it has any."""

    paged: placement.Paged
    filled: Filled | None

    def pieces(self) -> Iterator[tuple[placement.Paged, Use | None]]:
        """What stands before each variable, and the rest."""
        at = 0
        patches = self.filled.patches if self.filled else ()
        for patch in patches:
            yield self._between(at, patch.begin), patch.use
            at = patch.end
        yield self._between(at, len(self.paged.sql)), None

    def _between(self, begin: int, end: int) -> placement.Paged:
        inside = (mark for mark in self.paged.marks if begin <= mark.start and mark.end <= end)
        marks = tuple(placement.Mark(mark.start - begin, mark.end - begin, mark.alias) for mark in inside)
        return placement.Paged(self.paged.sql[begin:end], marks)


def _key(conn: Connection, settings: options.Settings) -> Key | None:
    name = ".".join(identifier(part) for part in settings.table if part)
    exists = database.query(conn, _EXISTS, name)[0][0]
    return keys.find(conn, settings) if exists else None


class _Block:
    """Makes the text of one DO block. `entry` finds its log entry: what is selected, and which one."""

    def __init__(self, key: Key | None, rows: int, entry: tuple[str, str]) -> None:
        self._key = key
        self._rows = rows
        self._log, self._which = entry

    def text(self, statements: Sequence[_Text]) -> str:
        body = "".join(map(self._executed, statements))
        loop = f"""declare _id bigint; _p jsonb; _after text[]; _upto text[]; _n bigint; _rows bigint;
begin
  loop
    select event_id, details into _id, _p from {self._log} where {self._which}
      order by event_id desc limit 1 for update;
    exit when not found;
    _after := case when pg_catalog.jsonb_typeof(_p -> 'after') = 'array'
      then array(select pg_catalog.jsonb_array_elements_text(_p -> 'after')) end;
    _rows := 0; _upto := null;
{self._bound()}    set local lock_timeout = '500ms'; set local row_security = off;
{body}    update {self._log} set details = _p || pg_catalog.jsonb_build_object('after', pg_catalog.to_jsonb(_upto),
        'rows', (_p ->> 'rows')::bigint + _rows, 'pages', (_p ->> 'pages')::bigint + 1,
        'passed', (_p ->> 'passed')::bigint + case when _upto is null then least(_rows, {self._rows})
          else {self._rows} end),
      state = case when _upto is null then 'done' else state end,
      finished_at = case when _upto is null then pg_catalog.clock_timestamp() end,
      duration_ms = case when _upto is null then pg_catalog.date_part('epoch'::text,
        pg_catalog.clock_timestamp() - started_at) * 1000::float8 end
      where event_id = _id;
    commit;
    exit when _upto is null;
  end loop;
end """
        tag = _free_tag("backfill", loop)
        return f"do {tag}\n{loop}{tag};\n"

    def _bound(self) -> str:
        """The end of the page, in a transaction of its own: its settings must not reach the statements."""
        if self._key is None:
            return ""
        columns = ", ".join(f"b.{identifier(column.name)}::text" for column in self._key.columns)
        order = ", ".join(column.named("b") for column in self._key.columns)
        head = literal(f"select array[{columns}] from {self._key.qualified} b where ")
        tail = literal(f" order by {order} offset {self._rows - 1} limit 1")
        return (
            f"    {TEXT_SETTINGS}\n    execute {head} || {self._compared('b', '_after', '>')} || {tail} into _upto;\n"
            "    commit;\n"
        )

    def _executed(self, statement: _Text) -> str:
        whole = " || ".join(
            part for piece, use in statement.pieces() for part in (self._text(piece), _value(use)) if part
        )
        return f"    execute {whole};\n    get diagnostics _n = row_count; _rows := _rows + _n;\n"

    def _text(self, piece: placement.Paged) -> str:
        """An expression for a part of a statement, with the conditions in the place of its marks."""
        mark = "{batch}"
        while mark in piece.sql:
            mark = f"{{{mark}}}"
        aliases = list(dict.fromkeys(each.alias for each in piece.marks))
        text = piece.expanded(lambda alias: f"{mark}{aliases.index(alias)}")
        tag = _free_tag("sql", text)
        value = f"{tag}{text.rstrip().rstrip(';')}\n{tag}"
        for number in reversed(range(len(aliases))):  # {batch}1 begins as {batch}12 does
            value = f"pg_catalog.replace({value}, '{mark}{number}', {self._condition(aliases[number])})"
        return value

    def _condition(self, alias: str | None) -> str:
        if self._key is None:
            return "'(true)'"
        name = alias or identifier(self._key.table)
        return (
            f"'(' || {self._compared(name, '_after', '>')} || ' and ' || {self._compared(name, '_upto', '<=')} || ')'"
        )

    def _compared(self, alias: str, variable: str, operator: str) -> str:
        """An expression for the comparison with an array of values; true where it is NULL."""
        assert self._key is not None
        values = [column.typed(f"\x01{number}\x01") for number, column in enumerate(self._key.columns, 1)]
        text = self._key.compared_with(alias, values, operator).replace("%", "%%")
        pattern = literal(re.sub("\x01([0-9]+)\x01", r"%\1$L", text))
        elements = ", ".join(f"{variable}[{number}]" for number in range(1, len(values) + 1))
        return f"case when {variable} is null then 'true' else pg_catalog.format({pattern}, {elements}) end"


def _value(use: Use | None) -> str:
    """An expression for what is sent in the place of a variable; with blanks, so that nothing sticks to it."""
    if use is None:
        return ""
    value = f"pg_catalog.current_setting('{_SETTING}{use.name}')"
    quoted = f"""'"' || pg_catalog.replace({value}, '"', '""') || '"'"""
    return f"' ' || {quoted if use.is_identifier else f'pg_catalog.quote_literal({value})'} || ' '"


def _free_tag(name: str, text: str) -> str:
    while f"${name}$" in text:
        name += "_"
    return f"${name}$"
