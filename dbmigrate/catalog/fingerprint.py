"""The SQL of a fingerprint: a text that stays the same as long as nothing that a `Catalog` holds changes.

`fingerprinting` asks it.

It is made of the rows of the system catalogs as they are, which takes a third of the time that describing the objects
takes, and nearly none of the client's. Equal fingerprints in one database mean equal catalogs, up to a collision of
64-bit hashes. Different ones mean little: an index that was made again is described as before and has another oid.

A row is hashed as text. The server's hash of a record (hash_record_extended) is a sum of those of its columns: what one
row loses and another one gains would cancel out, and that of an aclitem does not know the grant option.

Left out is what no query of a catalog looks at: counters, file numbers, flags that stay set when their reason is gone,
dropped columns, out-of-line storage, row types and array types, which are named after something else.
https://www.postgresql.org/docs/current/catalogs.html
"""

from __future__ import annotations

from typing import NamedTuple

from dbmigrate.catalog import options

_TOAST = "'pg_toast'::regnamespace"
_PUBLIC = 2200  # the schema as initdb makes it (src/include/catalog/pg_namespace.dat)
_NAMESPACE = "(select c.relnamespace from pg_class c where c.oid = {})"
_OF_COLUMN = options.text("a.attoptions", options.COLUMN)
# no name means something else in another kind of relation, and none takes those of another: one list does for all
_OF_RELATION = options.text("c.reloptions", (*options.TABLE, *options.INDEX, *options.VIEW), access_method="c.relam")


class Part(NamedTuple):
    """Rows of one catalog: the FROM clause, what of a row is hashed, which rows are looked at, which of them count.

    `row` is the alias where each change makes another version of a row, with a new xmin. It is empty for views, for a
    table of which not everybody may read xmin, and for one that is changed in place. `counted` never changes for one
    version of a row.
    """

    origin: str
    value: str
    looked: str
    row: str = ""
    counted: str = "true"

    @property
    def catalog(self) -> str:
        """The catalog that it is about."""
        return self.origin.partition(" ")[0]


# the rows that are many: the columns that the queries of a catalog look at
_MANY = (
    Part(
        "pg_class c",
        "row(c.oid, c.relname, c.relnamespace, c.reloftype, c.relowner, c.relam, c.reltablespace, c.relpersistence,"
        " c.relkind, c.relrowsecurity, c.relforcerowsecurity, c.relreplident, c.relispartition, c.relacl,"
        f" {_OF_RELATION}, c.relpartbound::text)",
        "c.oid >= 16384",
        "c",
        f"(c.relnamespace <> {_TOAST} or {_OF_RELATION} is not null)",
    ),
    Part(
        "pg_attribute a",
        "row(a.attrelid, a.attnum, a.attname, a.atttypid, a.atttypmod, a.attnotnull, a.atthasdef, a.attidentity,"
        " a.attgenerated, a.attinhcount, a.attcollation, a.attstorage, $compression, a.attstattarget, a.attacl,"
        f" {_OF_COLUMN}, a.attfdwoptions)",
        "a.attrelid >= 16384 and a.attnum > 0",
        "a",
        f"not a.attisdropped and {_NAMESPACE.format('a.attrelid')} <> {_TOAST}",
    ),
    Part(
        "pg_index i",
        "row(i.indexrelid, i.indrelid, i.indisunique, i.indisprimary, i.indisexclusion, i.indimmediate,"
        " i.indisclustered, i.indisvalid, i.indisready, i.indisreplident, i.indnkeyatts, i.indkey::text,"
        " i.indcollation, i.indclass, i.indoption::text, i.indexprs::text, i.indpred::text, $distinct)",
        "i.indexrelid >= 16384",
        "i",
        f"{_NAMESPACE.format('i.indrelid')} <> {_TOAST}",
    ),
    Part(
        "pg_depend d",
        "row(d.classid, d.objid, d.objsubid, d.refclassid, d.refobjid, d.refobjsubid, d.deptype)",
        f"(d.objid >= 16384 or (d.classid = 'pg_namespace'::regclass and d.objid = {_PUBLIC}))"
        " and d.deptype in ('e', 'i', 'a')",
        "d",
        "(d.deptype = 'e'"
        " or (d.deptype = 'i' and d.classid in ('pg_proc'::regclass, 'pg_cast'::regclass))"
        " or (d.deptype in ('a', 'i') and d.classid = 'pg_class'::regclass"
        " and (select c.relkind from pg_class c where c.oid = d.objid) = 'S'))",
    ),
)

# the others: whole rows, of what is not the system's own (FirstNormalObjectId)
_OIDS = (
    *("pg_am", "pg_amop", "pg_amproc", "pg_attrdef", "pg_cast", "pg_collation", "pg_constraint", "pg_conversion"),
    *("pg_enum", "pg_event_trigger", "pg_foreign_data_wrapper", "pg_foreign_server", "pg_language", "pg_opclass"),
    *("pg_operator", "pg_opfamily", "pg_policy", "pg_proc", "pg_publication", "pg_publication_rel", "pg_rewrite"),
    *("pg_statistic_ext", "pg_transform", "pg_trigger", "pg_ts_config", "pg_ts_dict", "pg_ts_parser"),
    "pg_ts_template",
)
_CONDITIONS = {
    **{catalog: "x.oid >= 16384" for catalog in _OIDS},
    "pg_aggregate": "x.aggfnoid >= 16384",
    "pg_default_acl": "true",
    "pg_description": f"x.objoid >= 16384 or (x.objoid = {_PUBLIC} and x.classoid = 'pg_namespace'::regclass)",
    "pg_extension": "true",
    "pg_foreign_table": "x.ftrelid >= 16384",
    "pg_inherits": "x.inhrelid >= 16384",
    "pg_namespace": "x.nspname !~ '^pg_'",
    "pg_partitioned_table": "x.partrelid >= 16384",
    "pg_range": "x.rngtypid >= 16384",
    "pg_seclabel": "true",
    "pg_sequence": "x.seqrelid >= 16384",
    "pg_ts_config_map": "x.mapcfg >= 16384",
    "pg_type": "x.oid >= 16384",
}
_COUNTED = {
    "pg_type": "x.typinput <> 'array_in'::regproc"
    " and (x.typtype <> 'c' or (select c.relkind from pg_class c where c.oid = x.typrelid) = 'c')",
}
_WHOLE = tuple(
    Part(f"{catalog} x", "x", condition, "x", _COUNTED.get(catalog, "true"))
    for catalog, condition in sorted(_CONDITIONS.items())
)

_HERE = "(select oid from pg_database where datname = current_database())"
# what everybody may read of the rest; names of roles (of those that are somebody here) stand in descriptions of objects
_NAMES = (
    Part(
        "pg_roles r",
        "row(r.oid, r.rolname)",
        "r.oid < 16384 or r.oid in (select d.refobjid from pg_shdepend d"
        f" where d.refclassid = 'pg_authid'::regclass and d.dbid = {_HERE})",
    ),
    Part("pg_tablespace t", "row(t.oid, t.spcname)", "true"),
    Part("pg_user_mappings m", "row(m.umid, m.srvid, m.srvname, m.umuser)", "true"),
    Part("pg_subscription s", "row(s.subdbid, s.subname, s.subpublications, s.subslotname)", f"s.subdbid = {_HERE}"),
)
_PUBLISHED_SCHEMAS = Part("pg_publication_namespace x", "x", "true", "x")  # since PostgreSQL 15


# Where an old row of these changes, the texts of rows of others may: they hold names of functions and of roles, with
# their schemas. What an access method is decides which options count.
_NAMING = frozenset(("pg_am", "pg_namespace", "pg_proc", "pg_roles"))
# of these every table has rows; the others are looked at together, which takes a fifth of the time
_ALONE = frozenset(("pg_class", "pg_attribute", "pg_index", "pg_depend", "pg_constraint", "pg_type", "pg_attrdef"))


class Group(NamedTuple):
    """Parts whose rows are counted together. `is_versioned`: new rows differ from old ones by their xmin."""

    parts: tuple[Part, ...]

    @property
    def is_versioned(self) -> bool:
        return all(part.row for part in self.parts)

    @property
    def is_naming(self) -> bool:
        """Whether the texts of rows of other groups depend on it."""
        return any(part.catalog in _NAMING for part in self.parts)


def groups(version: int) -> tuple[Group, ...]:
    """What a server of this version (libpq's, 180006) has."""
    parts = (*_MANY, *_WHOLE, *_NAMES, *((_PUBLISHED_SCHEMAS,) if version >= 150000 else ()))
    if version < 140000:
        # CREATE INDEX CONCURRENTLY sets indisvalid in place there (index_set_state_flags, src/backend/catalog/index.c)
        parts = tuple(part._replace(row="") if part.catalog == "pg_index" else part for part in parts)
    single = [part for part in parts if part.catalog in _ALONE]
    others = [part for part in parts if part not in single]
    versioned = tuple(part for part in others if part.row)
    return (
        *(Group((part,)) for part in single),
        Group(versioned),
        Group(tuple(part for part in others if not part.row)),
    )


# The oldest transaction in progress when the query saw the database, or the next one where none was; and whether all
# of that and later ones were in progress, so that nothing of them was seen.
SNAPSHOT = (
    "pg_snapshot_xmin(pg_current_snapshot())::text::int8 as oldest,"
    " pg_snapshot_xmax(pg_current_snapshot())::text::int8 - pg_snapshot_xmin(pg_current_snapshot())::text::int8"
    " = (select count(*) from pg_snapshot_xip(pg_current_snapshot())) as is_unseen"
)


def whole(group: Group, version: int) -> str:
    """One value: the number of rows, twice, and the sum of the hashes of those that count."""
    return _value(group, "true", version)


def since(group: Group, version: int) -> str:
    """The number of rows; and of those that are not older than a transaction their number, and the sum of the hashes.

    $1 is the age of the transaction's id.
    """
    return _value(group, "age({}.xmin) <= $1" if group.is_versioned else "true", version)


def unchanged(group: Group, version: int) -> str:
    """The same in half of the time, without the hashes: of the rows that are not older only whether there are any."""
    if not group.is_versioned:
        return whole(group, version)
    rows = " union all ".join(
        f"select age({each.row}.xmin) as age from {each.origin} where {each.looked}" for each in group.parts
    )
    return f"(select count(*) || ':' || coalesce((min(age) <= $1)::int, 0) || ':0' from ({rows}) as found)"


def _value(group: Group, is_new: str, version: int) -> str:
    # a hash is null where a row is not new: the condition is evaluated once a row, which is most of what one costs
    rows = " union all ".join(_rows(part, seed, is_new, version) for seed, part in enumerate(group.parts))
    values = "count(*) || ':' || count(hash) || ':' || coalesce(sum(hash), 0)"
    return f"(select {values} from ({rows}) as found)"


def _rows(part: Part, seed: int, is_new: str, version: int) -> str:
    is_new = is_new.format(part.row)
    value = part.value.replace("$compression", "a.attcompression" if version >= 140000 else "null")
    value = value.replace("$distinct", "i.indnullsnotdistinct" if version >= 150000 else "null")
    hashed = f"hashtextextended(({value})::text, {seed})"
    counted = hashed if part.counted == "true" else f"case when {part.counted} then {hashed} else 0 end"
    new = counted if is_new == "true" else f"case when {is_new} then {counted} end"
    return f"select {new} as hash from {part.origin} where {part.looked}"
