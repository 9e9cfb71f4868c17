"""Reads a `Catalog` from the connected database: one round trip, one snapshot, nothing changed."""

from __future__ import annotations

from string import Template
from typing import TYPE_CHECKING, cast

from psycopg import sql

from dbmigrate.catalog import objects, prepared, queries
from dbmigrate.catalog.fingerprinting import Fingerprints
from dbmigrate.catalog.kinds import Kind
from dbmigrate.catalog.prepared import Plans, Query
from dbmigrate.catalog.values import Catalog, Item, Key

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from dbmigrate.catalog.prepared import Rows
    from dbmigrate.connection.database import Connection

Row = tuple[str | None, ...]

# parents before their children; the kind of a row says which one it is
_OBJECTS = (
    queries.SCHEMAS,
    objects.EXTENSIONS,
    objects.TYPES,
    queries.TABLES,
    queries.FOREIGN_TABLES,
    queries.VIEWS,
    queries.MATERIALIZED_VIEWS,
)
_PARTS = (
    queries.SEQUENCES,
    queries.CONSTRAINTS,
    queries.INDEXES,
    queries.TRIGGERS,
    queries.RULES,
    queries.POLICIES,
    queries.STATISTICS,
    objects.FUNCTIONS,
    objects.AGGREGATES,
    objects.OPERATOR_FAMILIES,
    objects.EVENT_TRIGGERS,
    objects.OTHERS,
    objects.USER_MAPPINGS,
)
_REMARKS = (
    objects.COMMENTS,
    objects.SECURITY_LABELS,
    objects.OWNERS,
    objects.GRANTS,
    objects.DEFAULT_PRIVILEGES,
)
_QUERIES = (*_OBJECTS, queries.COLUMNS, *_PARTS, *_REMARKS)


def read(conn: Connection, *, without: Collection[tuple[str, str]] = ()) -> Catalog:
    """Every object of the database that is not part of the system or of an extension, and no temporary one.

    `without` names tables to leave out, by schema and name as they are (not quoted). Secrets (connection strings of
    subscriptions, options of user mappings) are not read, values of sequences and large objects neither. Works for
    roles that may only read, in a read-only session, and inside an open transaction, of which nothing is changed
    (`search_path` is put back, locks are given up); else in a snapshot of its own.

    Raises psycopg.Error; what was open before is still open then, but failed, as after any error.
    """
    answers = prepared.answers(conn, _texts(conn, without))
    return _Builder(conn.info.server_version).catalog(iter(answers))


class Reader:
    """Reads one database again and again, in a third of the time: the server plans the queries only once.

    The plans are prepared statements of the session; when somebody has discarded them, they are made again.
    """

    def __init__(self, conn: Connection, *, without: Collection[tuple[str, str]] = ()) -> None:
        self._conn = conn
        self._objects = Plans("catalog", [Query(text) for text in _texts(conn, without)])
        self.fingerprints = Fingerprints(conn)

    def read(self) -> Catalog:
        """As `read`."""
        answers = self._objects.answers(self._conn, [(number, "") for number in range(len(_QUERIES))])
        return _Builder(self._conn.info.server_version).catalog(iter(answers))

    def fingerprint(self) -> str:
        """What stays the same as long as the catalog does, in a third of the time or less; see `fingerprinting`."""
        return self.fingerprints.take()


def _texts(conn: Connection, without: Collection[tuple[str, str]]) -> Iterator[str]:
    fragments = _fragments(conn.info.server_version) | {"without": _left_out(conn, without)}
    for query in _QUERIES:
        yield Template(query).substitute(fragments)


def _left_out(conn: Connection, names: Collection[tuple[str, str]]) -> str:
    if not names:
        return ""
    pairs = sql.SQL(", ").join(sql.SQL("({}, {})").format(schema, name) for schema, name in sorted(names))
    return sql.SQL("and (n.nspname::text, c.relname::text) not in ({})").format(pairs).as_string(conn)


def _fragments(version: int) -> dict[str, str]:
    """The parts of the queries that servers of different versions need differently."""
    parts = {
        "compression": "null",
        "multirange": "",
        "locale": "case when c.collprovider <> 'c' then c.collcollate end",
        "icu_rules": "",
        "generated": "''",
        "published": "",
        "published_schemas": "",
    }
    if version >= 140000:
        parts["compression"] = "case a.attcompression when 'p' then 'pglz' when 'l' then 'lz4' end"
        parts["multirange"] = ", 'MULTIRANGE_TYPE_NAME = ' || r.rngmultitypid::regtype"
    if version >= 150000:
        parts["locale"] = "c.colliculocale"
        parts["published"] = _PUBLISHED
        parts["published_schemas"] = _PUBLISHED_SCHEMAS
    if version >= 160000:
        parts["icu_rules"] = ", 'RULES = ' || quote_literal(c.collicurules)"
    if version >= 170000:
        parts["locale"] = "c.colllocale"
    if version >= 180000:
        parts["generated"] = "case p.pubgencols when 's' then ', publish_generated_columns = stored' else '' end"
    return parts


_PUBLISHED = """
  || coalesce(' (' || (select string_agg(quote_ident(a.attname), ', ' order by a.attnum) from pg_attribute a
                       where a.attrelid = r.prrelid and a.attnum = any(r.prattrs)) || ')', '')
  || coalesce(' WHERE ' || pg_get_expr(r.prqual, r.prrelid), '')
"""
_PUBLISHED_SCHEMAS = """
union all
select 'publication member', 'pg_publication_namespace:' || s.oid, 'pg_publication:' || s.pnpubid, null,
       'tables of schema ' || s.pnnspid::regnamespace || ' in '
         || (select quote_ident(pubname) from pg_publication where oid = s.pnpubid),
       'ALTER PUBLICATION ' || (select quote_ident(pubname) from pg_publication where oid = s.pnpubid)
         || ' ADD TABLES IN SCHEMA ' || s.pnnspid::regnamespace
from pg_publication_namespace s
"""


class _Builder:
    """Makes objects of rows: names the parents and origins, which rows know by oid."""

    def __init__(self, server_version: int) -> None:
        self._server_version = server_version
        self._items: dict[Kind, dict[str, Item]] = {}
        self._columns: dict[Key, list[str]] = {}
        self._keys: dict[str, Key] = {}
        self._bases: dict[str, Key] = {}  # the first parent of a table that inherits, by the table's name

    def catalog(self, answers: Iterator[Rows]) -> Catalog:
        for _ in _OBJECTS:
            self._objects(next(answers))
        self._read_columns(next(answers))
        for _ in _PARTS:
            self._objects(next(answers))
        for ref, text in self._about(next(answers)):
            self._add(Key(Kind.COMMENT, " ".join(ref)), Item((text[0],), ref))
        for ref, (provider, label) in self._about(next(answers)):
            self._add(Key(Kind.SECURITY_LABEL, f"of {provider} on {' '.join(ref)}"), Item((label,), ref))
        for ref, owner in self._about(next(answers)):
            self._add(Key(Kind.OWNER, " ".join(ref)), Item((owner[0],), ref))
        self._grants(next(answers))
        self._default_privileges(next(answers))
        columns = {key: tuple(names) for key, names in self._columns.items()}
        return Catalog(self._server_version, self._items, columns)

    def _add(self, key: Key, item: Item) -> None:
        self._items.setdefault(key.kind, {})[key.name] = item

    def _objects(self, rows: Rows) -> None:
        """Two passes: a parent or an origin may stand behind what belongs to it."""
        found: list[tuple[Key, Row]] = []
        for row in cast("list[Row]", rows):
            key = Key(_KINDS[row[0] or ""], row[4] or "")
            if row[2] is None or row[2] in self._keys or row[2].startswith(_WHOLE) or key.kind in _RELATIONS:
                self._keys[row[1] or ""] = key
                found.append((key, row))
        for key, row in found:
            self._object(key, row)

    def _object(self, key: Key, row: Row) -> None:
        _, _, parent_ref, origin_ref, _, *values = row
        parent, origin = self._keys.get(parent_ref or ""), self._keys.get(origin_ref or "")
        if key.kind is Kind.TYPE and origin_ref:
            self._keys[origin_ref] = key  # the relation of a composite type
        if key.kind is Kind.TYPE:
            values = values[:_TYPE_VALUES]
        if origin is not None and key.kind in _RELATIONS:
            self._bases[key.name], origin = origin, None
        self._add(key, Item(tuple(values), parent, origin))

    def _read_columns(self, rows: Rows) -> None:
        for relkind, relation, number, name, is_inherited, *values in rows:
            parent = self._keys.get(f"pg_class:{relation}")
            if parent is None:
                continue
            kind = Kind.ATTRIBUTE if relkind == "c" else Kind.COLUMN
            key = Key(kind, f"{parent.name}.{name}")
            self._keys[f"pg_class:{relation}:{number}"] = key
            texts = cast("Row", tuple(values))
            origin = None
            if relkind in ("v", "m"):
                origin = parent
            elif is_inherited and parent.name in self._bases:
                origin = Key(kind, f"{self._bases[parent.name].name}.{name}")
            self._add(key, Item(texts if kind is Kind.COLUMN else (texts[0], texts[5]), parent, origin))
            if relkind not in ("v", "m"):
                self._columns.setdefault(parent, []).append(str(name))

    def _about(self, rows: Rows) -> Iterator[tuple[Key, Sequence[str]]]:
        """Rows that begin with the ref of an object; those of objects that are left out are left out."""
        for ref, *texts in rows:
            key = self._keys.get(str(ref))
            if key is not None:
                yield key, cast("list[str]", texts)

    def _grants(self, rows: Rows) -> None:
        for key, (taken, grantee, privilege, option) in self._about(rows):
            on, what = f"{_ON.get(key.kind, key.kind.upper() + ' ')}{key.name}", privilege
            if key.kind is Kind.COLUMN and (parent := self._items[key.kind][key.name].parent):
                on, what = parent.name, f"{privilege} ({key.name.removeprefix(parent.name + '.')})"
            name = f"{privilege} on {' '.join(key)} to {grantee}"
            self._add(Key(Kind.GRANT, name), Item((option, _statement(what, on, grantee, taken)), key))

    def _default_privileges(self, rows: Rows) -> None:
        for kind, place, role, taken, grantee, privilege, option in cast("list[tuple[str, ...]]", rows):
            statement = _statement(privilege, kind.upper(), grantee, taken)
            name = f"{privilege} on {kind}{place} made by {role} to {grantee}"
            clause = f"ALTER DEFAULT PRIVILEGES FOR ROLE {role}{place.replace(' in schema ', ' IN SCHEMA ', 1)}"
            self._add(Key(Kind.DEFAULT_PRIVILEGE, name), Item((option, f"{clause} {statement}")))


_KINDS = {kind.value: kind for kind in Kind}
_RELATIONS = (Kind.TABLE, Kind.FOREIGN_TABLE)
_WHOLE = "pg_namespace:"  # a schema that is an extension's own may hold objects that are not
_TYPE_VALUES = 3  # the further ones are a domain's

# how GRANT calls what it does not call by its kind
_ON = {
    Kind.TABLE: "",
    Kind.VIEW: "",
    Kind.MATERIALIZED_VIEW: "",
    Kind.FOREIGN_TABLE: "",
    Kind.AGGREGATE: "FUNCTION ",
    Kind.SERVER: "FOREIGN SERVER ",
}


def _statement(privilege: str, on: str, grantee: str, taken: str) -> str:
    verb, to = ("REVOKE", "FROM") if taken else ("GRANT", "TO")
    return f"{verb} {privilege} ON {on} {to} {grantee};"
