"""The SQL of a fingerprint: a text that stays the same as long as nothing that a `Catalog` holds changes.

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
_OF_COLUMN = options.text("a.attoptions", options.COLUMN)
# no name means something else in another kind of relation, and none takes those of another: one list does for all
_OF_RELATION = options.text("c.reloptions", (*options.TABLE, *options.INDEX, *options.VIEW), access_method="c.relam")


class _Part(NamedTuple):
    """Rows of a catalog: the FROM clause, what of a row is hashed, which rows."""

    origin: str
    value: str
    condition: str


# the rows that are many: the columns that the queries of a catalog look at
_MANY = (
    _Part(
        "pg_class c",
        "row(c.oid, c.relname, c.relnamespace, c.reloftype, c.relowner, c.relam, c.reltablespace, c.relpersistence,"
        " c.relkind, c.relrowsecurity, c.relforcerowsecurity, c.relreplident, c.relispartition, c.relacl,"
        f" {_OF_RELATION}, c.relpartbound::text)",
        f"c.oid >= 16384 and (c.relnamespace <> {_TOAST} or {_OF_RELATION} is not null)",
    ),
    _Part(
        "pg_attribute a join pg_class c on c.oid = a.attrelid",
        "row(a.attrelid, a.attnum, a.attname, a.atttypid, a.atttypmod, a.attnotnull, a.atthasdef, a.attidentity,"
        " a.attgenerated, a.attinhcount, a.attcollation, a.attstorage, $compression, a.attstattarget, a.attacl,"
        f" {_OF_COLUMN}, a.attfdwoptions)",
        f"a.attrelid >= 16384 and a.attnum > 0 and not a.attisdropped and c.relnamespace <> {_TOAST}",
    ),
    _Part(
        "pg_index i join pg_class c on c.oid = i.indrelid",
        "row(i.indexrelid, i.indrelid, i.indisunique, i.indisprimary, i.indisexclusion, i.indimmediate,"
        " i.indisclustered, i.indisvalid, i.indisready, i.indisreplident, i.indnkeyatts, i.indkey::text,"
        " i.indcollation, i.indclass, i.indoption::text, i.indexprs::text, i.indpred::text, $distinct)",
        f"i.indexrelid >= 16384 and c.relnamespace <> {_TOAST}",
    ),
    _Part(
        "pg_depend d",
        "row(d.classid, d.objid, d.objsubid, d.refclassid, d.refobjid, d.refobjsubid, d.deptype)",
        f"(d.deptype = 'e' and d.classid = 'pg_namespace'::regclass and d.objid = {_PUBLIC})"
        " or d.objid >= 16384 and (d.deptype = 'e'"
        " or (d.deptype = 'i' and d.classid in ('pg_proc'::regclass, 'pg_cast'::regclass))"
        " or (d.deptype in ('a', 'i') and d.classid = 'pg_class'::regclass"
        " and d.objid in (select s.seqrelid from pg_sequence s)))",
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
    "pg_type": "x.oid >= 16384 and x.typinput <> 'array_in'::regproc"
    " and (x.typtype <> 'c' or (select c.relkind from pg_class c where c.oid = x.typrelid) = 'c')",
}
_WHOLE = tuple(_Part(f"{catalog} x", "x", condition) for catalog, condition in sorted(_CONDITIONS.items()))

_HERE = "(select oid from pg_database where datname = current_database())"
# what everybody may read of the rest; names of roles (of those that are somebody here) stand in descriptions of objects
_NAMES = (
    _Part(
        "pg_roles r",
        "row(r.oid, r.rolname)",
        "r.oid < 16384 or r.oid in (select d.refobjid from pg_shdepend d"
        f" where d.refclassid = 'pg_authid'::regclass and d.dbid = {_HERE})",
    ),
    _Part("pg_tablespace t", "row(t.oid, t.spcname)", "true"),
    _Part("pg_user_mappings m", "row(m.umid, m.srvid, m.srvname, m.umuser)", "true"),
    _Part("pg_subscription s", "row(s.subdbid, s.subname, s.subpublications, s.subslotname)", f"s.subdbid = {_HERE}"),
)
_PUBLISHED_SCHEMAS = _Part("pg_publication_namespace x", "x", "true")  # since PostgreSQL 15


def query(version: int) -> str:
    """The query for a server of this version (libpq's, 180006): one row, with one value for each part."""
    parts = (*_MANY, *_WHOLE, *_NAMES, *((_PUBLISHED_SCHEMAS,) if version >= 150000 else ()))
    return f"select {', '.join(_hashed(part, version) for part in parts)}"


def _hashed(part: _Part, version: int) -> str:
    value = part.value.replace("$compression", "a.attcompression" if version >= 140000 else "null")
    value = value.replace("$distinct", "i.indnullsnotdistinct" if version >= 150000 else "null")
    hashes = f"hashtextextended(({value})::text, 0)"
    return f"(select count(*) || ':' || coalesce(sum({hashes}), 0) from {part.origin} where {part.condition})"
