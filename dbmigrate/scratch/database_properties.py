"""What CREATE DATABASE ... TEMPLATE does not copy, because it hangs on the database and not on what is in it.

Settings of ALTER DATABASE and ALTER ROLE ... IN DATABASE, privileges, the comment, the connection limit, another owner.
https://www.postgresql.org/docs/current/manage-ag-templatedbs.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.connection import database

if TYPE_CHECKING:
    from dbmigrate.connection.database import Connection

__all__ = ["commands", "copy"]

_NAME = "%(name)s::pg_catalog.text"
# The stored value of a list (GUC_LIST_QUOTE in guc_tables.c) has its elements quoted as identifiers, which SET reads;
# but for an empty one, which has to be a literal there.
_LISTS = (
    "local_preload_libraries",
    "search_path",
    "session_preload_libraries",
    "shared_preload_libraries",
    "temp_tablespaces",
    "unix_socket_directories",
)
_IS_LIST = f"pg_catalog.lower(parts.name) in ({', '.join(f'{name!r}' for name in _LISTS)})"
_COMMANDS = rf"""
with source as (select * from pg_catalog.pg_database where datname = %(template)s),
acl as (
  select a.privilege_type, a.is_grantable,
         case a.grantee when 0 then 'public' else pg_catalog.quote_ident(g.rolname) end as grantee
  from source, pg_catalog.aclexplode(source.datacl) a left join pg_catalog.pg_roles g on g.oid = a.grantee
  where a.grantee = 0 or g.rolname is not null
)
select command from (
  select 1 as number, pg_catalog.format('alter %%s set %%s to %%s',
           case s.setrole when 0 then pg_catalog.format('database %%I', {_NAME})
             else pg_catalog.format('role %%I in database %%I', r.rolname, {_NAME}) end,
           (select pg_catalog.string_agg(pg_catalog.quote_ident(part), '.')
            from pg_catalog.unnest(pg_catalog.string_to_array(parts.name, '.')) part),
           case when {_IS_LIST} and parts.value <> ''
             then pg_catalog.regexp_replace(parts.value, '(^|, )""(?=, |$)', '\1''''', 'g')
             else pg_catalog.quote_literal(parts.value) end) as command
  from source join pg_catalog.pg_db_role_setting s on s.setdatabase = source.oid
  left join pg_catalog.pg_roles r on r.oid = s.setrole
  cross join lateral pg_catalog.unnest(s.setconfig) setting
  cross join lateral (select pg_catalog.split_part(setting, '=', 1) as name,
                             pg_catalog.substr(setting, pg_catalog.strpos(setting, '=') + 1) as value) parts
  union all
  select 2, pg_catalog.format('revoke all on database %%I from public, %%I', {_NAME}, current_user)
  from source where datacl is not null
  union all
  select 3, pg_catalog.format('grant %%s on database %%I to %%s%%s', privilege_type, {_NAME}, grantee,
           case when is_grantable then ' with grant option' else '' end) from acl
  union all
  select 4, pg_catalog.format('comment on database %%I is %%L', {_NAME}, comment)
  from (select pg_catalog.shobj_description(oid, 'pg_database') as comment from source) described
  where comment is not null and comment <> %(without)s
  union all
  select 5, pg_catalog.format('alter database %%I connection limit %%s', {_NAME}, datconnlimit)
  from source where datconnlimit > 0
  union all
  select 6, pg_catalog.format('alter database %%I owner to %%I', {_NAME}, o.rolname)
  from source join pg_catalog.pg_roles o on o.oid = source.datdba
  where o.oid <> (select datdba from pg_catalog.pg_database where datname = {_NAME})
) found order by number, command
"""


def commands(conn: Connection, template: str, name: str, *, without: str = "") -> tuple[str, ...]:
    """The commands that give the database `name`, a copy of `template`, what the copy lacks.

    `without` is a comment that is not copied.
    """
    given = {"template": template, "name": name, "without": without}
    rows = conn.execute(_COMMANDS, given, binary=True).fetchall()
    return tuple(str(row[0]) for row in rows)


def copy(conn: Connection, template: str, name: str, *, without: str = "") -> None:
    """Run them, all or none."""
    if found := commands(conn, template, name, without=without):
        database.run(conn, ";\n".join(found))
