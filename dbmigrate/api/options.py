"""What the Python API works with."""

from __future__ import annotations

from dataclasses import field, replace
from typing import TYPE_CHECKING

from dbmigrate.execution.access import nothing_held
from dbmigrate.execution.lock_retries import Pacing
from dbmigrate.frozen import frozen
from dbmigrate.model import Policy

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from dbmigrate.execution.saving import Saver
    from dbmigrate.execution.session import Session
    from dbmigrate.model import History, Order, Plan
    from dbmigrate.schema.versions import Dumping
    from dbmigrate.scratch.choose import Choice
    from dbmigrate.services import Service
    from dbmigrate.variables import Variables

__all__ = ["Options", "of_service"]


@frozen
class Options:
    """What a `Migrator` works with. Times are in seconds.

    `dumping` None leaves the schema file alone. `lock_wait` bounds the wait for another runner. `where` names the
    environment for people. `expected_plan` is the reviewed hash, as `plan_hash.expected` reads it: another plan is
    refused. `approve` is called with a plan that is about to run and the history that it starts from; it raises to
    stop it, and returns a function that asks somebody (and raises), or None where nobody has to be asked.
    `before_run` are called in their order with a plan that has steps, under the lock, just before the first one runs;
    they raise to stop it. `saver` saves what statements destroy. `allow_existing` begins a history beside whatever is
    there; without it a protected environment (`is_protected`) stops there. `tickets` is the pattern of ticket ids,
    `variables` are those of ``migrate:vars``, `hold_signals` keeps a signal back while a page of a backfill runs.

    `service` is the one whose migrations these are, None for those of the project itself; `services` are all that may
    share the database, the project itself among them if it has migrations. `scratch` says where scratch databases may
    be made: the schema file of one of several services is made from one.
    """

    directories: tuple[str, ...] = ("./db/migrations",)
    table: str = "schema_migrations"
    dumping: Dumping | None = None
    policy: Policy = field(default_factory=Policy)
    pacing: Pacing = field(default_factory=Pacing)
    lock_wait: float = 300.0
    where: str = ""
    reason: str | None = None
    expected_plan: str | None = None
    approve: Callable[[Plan, History], Callable[[], None] | None] | None = None
    before_run: tuple[Callable[[Session, Plan], None], ...] = ()
    saver: Saver | None = None
    is_protected: bool = False
    allow_existing: bool = False
    tickets: str | None = None
    variables: Variables | Callable[[], Variables] | None = None
    hold_signals: Callable[[], AbstractContextManager[Callable[[], None]]] = nothing_held

    service: Service | None = None
    services: tuple[Service, ...] = ()
    scratch: Callable[[], Choice] | None = None

    @property
    def order(self) -> Order:
        return self.policy.order

    @property
    def others(self) -> tuple[Service, ...]:
        """The other services that may share the database."""
        own = self.service.name if self.service else ""
        return tuple(each for each in self.services if each.name != own)


def of_service(options: Options, name: str | None) -> Options:
    """The options for the migrations of this service; what they say of its directories and its table wins."""
    if name is None:
        return options
    from dbmigrate.services import Service, default_table

    known = next((each for each in options.services if each.name == name), None)
    usual = Options()
    is_usual = options.directories == usual.directories
    directories = known.directories if known and is_usual else options.directories
    table = (known.table if known else default_table(name)) if options.table == usual.table else options.table
    own = replace(known, directories=directories, table=table) if known else Service(name, directories, table)
    return replace(options, directories=directories, table=table, service=own)
