"""A first migration made of what a database holds, for histories that are code: recorded there, and not run."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, cast

from dbmigrate.api.records import Upkeep
from dbmigrate.connection import database
from dbmigrate.errors import PlanError
from dbmigrate.frozen import frozen
from dbmigrate.importing.values import Answers, HistoryTable, State
from dbmigrate.migrations import find, other_tools

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dbmigrate.execution.session import Session
    from dbmigrate.importing.values import Row, Tool
    from dbmigrate.reports import Report
    from dbmigrate.schema.versions import Dumping
    from dbmigrate.tracking.preexisting import OtherHistory

__all__ = ["Baseliner", "FromSchema", "Made", "dumped"]

# what pg_dump sets for its session and a dump needs, for this transaction alone
_SETTINGS = """\
SET LOCAL check_function_bodies = false;
SET LOCAL xmloption = content;
SET LOCAL search_path = '';
"""
_DUMP_HEAD = "--\n-- PostgreSQL database dump\n"
_DUMP_END = "--\n-- PostgreSQL database dump complete\n--"
# tools whose last id is kept, by the modules that read their tables
_READERS = {
    "Alembic": "alembic",
    "Diesel": "diesel",
    "Django": "django",
    "Liquibase": "liquibase",
    "Prisma": "prisma",
    "Rails": "rails",
    "Sqitch": "sqitch",
    "Supabase": "supabase",
    "TypeORM": "typeorm",
    "graphile-migrate": "graphile_migrate",
    "knex": "knex",
    "sqlx": "sqlx",
    "tern": "tern",
}
# what stands beside a history and belongs to the tool as well
_BESIDE = {"Rails": ("ar_internal_metadata",), "TypeORM": ("typeorm_metadata",)}
_LOCKS = {"knex": "_lock", "Liquibase": "lock"}  # what follows the name of the history
_OWN_SCHEMAS = ("sqitch", "graphile_migrate", "supabase_migrations")
_SEQUENCES = """
select n.nspname::text, s.relname::text
from pg_catalog.pg_depend d
  join pg_catalog.pg_class s on s.oid = d.objid and s.relkind = 'S'
  join pg_catalog.pg_namespace n on n.oid = s.relnamespace
  join pg_catalog.pg_class t on t.oid = d.refobjid
  join pg_catalog.pg_namespace tn on tn.oid = t.relnamespace
where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.deptype = 'a'
  and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
  and (tn.nspname::text, t.relname::text) in (
    select * from rows from (pg_catalog.unnest(%s::text[]), pg_catalog.unnest(%s::text[])))
"""
_SCHEMAS = "select nspname::text from pg_catalog.pg_namespace where nspname !~ '^pg_' order by 1"


@frozen
class FromSchema:
    """What to make: from the database, or from the file `path`. `description` names the migration."""

    dumping: Dumping
    path: str | None = None
    description: str = "baseline"


@frozen
class Made:
    """The file that was made, what was recorded, and the last id of another tool's table, if there is one."""

    path: str
    report: Report
    origin: str = ""


class Baseliner(Upkeep):
    """`baseline` with the migration that it records."""

    def from_schema(self, wanted: FromSchema) -> Made:
        """Make one migration of what is there, and record it as applied. The down section is irreversible.

        Raises PlanError E240 (something is recorded already), E258 (there are migrations already), E238 (FILE cannot be
        used), ToolMissing E206, DatabaseError E404, and what `Upkeep.baseline` raises; then there is no file.
        """
        self._refuse_files()
        with self._open("baseline") as session:
            recorded = session.read_history()
            if recorded.applied or recorded.unfinished:
                raise PlanError(
                    "migrations are recorded already, so there is nothing to baseline",
                    code="E240",
                    hint="`dbmigrate new` and `dbmigrate up` go on from there",
                )
            around = session.surroundings(recorded)
            old = around.histories if around else ()
            origin = "; ".join(filter(None, (_origin(session, each) for each in old)))
            body = _of_file(wanted.path) if wanted.path else dumped(session, wanted.dumping, old=old)
        path = find.create(self._options.directories, wanted.description, datetime.now(UTC))
        is_recorded = False
        try:
            self._write(path, _text(wanted.description, origin, body))
            reason = "; ".join(filter(None, (self._options.reason, origin)))
            keeper = Upkeep(self._dsn, replace(self._options, reason=reason or None), on_event=self._on_event)
            report = keeper.baseline(os.path.basename(path).partition("_")[0])
            is_recorded = True
        finally:
            if not is_recorded:
                os.unlink(path)
        return Made(path, report, origin)

    def _refuse_files(self) -> None:
        found = find.look(self._options.directories, self._options.order).files if self._has_directory else ()
        if found:
            raise PlanError(
                f"{found[0].path} is there already: a baseline from the schema is the first migration",
                code="E258",
                hint="`dbmigrate baseline VERSION` records files that are there; or name an empty directory: -d DIR",
            )

    @property
    def _has_directory(self) -> bool:
        return all(os.path.isdir(directory) for directory in self._options.directories)

    def _write(self, path: str, text: str) -> None:
        from dbmigrate.schema import file

        file.write_atomically(Path(path), text)


def _text(description: str, origin: str, body: str) -> str:
    said = f"-- Last id of the old tool: {origin}\n" if origin else ""
    return (
        f"-- migrate:up\n-- {' '.join(description.split())}\n"
        f"-- The schema from before the first migration: recorded, not run, where it was there.\n{said}\n"
        f"{body.strip()}\n\n-- migrate:down irreversible:true\n"
    )


def _of_file(path: str) -> str:
    """The SQL of FILE; of one that pg_dump wrote without what it sets for its session."""
    from dbmigrate.schema import file, load, normalise

    text = file.read(Path(path))
    if text.lstrip("\ufeff").startswith(_DUMP_HEAD):
        return _for_a_migration(load.prepare(normalise.normalise(text), path=path))
    return load.prepare(text, path=path)


def dumped(session: Session, dumping: Dumping, arguments: Sequence[str] = (), old: Sequence[OtherHistory] = ()) -> str:
    """The schema as SQL for a migration, without our tables and those of `old` histories."""
    from dbmigrate.schema import dump

    database.refuse_shared_session(session.facts, "pg_dump changes the settings of its session")
    text = dump.schema(session, dumping, arguments=[*arguments, *_exclusions(session, old)])
    return _for_a_migration(_beside_our_tables(text, session.tables.schema))


def _beside_our_tables(text: str, schema: str) -> str:
    """Our tables are made first, and their schema with them."""
    from dbmigrate.schema import items

    made = {f"CREATE SCHEMA {name};" for name in (schema, _pattern(schema))}
    pieces, at = [], 0
    for item in items.split(text):
        if item.text in made:
            pieces += [text[at : item.start], item.text.replace("CREATE SCHEMA", "CREATE SCHEMA IF NOT EXISTS", 1)]
            at = item.end
    return "".join([*pieces, text[at:]])


def _for_a_migration(normalised: str) -> str:
    from dbmigrate.schema.normalise import PREAMBLE

    body = normalised.removeprefix(PREAMBLE).strip().removesuffix(_DUMP_END)
    return f"{_SETTINGS}\n{body.strip()}"


# ----------------------------------------------------------------------------------------------- the old tool's tables


def _origin(session: Session, history: OtherHistory) -> str:
    """The last id of another tool's table, which is kept in the log: ``public.alembic_version: a5c0ffee0005``."""
    module = _READERS.get(history.tool)
    if module is None:
        return f"{history.qualified} ({history.tool})"
    tool: Tool = import_module(f"dbmigrate.importing.{module}").TOOL
    rows = [row for row in _rows(session, tool, history) if row.state is State.APPLIED]
    last = ", ".join(row.key for row in rows) if history.tool == "Alembic" else rows[-1].key if rows else "no row"
    return f"{history.qualified}: {last}"


def _rows(session: Session, tool: Tool, history: OtherHistory) -> tuple[Row, ...]:
    with database.translated(session.dsn):
        columns = database.query(
            session.conn,
            "select attname::text from pg_catalog.pg_attribute"
            " where attrelid = pg_catalog.format('%%I.%%I', %s::text, %s::text)::pg_catalog.regclass"
            " and attnum > 0 and not attisdropped order by attnum",
            history.schema,
            history.name,
        )
        table = HistoryTable(history.schema, history.name, tuple(str(column) for (column,) in columns))

        def query(sql: str, *parameters: object) -> Sequence[tuple[object, ...]]:
            return cast("Sequence[tuple[object, ...]]", database.query(session.conn, sql, *parameters))

        return tool.history(query, table, Answers())


def _exclusions(session: Session, old: Sequence[OtherHistory]) -> list[str]:
    """What pg_dump leaves out: our tables, the old tool's and their sequences, and the schemas of platforms."""
    tables = [(session.tables.schema, name) for name in (session.tables.name, session.tables.log_name)]
    for each in old:
        beside = [*_BESIDE.get(each.tool, ()), *([each.name + _LOCKS[each.tool]] if each.tool in _LOCKS else [])]
        tables += [(each.schema, name) for name in (each.name, *beside)]
    with database.translated(session.dsn):
        columns = [list(column) for column in zip(*tables, strict=True)]
        sequences = database.query(session.conn, _SEQUENCES, *columns)
        schemas = [str(schema) for (schema,) in database.query(session.conn, _SCHEMAS)]
    tables += [(str(schema), str(name)) for schema, name in sequences]
    hidden = [name for name in schemas if other_tools.is_of_platform(name) or _is_of_tool(name, old)]
    return [
        *(f"--exclude-table={_pattern(schema)}.{_pattern(name)}" for schema, name in tables),
        *(f"--exclude-schema={_pattern(name)}" for name in hidden),
    ]


def _is_of_tool(schema: str, old: Sequence[OtherHistory]) -> bool:
    return schema in _OWN_SCHEMAS and any(each.schema == schema for each in old)


def _pattern(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
