"""A server on which scratch databases are made, and one such database: new, empty, gone at the end."""

from __future__ import annotations

import re
import secrets
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from dbmigrate.connection import database
from dbmigrate.errors import ConfigError, DatabaseError, Error, Refused
from dbmigrate.frozen import frozen
from dbmigrate.scratch import database_properties, outside_effects, removal, restricted_role
from dbmigrate.scratch.outside_effects import Effects

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType
    from typing import TypeVar

    from dbmigrate.connection.database import Connection
    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.events import Event
    from dbmigrate.model import Migration

    Result = TypeVar("Result")

PREFIX = "dbmigrate_scratch_"
COMMENT = "A scratch database of dbmigrate, which drops it at the end of the command; older than an hour, it may go."
ELSEWHERE = "name a server for scratch databases with --scratch-url"

_COMMAND = "scratch"
_MAX_ROLES = 100  # that one piece of work may miss
_MISSING_ROLE = re.compile(r'role "(.+)" does not exist', re.DOTALL)
_MISSING_DATABASE = re.compile(r'database "(.+)" does not exist', re.DOTALL)
_NOT_ALLOWED = "42501"
_MISSING_EXTENSION = re.compile(r'extension "(.+?)" is not available|extension control file "(?:.*/)?(.+?)\.control"')


@frozen
class Throwaway:
    """A throw-away server: the outside effects of what will run there, and the name that its database should have."""

    effects: Callable[[], Effects]
    name: str = ""


class ScratchServer:
    """A server on which scratch databases can be made. `dsn` leads to a maintenance database of it.

    `throwaway` is set for a throw-away server. Migrations run there as a role without a superuser's rights. It gets
    them when a statement needs them, if all that will be run can be read and changes the database or roles only.
    """

    def __init__(
        self,
        server: Dsn,
        *,
        creation_options: str = "",
        throwaway: Throwaway | None = None,
        notes: tuple[str, ...] = (),
    ) -> None:
        self.dsn = server
        self.throwaway = throwaway
        self._creation_options = creation_options
        self._notes = [*notes]
        self._is_elevated = False
        self._spare: Scratch | None = None
        self.named: set[str] = set()  # the scratch databases that have the target's name; at most one

    @property
    def is_throwaway(self) -> bool:
        return self.throwaway is not None

    @property
    def worker(self) -> Dsn:
        """How those who run migrations log in."""
        return restricted_role.as_role(self.dsn, restricted_role.WORKER) if self.is_throwaway else self.dsn

    @property
    def where(self) -> str:
        """``user@host:port`` of a server that is somebody's; empty for a throw-away one."""
        return "" if self.is_throwaway else self.dsn.display.rpartition("/")[0]

    @property
    def note(self) -> str | None:
        """What to report about it: another version than the target's, roles that had to be made."""
        return "; ".join(self._notes) or None

    def database(self, *, template: str | None = None) -> Scratch:
        """A context manager: makes a new database, hands over its `dsn.Dsn`, drops it at the end.

        It is empty, in the encoding and locale of the database that the server's URL names, or UTF-8 on our own
        server; or a copy of the scratch database `template`, which nobody may be connected to. Raises ConfigError E246
        where it cannot be made, DatabaseError E412 where it cannot be dropped.
        """
        if template is None and self._spare is not None:
            spare, self._spare = self._spare, None
            return spare
        return Scratch(self, template)

    def make_spare(self, conn: Connection) -> None:
        """Make the database that `database` hands over next. Raises ConfigError E246."""
        spare = Scratch(self, None)
        spare.make(conn)
        self._spare = spare

    def drop_spare(self) -> None:
        """Drop what `make_spare` has made, if nobody has used it."""
        spare, self._spare = self._spare, None
        if spare is not None:
            spare.drop_quietly()

    def creation(self, name: str, template: str | None) -> str:
        """The command that makes a database."""
        owner = f" owner {restricted_role.WORKER}" if self.is_throwaway else ""
        if template is not None:
            return f"create database {name}{owner} template {template}"
        return f"create database {name}{owner} template template0 {self._creation_options}"

    def refuse_external_effects(self, migration: Migration) -> None:
        """Raise Refused E722 for a migration that must not be run on a server of our own: it has external effects."""
        if self.is_throwaway:
            outside_effects.refuse_external_effects(migration)

    def retrying(self, work: Callable[[], Result]) -> Result:
        """Do `work`; when it fails for want of something that a server of our own can have, do it again there.

        Roles belong to a server, not to a database: a schema file names those that it grants to, and makes none.
        On somebody's server nothing is made. `work` has to have undone itself when it raises. Raises Refused E722 where
        it would need the rights of a superuser, and nobody can tell from the text what else it would do with them.
        """
        for _ in range(_MAX_ROLES):
            try:
                return work()
            except DatabaseError as exc:
                if not self._makes_up_for(exc) and not self.elevates_for(exc):
                    if self.is_confined and exc.sqlstate == _NOT_ALLOWED:
                        raise _needs_superuser(exc) from exc
                    raise
        return work()

    @property
    def is_confined(self) -> bool:
        """Whether migrations run without the rights of a superuser that somebody's server may give them."""
        return self.is_throwaway and not self._is_elevated

    def elevates_for(self, exc: DatabaseError) -> bool:
        """Whether the role has more rights now than it had when it failed."""
        return self.is_confined and exc.sqlstate == _NOT_ALLOWED and self.elevate()

    def elevate(self) -> bool:
        """Give a superuser's rights to the role that runs migrations, if none of them can misuse that; whether so."""
        if self.throwaway is None or self.throwaway.effects() & (Effects.DYNAMIC_SQL | Effects.EXTERNAL):
            return False
        if not self._is_elevated:
            restricted_role.elevate(self.dsn)
            self._is_elevated = True
        return True

    @contextmanager
    def unconfined(self) -> Iterator[None]:
        """For a schema that pg_dump wrote: it makes extensions, and calls nothing."""
        if not self.is_confined:
            yield
            return
        restricted_role.elevate(self.dsn)
        try:
            yield
        finally:
            restricted_role.lower(self.dsn)

    def _makes_up_for(self, exc: DatabaseError) -> bool:
        role, name = missing_role(exc), missing_database(exc)
        if not self.is_throwaway or (role is None and name is None):
            return False
        with database.maintenance(self.dsn, _COMMAND, _ignore) as conn, database.translated(self.dsn):
            if role is not None:
                made = _quoted(role)
                database.run(
                    conn, f"create role {made} nologin; grant {made} to {restricted_role.WORKER} with admin option"
                )
                self._notes.append(f"the role {role} was made for this run: no migration makes it")
            elif name is not None:
                database.run(conn, f"create database {_quoted(name)} owner {restricted_role.WORKER}")
                self._notes.append(f"the database {name} was made for this run: the scratch database has another name")
        return True


class Scratch:
    """One scratch database, for as long as the ``with`` block lasts. See `ScratchServer.database`."""

    def __init__(self, server: ScratchServer, template: str | None) -> None:
        self._server = server
        self._template = template
        self._name = ""

    def __enter__(self) -> Dsn:
        if not self._name:
            with database.maintenance(self._server.dsn, _COMMAND, _ignore) as conn:
                self.make(conn)
        return self._server.worker.with_database(self._name)

    def make(self, conn: Connection) -> None:
        """Make the database, or leave nothing. Raises ConfigError E246."""
        try:
            self._make(conn)
        except (Error, KeyboardInterrupt):
            self.drop_quietly()
            raise

    def _make(self, conn: Connection) -> None:
        server = self._server
        with database.translated(server.dsn):
            seconds = database.query(conn, "select extract(epoch from pg_catalog.now())::int8")[0][0]
            self._name = self._free_name(conn) or f"{PREFIX}{seconds}_{secrets.token_hex(8)}"
        try:  # from here on there may be something to drop
            with database.translated(server.dsn):
                database.run(conn, server.creation(_quoted(self._name), self._template))
                if self._template is not None:
                    database_properties.copy(conn, self._template, self._name, without=COMMENT)
                if not server.is_throwaway:
                    database.run(conn, f"comment on database {self._name} is '{COMMENT}'; {self._hurried()}")
        except DatabaseError as exc:
            message = f"no scratch database can be made on {server.dsn.display}: {exc.message}"
            raise exc.recast(ConfigError, message, code="E246", hint=ELSEWHERE) from exc

    def _hurried(self) -> str:
        """Nothing waits for a disk: what a crash would take away is thrown away in any case."""
        return f"alter database {self._name} set synchronous_commit = off"

    def _free_name(self, conn: Connection) -> str:
        """The name of the target's database, which migrations may say, if no other scratch database has it."""
        server = self._server
        name = server.throwaway.name if server.throwaway else ""
        if not name or name in server.named:
            return ""
        if name in (database.MAINTENANCE, "template0", "template1"):
            return ""
        database.run(conn, f"drop database if exists {_quoted(name)}")  # one that stood in for it
        server.named.add(name)
        return name

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._drop()
        else:
            self.drop_quietly()

    def drop_quietly(self) -> None:
        """Drop it after a failure, which is what is reported."""
        if self._name:
            with suppress(Error):
                self._drop()

    def _drop(self) -> None:
        removal.drop(self._server.dsn, self._name)
        self._server.named.discard(self._name)


def missing_role(error: Error) -> str | None:
    """The role that a statement named and the server does not have."""
    match = _MISSING_ROLE.search(error.message) if error.sqlstate in ("42704", "22023") else None  # 22023: by SET ROLE
    return match[1] if match else None


def missing_database(error: Error) -> str | None:
    """The database that a statement named and the server does not have."""
    match = _MISSING_DATABASE.search(error.message) if error.sqlstate == "3D000" else None
    return match[1] if match else None


def missing_extension(error: Error) -> str | None:
    """The extension that a statement wanted and the server's programs do not have."""
    match = _MISSING_EXTENSION.search(error.message) if error.sqlstate in ("0A000", "58P01") else None
    return (match[1] or match[2]) if match else None


def hint_for(error: Error, server: ScratchServer) -> str | None:
    """The hint for a failure whose cause is the scratch server and not the migration; otherwise None."""
    if (extension := missing_extension(error)) and server.is_throwaway:
        return (
            f"the throw-away server has no extension {extension}: install a PostgreSQL with it (apt-get install"
            f" postgresql postgresql-contrib), or {ELSEWHERE}"
        )
    if role := missing_role(error):
        return f"make the role {role} on the scratch server"
    return None


def _needs_superuser(exc: DatabaseError) -> Refused:
    why = f"{exc.message}: it needs the rights of a superuser, which files with dynamic SQL do not get here"
    return outside_effects.not_tried(why, exc.place)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _ignore(event: Event) -> None:
    """The listener of sessions that nobody listens to."""
