"""The SQL that reads everything that is not part of a table, and attributes of objects: owners, grants, comments.

The shape of the rows is that of `queries`. If one text holds it all, it is the SQL that makes the object.
"""

from __future__ import annotations

from dbmigrate.catalog.queries import OWN_SCHEMA, STATE, not_member

# the options of foreign data wrappers, servers and tables, without what may be a secret
_SAFE_OPTIONS = (
    "(select string_agg(case when option_name ~* 'pass|secret|token|credential|key' then option_name || ' (hidden)'"
    " else option_name || ' ' || quote_literal(option_value) end, ', ' order by option_name)"
    " from pg_options_to_table({}))"
)
_NAME = "quote_ident(n.nspname) || '.' || quote_ident({})"
_FUNCTION = "nullif({}, 0)::regprocedure::text"

EXTENSIONS = """
select 'extension', 'pg_extension:' || e.oid, null, null, quote_ident(e.extname), e.extnamespace::regnamespace::text,
       e.extversion
from pg_extension e
"""

# what belongs to an extension, or to a type as the constructors of a range do, is left out
FUNCTIONS = f"""
select case p.prokind when 'p' then 'procedure' else 'function' end, 'pg_proc:' || p.oid,
       'pg_namespace:' || n.oid, null,
       {_NAME.format("p.proname")} || '(' || oidvectortypes(p.proargtypes) || ')', pg_get_functiondef(p.oid)
from pg_proc p join pg_namespace n on n.oid = p.pronamespace
where p.oid >= 16384 and p.prokind <> 'a' and {OWN_SCHEMA} and {not_member("pg_proc", "p.oid", "'e', 'i'")}
"""

AGGREGATES = f"""
select 'aggregate', 'pg_proc:' || p.oid, 'pg_namespace:' || n.oid, null,
       {_NAME.format("p.proname")} || '(' || oidvectortypes(p.proargtypes) || ')',
       concat_ws(E',\\n    ',
         'CREATE AGGREGATE ' || {_NAME.format("p.proname")} || '(' || pg_get_function_arguments(p.oid)
           || E') (\\n    SFUNC = ' || a.aggtransfn::regproc,
         'STYPE = ' || a.aggtranstype::regtype,
         'SSPACE = ' || nullif(a.aggtransspace, 0),
         'INITCOND = ' || quote_literal(a.agginitval),
         'FINALFUNC = ' || nullif(a.aggfinalfn, 0)::regproc || ' '
           || case when a.aggfinalextra then 'extra ' else '' end || a.aggfinalmodify::text,
         'COMBINEFUNC = ' || nullif(a.aggcombinefn, 0)::regproc,
         'SERIALFUNC = ' || nullif(a.aggserialfn, 0)::regproc,
         'DESERIALFUNC = ' || nullif(a.aggdeserialfn, 0)::regproc,
         'MSFUNC = ' || nullif(a.aggmtransfn, 0)::regproc,
         'MINVFUNC = ' || nullif(a.aggminvtransfn, 0)::regproc,
         'MSTYPE = ' || nullif(a.aggmtranstype, 0)::regtype,
         'MSSPACE = ' || nullif(a.aggmtransspace, 0),
         'MINITCOND = ' || quote_literal(a.aggminitval),
         'MFINALFUNC = ' || nullif(a.aggmfinalfn, 0)::regproc || ' ' || a.aggmfinalmodify::text,
         'SORTOP = ' || nullif(a.aggsortop, 0)::regoperator,
         'PARALLEL = ' || p.proparallel::text,
         case a.aggkind when 'h' then 'HYPOTHETICAL' when 'o' then 'ORDERED-SET' end) || ')'
from pg_proc p join pg_namespace n on n.oid = p.pronamespace join pg_aggregate a on a.aggfnoid = p.oid
where p.oid >= 16384 and p.prokind = 'a' and {OWN_SCHEMA} and {not_member("pg_proc", "p.oid")}
"""

# multiranges are made with their ranges, arrays with their elements, row types with their tables
TYPES = f"""
select case t.typtype when 'd' then 'domain' else 'type' end, 'pg_type:' || t.oid, 'pg_namespace:' || n.oid,
       case when t.typtype = 'c' then 'pg_class:' || t.typrelid end, -- another name of the type, no origin
       {_NAME.format("t.typname")},
       case t.typtype when 'd' then format_type(t.typbasetype, t.typtypmod) when 'e' then 'enum' when 'r' then 'range'
         when 'c' then 'composite' else 'base' end,
       case t.typtype when 'e' then (select string_agg(quote_literal(e.enumlabel), ', ' order by e.enumsortorder)
                                     from pg_enum e where e.enumtypid = t.oid)
         when 'd' then
           case when t.typcollation not in (0, b.typcollation) then t.typcollation::regcollation::text end end,
       case t.typtype
         when 'd' then t.typdefault
         when 'r' then (
           select concat_ws(', ', 'SUBTYPE = ' || r.rngsubtype::regtype,
             'SUBTYPE_OPCLASS = ' || (select o.opcnamespace::regnamespace || '.' || quote_ident(o.opcname)
                                      from pg_opclass o where o.oid = r.rngsubopc),
             'COLLATION = ' || nullif(r.rngcollation, 0)::regcollation,
             'CANONICAL = ' || nullif(r.rngcanonical, 0)::regproc, 'SUBTYPE_DIFF = ' || nullif(r.rngsubdiff, 0)::regproc
             $multirange)
           from pg_range r where r.rngtypid = t.oid)
         when 'b' then concat_ws(', ', 'INPUT = ' || t.typinput, 'OUTPUT = ' || t.typoutput,
           'RECEIVE = ' || t.typreceive,
           'SEND = ' || t.typsend, 'TYPMOD_IN = ' || t.typmodin, 'TYPMOD_OUT = ' || t.typmodout,
           'ANALYZE = ' || t.typanalyze, 'INTERNALLENGTH = ' || t.typlen, 'PASSEDBYVALUE = ' || t.typbyval,
           'ALIGNMENT = ' || t.typalign::text, 'STORAGE = ' || t.typstorage::text, 'CATEGORY = ' || t.typcategory::text,
           'PREFERRED = ' || t.typispreferred, 'DEFAULT = ' || quote_literal(t.typdefault),
           'ELEMENT = ' || nullif(t.typelem, 0)::regtype, 'DELIMITER = ' || t.typdelim::text) end,
       case when t.typtype = 'd' then case when t.typnotnull then 'NOT NULL' else 'nullable' end end
from pg_type t join pg_namespace n on n.oid = t.typnamespace left join pg_type b on b.oid = t.typbasetype
where t.oid >= 16384 and {OWN_SCHEMA}
  and (t.typtype in ('e', 'd', 'r')
       or (t.typtype = 'b' and not exists (select from pg_type e where e.typarray = t.oid))
       or (t.typtype = 'c' and (select relkind from pg_class c where c.oid = t.typrelid) = 'c'))
  and {not_member("pg_type", "t.oid")}
"""

OPERATOR_FAMILIES = f"""
select 'operator family', 'pg_opfamily:' || f.oid, 'pg_namespace:' || n.oid, null,
       {_NAME.format("f.opfname")} || ' using ' || m.amname,
       (select string_agg(member, ', ' order by member collate "C") from (
          select 'OPERATOR ' || o.amopstrategy || ' ' || o.amopopr::regoperator
                 || case when o.amopsortfamily <> 0 then
                      ' FOR ORDER BY ' || (select {_NAME.format("s.opfname")} from pg_opfamily s
                                           join pg_namespace n on n.oid = s.opfnamespace where s.oid = o.amopsortfamily)
                      else '' end as member
          from pg_amop o where o.amopfamily = f.oid
          union all
          select 'FUNCTION ' || a.amprocnum || ' (' || a.amproclefttype::regtype || ', ' || a.amprocrighttype::regtype
                 || ') ' || a.amproc::regprocedure
          from pg_amproc a where a.amprocfamily = f.oid) as members)
from pg_opfamily f join pg_namespace n on n.oid = f.opfnamespace join pg_am m on m.oid = f.opfmethod
where f.oid >= 16384 and {OWN_SCHEMA} and {not_member("pg_opfamily", "f.oid")}
"""

EVENT_TRIGGERS = f"""
select 'event trigger', 'pg_event_trigger:' || e.oid, null, null, quote_ident(e.evtname),
       'CREATE EVENT TRIGGER ' || quote_ident(e.evtname) || ' ON ' || e.evtevent
         || coalesce(' WHEN TAG IN (' || (select string_agg(quote_literal(tag), ', ' order by tag)
                                          from unnest(e.evttags) tag) || ')', '')
         || ' EXECUTE FUNCTION ' || e.evtfoid::regproc || '()',
       {STATE.format("e.evtenabled")}
from pg_event_trigger e
where e.oid >= 16384 and {not_member("pg_event_trigger", "e.oid")}
"""

# every branch: kind, ref, parent, origin, name, definition
OTHERS = f"""
select 'operator', 'pg_operator:' || o.oid, 'pg_namespace:' || n.oid, null::text, o.oid::regoperator::text,
       concat_ws(', ', 'CREATE OPERATOR ' || quote_ident(n.nspname) || '.' || o.oprname || ' (FUNCTION = '
           || o.oprcode::regproc,
         'LEFTARG = ' || nullif(o.oprleft, 0)::regtype, 'RIGHTARG = ' || nullif(o.oprright, 0)::regtype,
         'COMMUTATOR = ' || nullif(o.oprcom, 0)::regoperator, 'NEGATOR = ' || nullif(o.oprnegate, 0)::regoperator,
         'RESTRICT = ' || nullif(o.oprrest, 0)::regproc, 'JOIN = ' || nullif(o.oprjoin, 0)::regproc,
         case when o.oprcanhash then 'HASHES' end, case when o.oprcanmerge then 'MERGES' end) || ')'
from pg_operator o join pg_namespace n on n.oid = o.oprnamespace
where o.oid >= 16384 and o.oprcode <> 0 and {OWN_SCHEMA} and {not_member("pg_operator", "o.oid")}
union all
select 'operator class', 'pg_opclass:' || c.oid, 'pg_namespace:' || n.oid, null,
       {_NAME.format("c.opcname")} || ' using ' || m.amname,
       'CREATE OPERATOR CLASS ' || {_NAME.format("c.opcname")} || case when c.opcdefault then ' DEFAULT' else '' end
         || ' FOR TYPE ' || c.opcintype::regtype || ' USING ' || m.amname || ' FAMILY '
         || (select f.opfnamespace::regnamespace || '.' || quote_ident(f.opfname) from pg_opfamily f
             where f.oid = c.opcfamily)
         || coalesce(' AS STORAGE ' || nullif(c.opckeytype, 0)::regtype, '')
from pg_opclass c join pg_namespace n on n.oid = c.opcnamespace join pg_am m on m.oid = c.opcmethod
where c.oid >= 16384 and {OWN_SCHEMA} and {not_member("pg_opclass", "c.oid")}
union all
select 'access method', 'pg_am:' || a.oid, null, null, quote_ident(a.amname),
       'CREATE ACCESS METHOD ' || quote_ident(a.amname) || ' TYPE ' || a.amtype::text || ' HANDLER ' || a.amhandler
from pg_am a where a.oid >= 16384 and {not_member("pg_am", "a.oid")}
union all
select 'cast', 'pg_cast:' || c.oid, null, null, c.castsource::regtype || ' AS ' || c.casttarget::regtype,
       'CREATE CAST (' || c.castsource::regtype || ' AS ' || c.casttarget::regtype || ') '
         || case c.castmethod when 'f' then 'WITH FUNCTION ' || c.castfunc::regprocedure when 'i' then 'WITH INOUT'
              else 'WITHOUT FUNCTION' end
         || case c.castcontext when 'a' then ' AS ASSIGNMENT' when 'i' then ' AS IMPLICIT' else '' end
from pg_cast c where c.oid >= 16384 and {not_member("pg_cast", "c.oid", "'e', 'i'")}
union all
select 'collation', 'pg_collation:' || c.oid, 'pg_namespace:' || n.oid, null, {_NAME.format("c.collname")},
       'CREATE COLLATION ' || {_NAME.format("c.collname")} || ' (' || concat_ws(', ',
         'PROVIDER = ' || case c.collprovider when 'c' then 'libc' when 'i' then 'icu' when 'b' then 'builtin'
           else c.collprovider::text end,
         'LC_COLLATE = ' || quote_literal(case when c.collprovider = 'c' then c.collcollate end),
         'LC_CTYPE = ' || quote_literal(case when c.collprovider = 'c' then c.collctype end),
         'LOCALE = ' || quote_literal($locale),
         case when not c.collisdeterministic then 'DETERMINISTIC = false' end $icu_rules) || ')'
from pg_collation c join pg_namespace n on n.oid = c.collnamespace
where c.oid >= 16384 and {OWN_SCHEMA} and {not_member("pg_collation", "c.oid")}
union all
select 'conversion', 'pg_conversion:' || c.oid, 'pg_namespace:' || n.oid, null, {_NAME.format("c.conname")},
       'CREATE' || case when c.condefault then ' DEFAULT' else '' end || ' CONVERSION ' || {_NAME.format("c.conname")}
         || ' FOR ' || quote_literal(pg_encoding_to_char(c.conforencoding)) || ' TO '
         || quote_literal(pg_encoding_to_char(c.contoencoding)) || ' FROM ' || c.conproc
from pg_conversion c join pg_namespace n on n.oid = c.connamespace
where c.oid >= 16384 and {OWN_SCHEMA} and {not_member("pg_conversion", "c.oid")}
union all
select 'language', 'pg_language:' || l.oid, null, null, quote_ident(l.lanname),
       concat_ws(' ', 'CREATE' || case when l.lanpltrusted then ' TRUSTED' else '' end, 'LANGUAGE',
         quote_ident(l.lanname), 'HANDLER ' || {_FUNCTION.format("l.lanplcallfoid")},
         'INLINE ' || {_FUNCTION.format("l.laninline")},
         'VALIDATOR ' || {_FUNCTION.format("l.lanvalidator")})
from pg_language l where l.oid >= 16384 and {not_member("pg_language", "l.oid")}
union all
select 'transform', 'pg_transform:' || t.oid, null, null,
       t.trftype::regtype || ' language ' || (select quote_ident(lanname) from pg_language where oid = t.trflang),
       concat_ws(', ', 'FROM SQL WITH FUNCTION ' || {_FUNCTION.format("t.trffromsql")},
                 'TO SQL WITH FUNCTION ' || {_FUNCTION.format("t.trftosql")})
from pg_transform t where t.oid >= 16384 and {not_member("pg_transform", "t.oid")}
union all
select 'text search configuration', 'pg_ts_config:' || c.oid, 'pg_namespace:' || n.oid, null,
       {_NAME.format("c.cfgname")},
       'CREATE TEXT SEARCH CONFIGURATION ' || {_NAME.format("c.cfgname")} || ' (PARSER = '
         || (select p.prsnamespace::regnamespace || '.' || quote_ident(p.prsname) from pg_ts_parser p
             where p.oid = c.cfgparser)
         || ')' || coalesce(
         (select string_agg(E'\\n    ' || y.alias || ' WITH ' || m.names, '' order by y.alias)
          from (select maptokentype, string_agg(mapdict::regdictionary::text, ', ' order by mapseqno) as names
                from pg_ts_config_map where mapcfg = c.oid group by maptokentype) m
          join lateral ts_token_type(c.cfgparser) y on y.tokid = m.maptokentype), '')
from pg_ts_config c join pg_namespace n on n.oid = c.cfgnamespace
where c.oid >= 16384 and {OWN_SCHEMA} and {not_member("pg_ts_config", "c.oid")}
union all
select 'text search dictionary', 'pg_ts_dict:' || d.oid, 'pg_namespace:' || n.oid, null, {_NAME.format("d.dictname")},
       'CREATE TEXT SEARCH DICTIONARY ' || {_NAME.format("d.dictname")} || ' (' || concat_ws(', ', 'TEMPLATE = '
         || (select t.tmplnamespace::regnamespace || '.' || quote_ident(t.tmplname) from pg_ts_template t
             where t.oid = d.dicttemplate), d.dictinitoption) || ')'
from pg_ts_dict d join pg_namespace n on n.oid = d.dictnamespace
where d.oid >= 16384 and {OWN_SCHEMA} and {not_member("pg_ts_dict", "d.oid")}
union all
select 'text search parser', 'pg_ts_parser:' || p.oid, 'pg_namespace:' || n.oid, null, {_NAME.format("p.prsname")},
       'CREATE TEXT SEARCH PARSER ' || {_NAME.format("p.prsname")} || ' (START = ' || p.prsstart || ', GETTOKEN = '
         || p.prstoken || ', END = ' || p.prsend || ', HEADLINE = ' || p.prsheadline
         || ', LEXTYPES = ' || p.prslextype || ')'
from pg_ts_parser p join pg_namespace n on n.oid = p.prsnamespace
where p.oid >= 16384 and {OWN_SCHEMA} and {not_member("pg_ts_parser", "p.oid")}
union all
select 'text search template', 'pg_ts_template:' || t.oid, 'pg_namespace:' || n.oid, null, {_NAME.format("t.tmplname")},
       'CREATE TEXT SEARCH TEMPLATE ' || {_NAME.format("t.tmplname")} || ' (INIT = ' || t.tmplinit || ', LEXIZE = '
         || t.tmpllexize || ')'
from pg_ts_template t join pg_namespace n on n.oid = t.tmplnamespace
where t.oid >= 16384 and {OWN_SCHEMA} and {not_member("pg_ts_template", "t.oid")}
union all
select 'foreign data wrapper', 'pg_foreign_data_wrapper:' || w.oid, null, null, quote_ident(w.fdwname),
       concat_ws(' ', 'CREATE FOREIGN DATA WRAPPER ' || quote_ident(w.fdwname),
         'HANDLER ' || {_FUNCTION.format("w.fdwhandler")}, 'VALIDATOR ' || {_FUNCTION.format("w.fdwvalidator")},
         'OPTIONS (' || {_SAFE_OPTIONS.format("w.fdwoptions")} || ')')
from pg_foreign_data_wrapper w where w.oid >= 16384 and {not_member("pg_foreign_data_wrapper", "w.oid")}
union all
select 'server', 'pg_foreign_server:' || s.oid, null, null, quote_ident(s.srvname),
       concat_ws(' ', 'CREATE SERVER ' || quote_ident(s.srvname), 'TYPE ' || quote_literal(s.srvtype),
         'VERSION ' || quote_literal(s.srvversion), 'FOREIGN DATA WRAPPER ' || quote_ident(w.fdwname),
         'OPTIONS (' || {_SAFE_OPTIONS.format("s.srvoptions")} || ')')
from pg_foreign_server s join pg_foreign_data_wrapper w on w.oid = s.srvfdw
where s.oid >= 16384 and {not_member("pg_foreign_server", "s.oid")}
union all
select 'publication', 'pg_publication:' || p.oid, null, null, quote_ident(p.pubname),
       'CREATE PUBLICATION ' || quote_ident(p.pubname) || case when p.puballtables then ' FOR ALL TABLES' else '' end
         || ' WITH (publish = ''' || concat_ws(', ', case when p.pubinsert then 'insert' end,
         case when p.pubupdate then 'update' end, case when p.pubdelete then 'delete' end,
         case when p.pubtruncate then 'truncate' end) || '''' || case when p.pubviaroot then
         ', publish_via_partition_root' else '' end || $generated || ')'
from pg_publication p where {not_member("pg_publication", "p.oid")}
union all
select 'publication member', 'pg_publication_rel:' || r.oid, 'pg_publication:' || r.prpubid, null,
       'table ' || r.prrelid::regclass || ' in '
         || (select quote_ident(pubname) from pg_publication where oid = r.prpubid),
       'ALTER PUBLICATION ' || (select quote_ident(pubname) from pg_publication where oid = r.prpubid) || ' ADD TABLE '
         || r.prrelid::regclass $published
from pg_publication_rel r
$published_schemas
union all
select 'subscription', 'pg_subscription:' || s.subname, null, null, quote_ident(s.subname),
       'CREATE SUBSCRIPTION ' || quote_ident(s.subname) || ' PUBLICATION '
         || (select string_agg(quote_ident(p), ', ' order by p) from unnest(s.subpublications) p)
         || coalesce(' WITH (slot_name = ' || quote_literal(s.subslotname) || ')', '')
from pg_subscription s where s.subdbid = (select oid from pg_database where datname = current_database())
"""

# the view hides the options from those who may not see them; nobody has to see them here
USER_MAPPINGS = """
select 'user mapping', 'pg_user_mapping:' || m.umid, 'pg_foreign_server:' || m.srvid, null,
       case when m.umuser = 0 then 'PUBLIC' else m.umuser::regrole::text end || ' on server ' || quote_ident(m.srvname)
from pg_user_mappings m
"""

# ------------------------------------------------------------------------------------------- attributes of objects

# the object, and a text about it
COMMENTS = """
select d.classoid::regclass || ':' || d.objoid || case when d.objsubid <> 0 then ':' || d.objsubid else '' end,
       d.description
from pg_description d
where d.objoid >= 16384 or d.classoid = 'pg_namespace'::regclass
"""

SECURITY_LABELS = """
select d.classoid::regclass || ':' || d.objoid || case when d.objsubid <> 0 then ':' || d.objsubid else '' end,
       quote_ident(d.provider), d.label
from pg_seclabel d
"""

_OWNED = (
    ("pg_class", "relowner", "o.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and o.oid >= 16384"),
    ("pg_namespace", "nspowner", "nspname !~ '^pg_'"),
    ("pg_type", "typowner", "o.typtype in ('d', 'e', 'r', 'c', 'b') and o.typelem = 0 and o.oid >= 16384"),
    *(
        (catalog, owner, "o.oid >= 16384")
        for catalog, owner in (
            ("pg_proc", "proowner"),
            ("pg_operator", "oprowner"),
            ("pg_opclass", "opcowner"),
            ("pg_opfamily", "opfowner"),
            ("pg_collation", "collowner"),
            ("pg_conversion", "conowner"),
            ("pg_language", "lanowner"),
            ("pg_ts_config", "cfgowner"),
            ("pg_ts_dict", "dictowner"),
            ("pg_foreign_data_wrapper", "fdwowner"),
            ("pg_foreign_server", "srvowner"),
            ("pg_event_trigger", "evtowner"),
            ("pg_publication", "pubowner"),
            ("pg_statistic_ext", "stxowner"),
        )
    ),
)
# the object, and its owner
OWNERS = " union all ".join(
    f"select '{catalog}:' || o.oid, o.{owner}::regrole::text from {catalog} o where {condition}"
    for catalog, owner, condition in _OWNED
)

_GRANTABLE = (
    ("pg_class", "case o.relkind when 'S' then 's'::\"char\" else 'r' end", "o.relowner", "o.relacl"),
    ("pg_proc", "'f'", "o.proowner", "o.proacl"),
    ("pg_type", "'T'", "o.typowner", "o.typacl"),
    ("pg_namespace", "'n'", "o.nspowner", "o.nspacl"),
    ("pg_language", "'l'", "o.lanowner", "o.lanacl"),
    ("pg_foreign_data_wrapper", "'F'", "o.fdwowner", "o.fdwacl"),
    ("pg_foreign_server", "'S'", "o.srvowner", "o.srvacl"),
)
_GRANTEE = (
    "case x.grantee when 0 then 'PUBLIC' when a.owner then 'its owner' else x.grantee::regrole::text end,"
    " x.privilege_type, case when x.is_grantable then 'WITH GRANT OPTION' end"
)
_ACLS = " union all ".join(
    f"select '{catalog}:' || o.oid, {owner}, {acl}, acldefault({kind}, {owner}) from {catalog} o"
    f" where {acl} is not null" + ("" if catalog == "pg_namespace" else " and o.oid >= 16384")
    for catalog, kind, owner, acl in _GRANTABLE
)
# what `acl` has beside the default, and what it lacks of it
_APART = """lateral (
  select '' as taken, g.* from (
    select e.grantee, e.privilege_type, e.is_grantable from aclexplode(a.acl) e
    except select e.grantee, e.privilege_type, e.is_grantable from aclexplode(a.usual) e) g
  union all
  select 'taken', g.* from (
    select e.grantee, e.privilege_type, e.is_grantable from aclexplode(a.usual) e
    except select e.grantee, e.privilege_type, e.is_grantable from aclexplode(a.acl) e) g) x"""

# The object, whether the right was taken away, the grantee, the privilege, whether it may be handed on. What the owner
# and PUBLIC have of an object that nobody has touched (acldefault) is left out, its loss is read; so an acl of null
# and one that spells the default out are the same.
GRANTS = f"""
with acls (ref, owner, acl, usual) as (
  {_ACLS}
  union all
  select 'pg_class:' || o.attrelid || ':' || o.attnum, c.relowner, o.attacl, acldefault('c', c.relowner)
  from pg_attribute o join pg_class c on c.oid = o.attrelid where o.attacl is not null and o.attrelid >= 16384
)
select a.ref, x.taken, {_GRANTEE} from acls a, {_APART}
"""

# What is granted of new objects of a kind, in one schema or in all, made by whom; for all schemas it takes the place of
# the default, for one it is added.
DEFAULT_PRIVILEGES = f"""
with acls (kind, place, role, owner, acl, usual) as (
  select case d.defaclobjtype when 'r' then 'tables' when 'S' then 'sequences' when 'f' then 'functions'
           when 'T' then 'types' when 'n' then 'schemas' else 'large objects' end,
         ' in schema ' || quote_ident(n.nspname), d.defaclrole::regrole::text,
         d.defaclrole, d.defaclacl, case when d.defaclnamespace = 0 then
           acldefault(case d.defaclobjtype when 'S' then 's'::"char" else d.defaclobjtype end, d.defaclrole)
           else acldefault('c', d.defaclrole) end
  from pg_default_acl d left join pg_namespace n on n.oid = d.defaclnamespace
)
select a.kind, coalesce(a.place, ''), a.role, x.taken, {_GRANTEE} from acls a, {_APART}
"""
