"""What a database is, against what it should be: the schema file, its migrations, or another environment.

Reads the target and changes nothing there: no lock, no transaction that writes, no rights but to connect and to read
the history. What has to be built for the comparison is built in a scratch database.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from dbmigrate import catalog
from dbmigrate.api import repeatables_in_force
from dbmigrate.api.base import ApiBase, Options, Request, View
from dbmigrate.api.platforms import without_the_platforms
from dbmigrate.catalog import Kind, Scope
from dbmigrate.connection import database
from dbmigrate.errors import DatabaseError, MigrationFileError, PlanError
from dbmigrate.events import Warned
from dbmigrate.execution.transactional import Executor
from dbmigrate.frozen import frozen
from dbmigrate.importing.bodies import differ_in_comments_alone
from dbmigrate.migrations import parser, peek, variables
from dbmigrate.migrations.other_tools import is_of_platform
from dbmigrate.model import Direction, Plan, Policy, Problem, Severity
from dbmigrate.planning import annotation_faults, plan, remedies, target_environments, verify
from dbmigrate.planning import repeatables as planning
from dbmigrate.planning.remedies import VersionDifference
from dbmigrate.reports import Deviation
from dbmigrate.schema import dump as schema_file
from dbmigrate.schema import file, line_ends
from dbmigrate.scratch import choose, outside_effects, schema_copy
from dbmigrate.tracking import old_history, tables

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from dbmigrate.api.service_drift import Owners, Services
    from dbmigrate.catalog import Catalog, Difference
    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.errors import Error
    from dbmigrate.execution.session import Session
    from dbmigrate.model import History, Migration, MigrationFile
    from dbmigrate.planning.remedies import Remedy
    from dbmigrate.scratch.choose import Choice, ScratchServer
    from dbmigrate.tracking.old_history import Taken


FILE_SCOPE = Scope.SCHEMA_FILE
MIGRATIONS_SCOPE = Scope.COMMENTS | Scope.GRANTS
ENVIRONMENT_SCOPE = Scope.COMMENTS | Scope.GRANTS | Scope.SERVER

_COMMAND = "drift"
_MAJOR = 10000
_LOCK_TIMEOUT = "55P03"
# what the server says when something is dropped while it is being described
_CAUGHT_MOVING = ("XX000", "42P01", "42704", "42883")
_TRIES = 3


@frozen
class Drift:
    """How `target` differs from `against`, both as people call them; in `differences` "before" is what should be.

    `notes` say what may explain a part of it, `remedies` which command comes next.
    """

    target: str
    against: str
    differences: tuple[Difference, ...] = ()
    notes: tuple[str, ...] = ()
    remedies: tuple[Remedy, ...] = ()


class Picture(NamedTuple):
    """A database at one moment: its objects, without those of tools whose history was `taken`, and what it records.

    `owners` says whose the objects are, where several services share the database.
    """

    catalog: Catalog
    history: History
    taken: Taken = old_history.NONE
    owners: Owners | None = None

    @property
    def versions(self) -> frozenset[str]:
        return frozenset(item.version for item in self.history.applied)


class Building(NamedTuple):
    """What makes what should be in an empty scratch database, and what that may do beside it.

    `needs_platform`: migrations refer to objects of the platform, where a schema file has them.
    """

    make: Callable[[ScratchServer, Comparer], Owners | None]
    effects: outside_effects.Effects
    needs_platform: bool = False


class Comparer(ApiBase):
    """Compares the database with what it should be. `scope` says what counts beside the objects themselves.

    All methods raise ConnectionFailed, and DatabaseError E405 when an object is locked for too long; those that build a
    scratch database also ToolMissing E244, ConfigError E245, E246 and PlanError E260.
    """

    def with_file(self, path: str, choice: Choice, *, scope: Scope = FILE_SCOPE) -> Drift:
        """Against the schema file. Raises ConfigError E207, PlanError E238, E260."""

        shared = self._services()

        def load(server: ScratchServer, copy: Comparer) -> Owners | None:
            def make() -> None:
                server.retrying(lambda: copy._load(path))

            if shared is not None:
                return shared.run_around(server, copy._dsn, copy._catalog, make)
            make()
            return None

        effects = _effects_of_file(path)
        building = Building(load, effects | shared.effects if shared else effects)
        live, expected = self._beside(choice, lambda _: building)
        versions = _version_difference(live, expected)
        found = self._drift(path, expected, live, scope=scope, notes=_version_notes(versions, path))
        if line_ends.are_converted(file.read(Path(path))):
            found = _without_line_ends(found)
        return replace(found, remedies=remedies.of_file(path, versions)) if found.differences else found

    def with_migrations(self, choice: Choice, *, scope: Scope = MIGRATIONS_SCOPE) -> Drift:
        """Against what the files of the applied migrations make, but for those that are only for some environments.

        Raises PlanError E261: some of them are gone.
        """
        found = self._present()
        with self._open(_COMMAND) as session:
            repeatable = repeatables_in_force.in_force(self._seen.repeatables, session)
        shared = self._services()

        def replay(live: Picture) -> Building:
            seen, _ = self._in_force(found, live.history)
            wanted = {item.version for item in seen.history.applied}
            missing = sorted(wanted - {file.version for file in found})
            if missing:
                raise PlanError(
                    f"the files of applied migrations are gone: {', '.join(missing)}",
                    code="E261",
                    hint="restore them from version control, or compare with the schema file: --against file",
                )
            read = (parser.read(each, (Direction.UP,)) for each in seen.files if each.version in wanted)
            applied = (variables.bound(each, self._variables.for_scratch()) for each in read)
            migrations = [each for each in applied if not target_environments.names(each)]

            def make(server: ScratchServer, copy: Comparer) -> Owners | None:
                owners = shared.run(server, copy._dsn, copy._catalog) if shared else None
                if owners is None:
                    replayed(server, copy, migrations)
                before = copy._catalog() if owners else None
                repeated(server, copy, repeatable)
                return owners.with_own(before, copy._catalog()) if owners and before else None

            effects = outside_effects.of_all([*migrations, *repeatable])
            return Building(make, effects | shared.effects if shared else effects, needs_platform=True)

        live, expected = self._beside(choice, replay)
        drift = self._drift("the migrations", expected, live, scope=scope, notes=_narrow(found, live.versions))
        if not drift.differences:
            return drift
        return replace(drift, remedies=remedies.of_migrations(_edited(found, live.history)))

    def with_database(self, other: Dsn, name: str, *, environment: str, scope: Scope = ENVIRONMENT_SCOPE) -> Drift:
        """Against another database, called `name`, which should be the same: that of `environment`."""
        with self._open(_COMMAND) as session, self._open(_COMMAND, other) as there:
            taken = self._taken(session)
            live, expected = _picture(session, taken), _picture(there, taken)
        expected = expected._replace(owners=self._owners_in(other))
        versions = _version_difference(live, expected)
        found = self._drift(name, expected, live, scope=scope, notes=_version_notes(versions, name))
        return replace(found, remedies=remedies.of_environment(environment, versions)) if found.differences else found

    def picture(self) -> Picture:
        """The database as it is."""
        with self._open(_COMMAND) as session:
            return _picture(session, self._taken(session))

    def _services(self) -> Services | None:
        """What several services have applied here; None where there is but one."""
        if not self._options.others:
            return None
        from dbmigrate.api import service_drift

        with self._open(_COMMAND) as session:
            return service_drift.of_others(session, self._options)

    def _owners_in(self, other: Dsn) -> Owners | None:
        """Whose the objects of this and another database are."""
        if not self._options.others:
            return None
        from dbmigrate.api import service_drift

        found = None
        choice = self._options.scratch() if self._options.scratch else choose.Choice()
        for target in (self._dsn, other):
            with self._open(_COMMAND, target) as session:
                shared = service_drift.of_others(session, self._options)
                if shared is None:
                    continue
                major = session.facts.server_version // _MAJOR
                wanted = replace(choice, target=session.dsn, major=major, effects=shared.effects, spared=session.dsn)
                with choose.open_server(wanted) as server, server.database() as made:
                    copy = self._quiet(schema_copy.with_settings_of(session, made), session)
                    owners = shared.run(server, copy._dsn, copy._catalog)
                    found = owners.joined(found)
        return found

    # -- both sides

    def _beside(self, choice: Choice, builder: Callable[[Picture], Building]) -> tuple[Picture, Picture]:
        """The target, and what the builder for it makes of an empty scratch database."""
        with self._open(_COMMAND) as session:
            live = _picture(session, self._taken(session))
            building = builder(live)
            major = session.facts.server_version // _MAJOR
            wanted = replace(choice, target=session.dsn, major=major, effects=building.effects, spared=session.dsn)
            with choose.open_server(wanted) as server, server.database() as copy:
                there = self._quiet(schema_copy.with_settings_of(session, copy), session)
                if building.needs_platform:
                    self._copy_platform(session, live.taken, server, there)
                try:
                    owners = building.make(server, there)
                except DatabaseError as exc:
                    raise _unbuildable(exc, choose.hint_for(exc, server)) from exc
                if server.note:
                    self._on_event(Warned(Problem("W600", server.note, Severity.NOTE)))
                with there._open(_COMMAND) as built:
                    return live, _picture(built, live.taken)._replace(owners=owners)

    def _copy_platform(self, session: Session, taken: Taken, server: ScratchServer, copy: Comparer) -> None:
        """The schemas of a platform such as Supabase: no migration makes them, and many refer to them."""
        schemas = tuple(filter(is_of_platform, taken.schemas))
        if not schemas:
            return
        from dbmigrate.scratch import platform_copy  # few databases are a platform's

        environ = self._options.dumping.environ if self._options.dumping else {}
        for problem in platform_copy.fill(session, environ, schemas, server, copy._dsn):
            self._on_event(Warned(problem))

    def _taken(self, session: Session) -> Taken:
        """What belongs to other tools, whose tables no migration makes."""
        with database.translated(session.dsn):
            return old_history.taken_over(session.conn, session.tables)

    def _quiet(self, copy: Dsn, session: Session) -> Comparer:
        """For work on a scratch database, with the tracking table where it is in the target; says nothing."""
        table = f"{session.tables.schema}.{session.tables.name}"
        return Comparer(
            copy,
            Options(
                directories=self._options.directories,
                table=table,
                policy=Policy(order=self._options.order),
                variables=self._variables.for_scratch(),
                service=self._options.service,
                services=self._options.services,
            ),
        )

    def _load(self, path: str) -> None:
        with self._open(_COMMAND) as session:
            schema_file.apply(session, path)

    def _catalog(self) -> Catalog:
        with self._open(_COMMAND) as session:
            return look(session, old_history.NONE).catalog

    def _replay(self, versions: Collection[str]) -> None:
        """Run the files of these versions; what ran already in an earlier try is not run again."""

        def planned(view: View) -> Plan:
            chosen = [file for file in view.files if file.version in versions]
            migrations = annotation_faults.without(view.migrations)
            return plan.up(chosen, view.history, migrations=migrations, policy=self._options.policy)

        def wanted(view: View) -> Sequence[str]:
            return [version for version in plan.pending_versions(view.files, view.history) if version in versions]

        if versions:
            self._change(Request(_COMMAND, wanted, planned, (Direction.UP,)))

    def _repeat(self, migrations: Sequence[Migration]) -> None:
        with self._open(_COMMAND) as session:
            session.lock()
            session.ensure_tables()
            Executor(session, self._options.pacing).run(Plan(tuple(map(planning.run, migrations))))

    def _drift(
        self, against: str, expected: Picture, live: Picture, *, scope: Scope, notes: Sequence[str] = ()
    ) -> Drift:
        majors = [picture.catalog.server_version // _MAJOR for picture in (live, expected)]
        if majors[0] != majors[1]:
            notes = (
                *notes,
                f"this is PostgreSQL {majors[0]}, {against} is on {majors[1]}: they may word things differently",
            )
        differences = compared(expected, live, scope)
        if expected.owners is not None:
            differences = expected.owners.without_others(differences, (expected.catalog, live.catalog))
        if any(difference.is_of_line_ends for difference in differences):
            notes = (*notes, f"git may have converted line ends: {line_ends.REMEDY}")
        return Drift(self._where, against, differences, tuple(notes))


def compared(expected: Picture, live: Picture, scope: Scope) -> tuple[Difference, ...]:
    """What differs. Where another tool made the database, comments in function bodies do not count: some strip them."""
    found = catalog.compare(expected.catalog, live.catalog, scope=scope)
    taken = live.taken
    if taken == old_history.NONE:
        return found
    return tuple(
        each
        for each in without_the_platforms(found, taken.schemas)
        if not (each.kind is Kind.SCHEMA and each.name in taken.schemas and not each.inside)
        and not (each.before and each.after and differ_in_comments_alone(each.before, each.after))
    )


def _without_line_ends(found: Drift) -> Drift:
    """Compared with a file in which git has converted them: they say nothing about the database."""
    left = tuple(difference for difference in found.differences if not difference.is_of_line_ends)
    note = f"every line of {found.against} ends in CRLF, so line ends were not compared: {line_ends.REMEDY}"
    return replace(
        found, differences=left, notes=(note, *(each for each in found.notes if line_ends.REMEDY not in each))
    )


def replayed(server: ScratchServer, copy: Comparer, migrations: Sequence[Migration]) -> None:
    """Run migrations on the scratch database of `copy`, whose directories hold them."""
    for migration in migrations:
        server.refuse_external_effects(migration)
    versions = [migration.version for migration in migrations]
    server.retrying(lambda: copy._replay(versions))


def repeated(server: ScratchServer, copy: Comparer, migrations: Sequence[Migration]) -> None:
    """Run repeatable migrations on the scratch database of `copy`."""
    for migration in migrations:
        server.refuse_external_effects(migration)
    if migrations:
        server.retrying(lambda: copy._repeat(migrations))


def _effects_of_file(path: str) -> outside_effects.Effects:
    """Raises ConfigError E207."""
    try:
        return outside_effects.of_sql(file.read(Path(path)))
    except MigrationFileError:
        return outside_effects.Effects.NONE  # loading it says what is wrong with it


def _picture(session: Session, taken: Taken) -> Picture:
    """Read it; again, if somebody dropped something meanwhile."""
    for _ in range(_TRIES - 1):
        try:
            return look(session, taken)
        except DatabaseError as exc:
            if exc.sqlstate not in _CAUGHT_MOVING:
                raise _explained(exc) from exc
    return look(session, taken)


def look(session: Session, taken: Taken) -> Picture:
    """Read a database that nobody changes meanwhile."""
    mine = session.tables
    own = [(mine.schema, mine.name), (mine.schema, mine.log_name), *taken.tables, *_of_services(session)]
    with database.translated(session.dsn):
        found = catalog.read(session.conn, without=own)
    return Picture(found, session.read_history(), taken)


def _of_services(session: Session) -> Iterator[tuple[str, str]]:
    """The tracking tables and log tables of the other services."""
    for table in session.access.siblings:
        schema, name = tables.place(table, facts=session.facts, search_path=session.dsn.search_path)
        yield from ((schema, name), (schema, f"{name}_log"))


def _explained(exc: DatabaseError) -> DatabaseError:
    if exc.sqlstate != _LOCK_TIMEOUT:
        return exc
    return DatabaseError(
        "an object could not be read: another session holds a lock on it",
        code="E405",
        hint="try again when the change that holds the lock has ended",
        sqlstate=exc.sqlstate,
    )


def _unbuildable(exc: Error, hint: str | None) -> PlanError:
    message = f"the expected schema cannot be built in a scratch database: {exc.message}"
    return exc.recast(PlanError, message, code="E260", hint=hint)


def _version_difference(live: Picture, expected: Picture) -> VersionDifference:
    here, there = live.versions, expected.versions
    return VersionDifference(sorted(here - there), sorted(there - here))


def _version_notes(versions: VersionDifference, name: str) -> tuple[str, ...]:
    """What explains most of a drift: migrations that one of the two does not have yet."""
    lists = ((f"only in {name}", versions.there), ("only applied here", versions.here))
    return tuple(f"{where}: {', '.join(versions)}" for where, versions in lists if versions)


def _narrow(found: Sequence[MigrationFile], applied: Collection[str]) -> tuple[str, ...]:
    """What explains objects that no migration for all environments makes."""
    read = peek.mentioning((file for file in found if file.version in applied), target_environments.WORD)
    narrow = (each for each in read if target_environments.names(each))
    return tuple(f"{each.name} is {target_environments.only_for(each)}: what it makes is extra" for each in narrow)


def _edited(found: Sequence[MigrationFile], history: History) -> list[str]:
    """The files that make something else than what was applied."""
    findings = verify.verify(found, history, verify.sums(found, history))
    return [finding.name for finding in findings if finding.deviation is Deviation.CHANGED]
