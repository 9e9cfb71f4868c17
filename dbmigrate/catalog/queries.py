"""The SQL that reads tables, columns and what belongs to them. `objects` has the rest.

Every row begins with kind, ref, parent, origin, name; then come the values in the order of `kinds.ASPECTS`. A ref is
``catalog:oid`` (``catalog:oid:column``), as `pg_description` and others name objects. Names are quoted here, because
only the server knows which words have to be. `$name` stands for a part that depends on the server's version. OIDs below
16384 are the system's (FirstNormalObjectId, src/include/access/transam.h).
"""

from __future__ import annotations

from dbmigrate.catalog import options


def not_member(catalog: str, oid: str, kinds: str = "'e'") -> str:
    """A condition: the object is not a member of an extension; with ``'e', 'i'`` no inner part of another object."""
    return (
        f"not exists (select from pg_depend dep where dep.classid = '{catalog}'::regclass and dep.objid = {oid}"
        f" and dep.objsubid = 0 and dep.deptype in ({kinds}))"
    )


OWN_SCHEMA = "n.nspname !~ '^pg_' and n.nspname <> 'information_schema'"
_OPTIONS = "case when {0} is not null then (select string_agg(o, ', ' order by o) from unnest({0}) o) end"
# pg_class.relpersistence
_PERSISTENCE = "case c.relpersistence when 'p' then 'permanent' when 'u' then 'unlogged' else 'temporary' end"
_TABLESPACE = (
    "case when c.reltablespace <> 0 then"
    " (select quote_ident(spcname) from pg_tablespace where oid = c.reltablespace) end"
)
# pg_trigger.tgenabled, pg_rewrite.ev_enabled, pg_event_trigger.evtenabled
STATE = (
    "case {} when 'O' then 'enabled' when 'D' then 'disabled' when 'R' then 'enabled on replicas'"
    " else 'enabled always' end"
)
_INHERITS = (
    "(select string_agg(i.inhparent::regclass::text, ', ' order by i.inhseqno) from pg_inherits i"
    " where i.inhrelid = c.oid)"
)
_BASE = "(select 'pg_class:' || i.inhparent from pg_inherits i where i.inhrelid = c.oid order by i.inhseqno limit 1)"

SCHEMAS = f"""
select 'schema', 'pg_namespace:' || n.oid, null, null, quote_ident(n.nspname)
from pg_namespace n
where {OWN_SCHEMA} and {not_member("pg_namespace", "n.oid")}
"""

# the origin of a table is its first parent; of a partition the parent is that, too
TABLES = f"""
select 'table', 'pg_class:' || c.oid,
       case when c.relispartition then {_BASE} else 'pg_namespace:' || n.oid end,
       {_BASE},
       quote_ident(n.nspname) || '.' || quote_ident(c.relname),
       {_PERSISTENCE},
       case when c.relkind = 'p' then pg_get_partkeydef(c.oid) end,
       pg_get_expr(c.relpartbound, c.oid),
       {_INHERITS},
       case when c.reloftype <> 0 then c.reloftype::regtype::text end,
       case when c.reloptions is not null or t.reloptions is not null then (
         select string_agg(o, ', ' order by o)
         from unnest({options.array("c.reloptions", options.TABLE, access_method="c.relam")}
           || array(select 'toast.' || o from unnest({options.array("t.reloptions", options.TOAST)}) o)) o) end,
       case c.relreplident when 'n' then 'nothing' when 'f' then 'full' when 'i' then
         (select 'index ' || i.indexrelid::regclass::text from pg_index i
           where i.indrelid = c.oid and i.indisreplident) end,
       case when c.relrowsecurity then 'on' else 'off' end,
       case when c.relforcerowsecurity then 'on' else 'off' end,
       case when c.relam <> 0 then (select amname from pg_am where oid = c.relam) end,
       {_TABLESPACE}
from pg_class c join pg_namespace n on n.oid = c.relnamespace left join pg_class t on t.oid = c.reltoastrelid
where c.relkind in ('r', 'p') and c.oid >= 16384 and {OWN_SCHEMA} $without and {not_member("pg_class", "c.oid")}
"""

FOREIGN_TABLES = f"""
select 'foreign table', 'pg_class:' || c.oid,
       case when c.relispartition then {_BASE} else 'pg_namespace:' || n.oid end, {_BASE},
       quote_ident(n.nspname) || '.' || quote_ident(c.relname),
       quote_ident(s.srvname), {_OPTIONS.format("f.ftoptions")}, {_INHERITS}, pg_get_expr(c.relpartbound, c.oid)
from pg_class c join pg_namespace n on n.oid = c.relnamespace
join pg_foreign_table f on f.ftrelid = c.oid join pg_foreign_server s on s.oid = f.ftserver
where c.relkind = 'f' and {OWN_SCHEMA} and {not_member("pg_class", "c.oid")}
"""

VIEWS = f"""
select 'view', 'pg_class:' || c.oid, 'pg_namespace:' || n.oid, null,
       quote_ident(n.nspname) || '.' || quote_ident(c.relname), pg_get_viewdef(c.oid),
       {options.text("c.reloptions", options.VIEW)}
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind = 'v' and c.oid >= 16384 and {OWN_SCHEMA} and {not_member("pg_class", "c.oid")}
"""

MATERIALIZED_VIEWS = f"""
select 'materialized view', 'pg_class:' || c.oid, 'pg_namespace:' || n.oid, null,
       quote_ident(n.nspname) || '.' || quote_ident(c.relname), pg_get_viewdef(c.oid),
       {options.text("c.reloptions", options.TABLE, access_method="c.relam")},
       (select amname from pg_am where oid = c.relam), {_TABLESPACE}
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind = 'm' and c.oid >= 16384 and {OWN_SCHEMA} and {not_member("pg_class", "c.oid")}
"""

# kind of relation, its oid, the column's number, its name, whether it is inherited; then the values. What is the type's
# own choice (collation, storage) is left out.
COLUMNS = f"""
select c.relkind, a.attrelid, a.attnum, quote_ident(a.attname), a.attinhcount > 0,
       format_type(a.atttypid, a.atttypmod),
       case when a.attnotnull then 'NOT NULL' else 'nullable' end,
       case when a.atthasdef and a.attgenerated = '' then pg_get_expr(d.adbin, d.adrelid) end,
       case a.attidentity when 'a' then 'GENERATED ALWAYS' when 'd' then 'GENERATED BY DEFAULT' end,
       case when a.attgenerated <> '' then pg_get_expr(d.adbin, d.adrelid)
            || case a.attgenerated when 's' then ' STORED' else ' VIRTUAL' end end,
       case when a.attcollation not in (0, t.typcollation) then a.attcollation::regcollation::text end,
       case when a.attstorage <> t.typstorage then
         case a.attstorage when 'p' then 'PLAIN' when 'e' then 'EXTERNAL' when 'm' then 'MAIN' else 'EXTENDED' end end,
       $compression,
       nullif(a.attstattarget, -1)::text,
       case when a.attoptions is not null or a.attfdwoptions is not null then (
         select string_agg(o, ', ' order by o)
         from unnest({options.array("a.attoptions", options.COLUMN)} || a.attfdwoptions) o) end
from pg_attribute a
join pg_class c on c.oid = a.attrelid
join pg_namespace n on n.oid = c.relnamespace
join pg_type t on t.oid = a.atttypid
left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
where a.attrelid >= 16384 and a.attnum > 0 and not a.attisdropped and c.relkind in ('r', 'p', 'f', 'v', 'm', 'c')
  and {OWN_SCHEMA}
order by a.attrelid, a.attnum
"""

# A NOT NULL constraint (a row since PostgreSQL 18) is read with its column, unless there is more to it. The
# copies of a foreign key that a partitioned table at its other end needs are its own business.
CONSTRAINTS = f"""
select 'constraint', 'pg_constraint:' || k.oid,
       case when k.conrelid <> 0 then 'pg_class:' || k.conrelid else 'pg_type:' || k.contypid end,
       case when k.conparentid <> 0 then 'pg_constraint:' || k.conparentid
            when k.coninhcount > 0 then
         (select 'pg_constraint:' || p.oid from pg_inherits i join pg_constraint p on p.conrelid = i.inhparent
           where i.inhrelid = k.conrelid and p.conname = k.conname limit 1) end,
       case when k.conrelid <> 0 then k.conrelid::regclass::text else k.contypid::regtype::text end
         || '.' || quote_ident(k.conname),
       pg_get_constraintdef(k.oid),
       case when k.contype = 'f' then
         case when exists (select from pg_trigger g where g.tgconstraint = k.oid and g.tgenabled = 'D')
         then 'disabled' else 'enabled' end end
from pg_constraint k join pg_namespace n on n.oid = k.connamespace
where k.oid >= 16384 and {OWN_SCHEMA}
  and (k.contype in ('c', 'p', 'u', 'x') or (k.contype = 'f' and k.conparentid = 0)
       or (k.contype = 'n' and k.conrelid <> 0 and (not k.convalidated or k.connoinherit
           or exists (select from pg_description x where x.classoid = 'pg_constraint'::regclass and x.objoid = k.oid))))
"""

INDEXES = f"""
select 'index', 'pg_class:' || c.oid, 'pg_class:' || i.indrelid,
       coalesce('pg_constraint:' || k.oid,
                case when c.relispartition then
                  (select 'pg_class:' || h.inhparent from pg_inherits h where h.inhrelid = c.oid) end),
       quote_ident(n.nspname) || '.' || quote_ident(c.relname),
       case when k.oid is null then pg_get_indexdef(c.oid) end,
       case when i.indisvalid then 'valid' else 'not valid' end,
       case when i.indisclustered then 'on' else 'off' end,
       {options.text("c.reloptions", options.INDEX, access_method="c.relam")},
       {_TABLESPACE},
       case when i.indexprs is not null then
         (select string_agg(a.attnum || ': ' || a.attstattarget, ', ' order by a.attnum) from pg_attribute a
           where a.attrelid = c.oid and a.attstattarget >= 0) end,
       case when c.relispartition then
         (select h.inhparent::regclass::text from pg_inherits h where h.inhrelid = c.oid) end
from pg_index i join pg_class c on c.oid = i.indexrelid join pg_namespace n on n.oid = c.relnamespace
left join pg_constraint k on k.conindid = i.indexrelid and k.conrelid = i.indrelid and k.contype in ('p', 'u', 'x')
where i.indexrelid >= 16384 and {OWN_SCHEMA}
"""

SEQUENCES = f"""
select 'sequence', 'pg_class:' || c.oid,
       coalesce('pg_class:' || d.refobjid || ':' || d.refobjsubid, 'pg_namespace:' || n.oid),
       case when d.deptype = 'i' then 'pg_class:' || d.refobjid || ':' || d.refobjsubid end,
       quote_ident(n.nspname) || '.' || quote_ident(c.relname),
       s.seqtypid::regtype::text, s.seqstart::text, s.seqincrement::text, s.seqmin::text, s.seqmax::text,
       s.seqcache::text, case when s.seqcycle then 'on' else 'off' end, {_PERSISTENCE},
       d.refobjid::regclass::text || '.' || (
         select quote_ident(a.attname) from pg_attribute a where a.attrelid = d.refobjid and a.attnum = d.refobjsubid)
from pg_sequence s join pg_class c on c.oid = s.seqrelid join pg_namespace n on n.oid = c.relnamespace
left join pg_depend d on d.classid = 'pg_class'::regclass and d.objid = c.oid and d.objsubid = 0
  and d.refclassid = 'pg_class'::regclass and d.deptype in ('a', 'i')
where c.oid >= 16384 and {OWN_SCHEMA} and {not_member("pg_class", "c.oid")}
"""

# a partition's copy of its parent's trigger is read only if its state differs
TRIGGERS = f"""
select 'trigger', 'pg_trigger:' || t.oid, 'pg_class:' || t.tgrelid,
       case when t.tgparentid <> 0 then 'pg_trigger:' || t.tgparentid end,
       t.tgrelid::regclass::text || '.' || quote_ident(t.tgname), pg_get_triggerdef(t.oid),
       {STATE.format("t.tgenabled")}
from pg_trigger t left join pg_trigger p on p.oid = t.tgparentid
where not coalesce(p.tgisinternal, t.tgisinternal) and t.tgenabled is distinct from p.tgenabled
"""

RULES = f"""
select 'rule', 'pg_rewrite:' || r.oid, 'pg_class:' || r.ev_class, null,
       r.ev_class::regclass::text || '.' || quote_ident(r.rulename), pg_get_ruledef(r.oid),
       {STATE.format("r.ev_enabled")}
from pg_rewrite r
where r.rulename <> '_RETURN' and r.oid >= 16384
"""

POLICIES = """
select 'policy', 'pg_policy:' || p.oid, 'pg_class:' || p.polrelid, null,
       p.polrelid::regclass::text || '.' || quote_ident(p.polname),
       case p.polcmd when 'r' then 'SELECT' when 'a' then 'INSERT' when 'w' then 'UPDATE' when 'd' then 'DELETE'
         else 'ALL' end,
       case when p.polpermissive then 'permissive' else 'restrictive' end,
       (select string_agg(case r when 0 then 'PUBLIC' else r::regrole::text end, ', '
               order by case r when 0 then 'PUBLIC' else r::regrole::text end) from unnest(p.polroles) r),
       pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)
from pg_policy p
"""

STATISTICS = f"""
select 'statistics', 'pg_statistic_ext:' || s.oid, 'pg_class:' || s.stxrelid, null,
       quote_ident(n.nspname) || '.' || quote_ident(s.stxname), pg_get_statisticsobjdef(s.oid),
       nullif(s.stxstattarget, -1)::text
from pg_statistic_ext s join pg_namespace n on n.oid = s.stxnamespace
where {OWN_SCHEMA} and {not_member("pg_statistic_ext", "s.oid")}
"""
