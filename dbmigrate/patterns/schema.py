"""The schema as the project's migrations make it, read from a scratch database: what a pattern has to take along."""

from __future__ import annotations

from dataclasses import field, replace
from typing import TYPE_CHECKING, Any

from dbmigrate.connection import database
from dbmigrate.frozen import frozen
from dbmigrate.lint.fix import facts
from dbmigrate.lint.fix.writing import Writer, quoted
from dbmigrate.lint.sql.reading import Reader, words_of
from dbmigrate.patterns.refusals import misfit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dbmigrate.connection.database import Connection
    from dbmigrate.lint.fix.facts import Facts

__all__ = ["Column", "Constraint", "Dependent", "Index", "Schema", "Table", "read"]


@frozen
class Column:
    """A column. `default` is its expression; `sequence` the one that it owns, written as SQL."""

    name: str
    number: int
    type: str
    is_required: bool
    default: str
    identity: str
    generated: str
    comment: str
    sequence: str
    grants: tuple[tuple[str, str, bool], ...] = ()  # who, which right, whether with the option to grant it


@frozen
class Constraint:
    """A constraint of a table. `kind` is `pg_constraint.contype`."""

    name: str
    kind: str
    columns: tuple[str, ...]
    definition: str
    is_valid: bool


@frozen
class Index:
    """An index without a constraint of its own. `columns` are all that it mentions."""

    name: str
    definition: str
    columns: frozenset[str]
    is_unique: bool


@frozen
class Dependent:
    """What depends on a column, as `pg_describe_object` names it."""

    column: str
    text: str
    is_remade: bool  # a default, constraint or index, which a copy of the column gets too


@frozen
class Table:
    """A table with what depends on it. `referrers` are tables whose foreign keys refer to it, with the columns."""

    schema: str
    name: str
    written: str
    kind: str
    has_row_security: bool
    is_inherited: bool
    columns: Mapping[str, Column]
    constraints: tuple[Constraint, ...]
    indexes: tuple[Index, ...]
    dependents: tuple[Dependent, ...]
    referrers: tuple[tuple[str, tuple[str, ...]], ...]
    grants: tuple[tuple[str, str, bool], ...] = ()

    def referrers_of(self, *columns: str) -> list[str]:
        """The tables whose foreign keys refer to one of these columns."""
        return [other for other, names in self.referrers if not set(columns).isdisjoint(names)]

    def column(self, name: str) -> Column:
        """Raises PlanError E266."""
        if name not in self.columns:
            raise misfit(f"{self.written} has no column {name}", f"its columns: {', '.join(self.columns)}")
        return self.columns[name]

    @property
    def primary(self) -> Constraint | None:
        """Its primary key."""
        return next((each for each in self.constraints if each.kind == "p"), None)

    def constraints_on(self, column: str, kinds: str) -> list[Constraint]:
        """Those of some kinds that a column is part of."""
        return [each for each in self.constraints if each.kind in kinds and column in each.columns]

    def indexes_on(self, column: str) -> list[Index]:
        """Those that mention a column."""
        return [each for each in self.indexes if column in each.columns]


@frozen
class Schema:
    """The scratch database: its facts, and a way to ask for a table. `server` is the oldest PostgreSQL to work on."""

    facts: Facts
    server: int
    tables: Mapping[int, Table] = field(default_factory=dict)
    bodies: tuple[tuple[str, str], ...] = ()  # functions with a text as their body
    attempt: Callable[[str], str] = str  # runs SQL and takes it back: the SQLSTATE of its failure, or nothing

    def table(self, written: str) -> Table:
        """The table that a name means, which is kept as it is written. Raises PlanError E266."""
        reader = Reader(words_of(written))
        name = reader.name()
        if name is None or not reader.is_done:
            raise misfit(f"`{written}` is not a name", 'write schema.table, or "Schema"."Table" with the quotes')
        found = self.facts.relation(name)
        if found is None or found.oid not in self.tables:
            raise misfit(f"the migrations make no table {written}", "the pattern is for a table that exists")
        return replace(self.tables[found.oid], written=written)

    def free(self, *parts: str, suffix: str) -> str:
        """A name that is not taken, as SQL has it: ``<part>_<part>_<suffix>``."""
        return quoted(Writer(taken=self.facts.names).free_name(*parts, suffix=suffix))

    def mentioning(self, column: str) -> list[str]:
        """The functions whose body, a text, has the column's name in it: nothing records what they use."""
        return [name for name, body in self.bodies if any(word.text.lower() == column for word in words_of(body))]


_TABLES = """
select c.oid::int8, n.nspname::text, c.relname::text, c.relkind::text, c.relrowsecurity,
  exists (select from pg_catalog.pg_inherits i where c.oid in (i.inhrelid, i.inhparent)),
  coalesce((select pg_catalog.jsonb_agg(pg_catalog.jsonb_build_array(r.conrelid::regclass::text,
      array(select a.attname from pg_catalog.pg_attribute a where a.attrelid = c.oid and a.attnum = any (r.confkey)))
      order by r.conname)
    from pg_catalog.pg_constraint r where r.confrelid = c.oid and r.contype = 'f'), '[]')
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
"""
_COLUMNS = """
select a.attname::text, a.attnum::int4, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull,
  coalesce(pg_catalog.pg_get_expr(d.adbin, d.adrelid), ''), a.attidentity::text, a.attgenerated::text,
  coalesce(pg_catalog.col_description(a.attrelid, a.attnum), ''),
  coalesce((select s.objid::regclass::text from pg_catalog.pg_depend s
    where s.refclassid = 'pg_catalog.pg_class'::regclass and s.refobjid = a.attrelid and s.refobjsubid = a.attnum
      and s.classid = 'pg_catalog.pg_class'::regclass and s.deptype in ('a', 'i')
      and exists (select from pg_catalog.pg_class q where q.oid = s.objid and q.relkind = 'S')), '')
from pg_catalog.pg_attribute a left join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
where a.attrelid = %s::int8::oid and a.attnum > 0 and not a.attisdropped order by a.attnum
"""
_GRANTS = """
select coalesce(a.attname::text, ''), case g.grantee when 0 then 'public' else g.grantee::regrole::text end,
  pg_catalog.lower(g.privilege_type), g.is_grantable
from pg_catalog.pg_class c
cross join lateral (
  select c.relacl as acl, null::name as attname union all
  select x.attacl, x.attname from pg_catalog.pg_attribute x where x.attrelid = c.oid and x.attacl is not null) a
cross join lateral pg_catalog.aclexplode(a.acl) g
where c.oid = %s::int8::oid and g.grantee <> c.relowner order by 1, 2, 3
"""
_CONSTRAINTS = """
select k.conname::text, k.contype::text,
  array(select a.attname::text from pg_catalog.unnest(k.conkey) with ordinality u (number, at)
        join pg_catalog.pg_attribute a on a.attrelid = k.conrelid and a.attnum = u.number order by u.at),
  pg_catalog.pg_get_constraintdef(k.oid), k.convalidated
from pg_catalog.pg_constraint k where k.conrelid = %s::int8::oid and k.contype in ('c', 'u', 'p', 'f', 'x')
order by k.conname
"""
_INDEXES = """
select c.relname::text, pg_catalog.pg_get_indexdef(c.oid), i.indisunique,
  array(select a.attname::text from pg_catalog.pg_depend d
        join pg_catalog.pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
        where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = c.oid and d.refobjid = i.indrelid
          and d.refobjsubid > 0)
from pg_catalog.pg_index i join pg_catalog.pg_class c on c.oid = i.indexrelid
where i.indrelid = %s::int8::oid
  and not exists (select from pg_catalog.pg_constraint k where k.conindid = c.oid and k.contype in ('p', 'u', 'x'))
order by c.relname
"""
_DEPENDENTS = """
select distinct a.attname::text, pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid),
  d.classid in ('pg_catalog.pg_attrdef'::regclass, 'pg_catalog.pg_constraint'::regclass)
  or (d.classid = 'pg_catalog.pg_class'::regclass
      and exists (select from pg_catalog.pg_class x where x.oid = d.objid and x.relkind in ('i', 'I', 'S')))
from pg_catalog.pg_depend d
join pg_catalog.pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
where d.refclassid = 'pg_catalog.pg_class'::regclass and d.refobjid = %s::int8::oid and d.refobjsubid > 0
order by 1, 2
"""
_BODIES = """
select p.oid::regprocedure::text, p.prosrc::text from pg_catalog.pg_proc p
join pg_catalog.pg_namespace n on n.oid = p.pronamespace
where n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and p.prosrc <> ''
"""


def read(conn: Connection, server: int, attempt: Callable[[str], str]) -> Schema:
    """Ask a scratch database."""
    tables = {row[0]: _table(conn, row) for row in _rows(conn, _TABLES)}
    bodies = tuple((name, text) for name, text in _rows(conn, _BODIES))
    return Schema(facts.read(conn), server, tables, bodies, attempt)


def _rows(conn: Connection, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
    return database.query(conn, statement, *parameters)


def _table(conn: Connection, row: tuple[Any, ...]) -> Table:
    oid, schema, name, kind, has_row_security, is_inherited, referrers = row
    grants = _rows(conn, _GRANTS, oid)
    columns = {}
    for values in _rows(conn, _COLUMNS, oid):
        own = tuple((who, right, may) for of, who, right, may in grants if of == values[0])
        columns[values[0]] = replace(Column(*values), grants=own)
    constraints = [
        Constraint(each, type_, tuple(keys), definition, valid)
        for each, type_, keys, definition, valid in _rows(conn, _CONSTRAINTS, oid)
    ]
    indexes = [
        Index(each, definition, frozenset(keys), unique)
        for each, definition, unique, keys in _rows(conn, _INDEXES, oid)
    ]
    return Table(
        schema,
        name,
        quoted(name),
        kind,
        has_row_security,
        is_inherited,
        columns,
        tuple(constraints),
        tuple(indexes),
        tuple(Dependent(*each) for each in _rows(conn, _DEPENDENTS, oid)),
        tuple((other, tuple(names)) for other, names in referrers),
        tuple((who, right, may) for of, who, right, may in grants if not of),
    )
