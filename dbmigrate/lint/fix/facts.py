"""What a text does not say, read from a scratch database before and after the original was run there.

Above all the names that the server gives: guessing them means to repeat its rules for cutting, counting and folding
(``ChooseRelationName``), and to be wrong where a name is taken.
"""

from __future__ import annotations

from dataclasses import field, replace
from typing import TYPE_CHECKING

from dbmigrate.connection import database
from dbmigrate.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import TypeVar

    from dbmigrate.connection.database import Connection
    from dbmigrate.lint.sql.shape import Name

    Named = TypeVar("Named", "Relation", "Index")

__all__ = ["Column", "Constraint", "Facts", "Index", "Relation", "read"]


@frozen
class Column:
    """A column of a table. `type` is written as the server does."""

    name: str
    type: str
    is_required: bool
    sequence: str = ""  # which it owns, written as SQL


@frozen
class Relation:
    """A table, partitioned table (``p``), materialized view (``m``) or the like, by `pg_class.relkind`."""

    oid: int
    schema: str
    name: str
    kind: str
    persistence: str
    parent: int | None  # whose partition it is
    is_default: bool  # the DEFAULT partition
    is_of_extension: bool
    bounds: str  # the condition that rows of the partition satisfy
    keys: tuple[str, ...]  # what a partitioned table is partitioned by; an expression is empty
    columns: Mapping[str, Column] = field(default_factory=dict)


@frozen
class Constraint:
    """`kind` is `pg_constraint.contype`. `is_copied`: it was made for a partition."""

    oid: int
    table: int
    name: str
    kind: str
    columns: tuple[str, ...]
    definition: str
    is_copied: bool
    is_valid: bool


@frozen
class Index:
    """`kind` is ``I`` for that of a partitioned table. `parent` is the partitioned index that it belongs to.

    `is_whole`: over plain columns and all rows, as REFRESH .. CONCURRENTLY wants a unique one.
    """

    oid: int
    schema: str
    name: str
    kind: str
    table: int
    definition: str
    columns: tuple[str, ...]
    parent: int | None
    is_of_constraint: bool
    is_referred: bool  # a foreign key uses it
    is_unique: bool
    is_whole: bool


@frozen
class Facts:
    """A database at one moment. `path` are the schemas of search_path that exist, in their order."""

    path: tuple[str, ...] = ()
    version: int = 0
    relations: Mapping[int, Relation] = field(default_factory=dict)
    constraints: Sequence[Constraint] = ()
    indexes: Sequence[Index] = ()
    names: frozenset[str] = frozenset()  # of relations and constraints, without their schemas

    def relation(self, name: Name) -> Relation | None:
        """The table that a name means."""
        found = [each for each in self.relations.values() if each.name == name.name]
        return _first(found, name, self.path)

    def index(self, name: Name) -> Index | None:
        return _first([each for each in self.indexes if each.name == name.name], name, self.path)

    def has_relation(self, oid: int, other: Facts) -> bool:
        """Whether a relation of `other`, which may be of another database, is here too: by its name."""
        wanted = other.relations[oid]
        return any((each.schema, each.name) == (wanted.schema, wanted.name) for each in self.relations.values())

    def has_index(self, index: Index) -> bool:
        """The same for an index."""
        return any((each.schema, each.name) == (index.schema, index.name) for each in self.indexes)

    def has_constraint(self, constraint: Constraint, other: Facts) -> bool:
        """The same for a constraint."""
        wanted = other.relations.get(constraint.table)
        own = ((self.relations.get(each.table), each.name) for each in self.constraints)
        return wanted is not None and any(
            table and (table.schema, table.name, name) == (wanted.schema, wanted.name, constraint.name)
            for table, name in own
        )

    def constraints_of(self, table: Relation, kind: str) -> list[Constraint]:
        """Those of a kind, in the order in which they were made."""
        found = [each for each in self.constraints if each.table == table.oid and each.kind == kind]
        return sorted(found, key=lambda each: each.oid)

    def indexes_of(self, table: Relation) -> list[Index]:
        """In the order in which they were made."""
        return sorted((each for each in self.indexes if each.table == table.oid), key=lambda each: each.oid)

    def leaves(self, table: Relation) -> list[Relation]:
        """The partitions that hold rows, in the order of their names."""
        found: list[Relation] = []
        for each in self.relations.values():
            if each.parent == table.oid:
                found += self.leaves(each) if each.kind == "p" else [each]
        return sorted(found, key=lambda each: (each.schema, each.name))

    def index_of_leaf(self, index: Index, leaf: Relation) -> Index | None:
        """The part of a partitioned index that is on one partition."""
        for each in self.indexes:
            if each.table == leaf.oid:
                root: Index | None = each
                while root is not None and root.oid != index.oid:
                    root = next((other for other in self.indexes if root and other.oid == root.parent), None)
                if root is not None:
                    return each
        return None


def _first(found: Sequence[Named], name: Name, path: Sequence[str]) -> Named | None:
    if name.schema is not None:
        return next((each for each in found if each.schema == name.schema), None)
    order = {schema: number for number, schema in enumerate(path)}
    return min((each for each in found if each.schema in order), key=lambda each: order[each.schema], default=None)


_OURS = "n.nspname !~ '^pg_' and n.nspname <> 'information_schema'"
_RELATIONS = f"""
select c.oid::int8, n.nspname::text, c.relname::text, c.relkind::text, c.relpersistence::text,
  (select i.inhparent::int8 from pg_catalog.pg_inherits i where i.inhrelid = c.oid and c.relispartition),
  coalesce(pg_catalog.pg_get_expr(c.relpartbound, c.oid) = 'DEFAULT', false),
  exists (select from pg_catalog.pg_depend d where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = c.oid
          and d.deptype = 'e'),
  coalesce(case when c.relispartition then pg_catalog.pg_get_partition_constraintdef(c.oid) end, ''),
  array(select coalesce(a.attname::text, '') from pg_catalog.pg_partitioned_table p,
        pg_catalog.unnest(p.partattrs::int2[]) with ordinality u (number, at)
        left join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum = u.number
        where p.partrelid = c.oid order by u.at),
  coalesce((select pg_catalog.jsonb_object_agg(a.attname, pg_catalog.jsonb_build_array(
      pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull,
      coalesce((select s.objid::pg_catalog.regclass::text from pg_catalog.pg_depend s
        join pg_catalog.pg_class q on q.oid = s.objid and q.relkind = 'S'
        where s.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and s.deptype = 'a'
          and s.refobjid = a.attrelid and s.refobjsubid = a.attnum limit 1), '')))
    from pg_catalog.pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped), '{{}}')
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'm', 'f', 'v') and {_OURS}
"""
_CONSTRAINTS = f"""
select k.oid::int8, k.conrelid::int8, k.conname::text, k.contype::text,
  array(select a.attname::text from pg_catalog.unnest(k.conkey) with ordinality u (number, at)
        join pg_catalog.pg_attribute a on a.attrelid = k.conrelid and a.attnum = u.number order by u.at),
  pg_catalog.pg_get_constraintdef(k.oid), k.conparentid <> 0 or not k.conislocal, k.convalidated
from pg_catalog.pg_constraint k join pg_catalog.pg_namespace n on n.oid = k.connamespace
where k.conrelid <> 0 and {_OURS}
"""
_INDEXES = f"""
select c.oid::int8, n.nspname::text, c.relname::text, c.relkind::text, i.indrelid::int8,
  pg_catalog.pg_get_indexdef(c.oid),
  array(select coalesce(a.attname::text, '') from pg_catalog.unnest(i.indkey::int2[]) with ordinality u (number, at)
        left join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = u.number
        where u.at <= i.indnkeyatts order by u.at),
  (select h.inhparent::int8 from pg_catalog.pg_inherits h where h.inhrelid = c.oid),
  exists (select from pg_catalog.pg_constraint k where k.conindid = c.oid and k.contype in ('p', 'u', 'x')),
  exists (select from pg_catalog.pg_constraint k where k.conindid = c.oid and k.contype = 'f'),
  i.indisunique, i.indpred is null and i.indexprs is null
from pg_catalog.pg_index i join pg_catalog.pg_class c on c.oid = i.indexrelid
join pg_catalog.pg_namespace n on n.oid = c.relnamespace where {_OURS}
"""
_NAMES = "select relname::text from pg_catalog.pg_class union select conname::text from pg_catalog.pg_constraint"


def read(conn: Connection) -> Facts:
    """Ask a scratch database."""
    relations: dict[int, Relation] = {}
    for oid, *values, columns in database.query(conn, _RELATIONS):
        found = {name: Column(name, *values) for name, values in dict(columns).items()}  # type: ignore[call-overload]
        made = Relation(int(str(oid)), *_tuples(values))  # type: ignore[arg-type]
        relations[made.oid] = replace(made, columns=found)
    constraints = [Constraint(*_tuples(row)) for row in database.query(conn, _CONSTRAINTS)]  # type: ignore[arg-type]
    indexes = [Index(*_tuples(row)) for row in database.query(conn, _INDEXES)]  # type: ignore[arg-type]
    names = frozenset(str(row[0]) for row in database.query(conn, _NAMES))
    path = [str(row[0]) for row in database.query(conn, "select pg_catalog.unnest(pg_catalog.current_schemas(false))")]
    return Facts(tuple(path), conn.info.server_version // 10000, relations, constraints, indexes, names)


def _tuples(row: Sequence[object]) -> list[object]:
    return [tuple(value) if isinstance(value, list) else value for value in row]
