"""Where a database stands: what is applied, what is pending, of which services."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dbmigrate.api.base import ApiBase, Options
from dbmigrate.model import Direction
from dbmigrate.planning import plan, verify

if TYPE_CHECKING:
    from dbmigrate.api.readiness import Readiness
    from dbmigrate.reports import ServiceStatus, Status, StatusRow


class Standing(ApiBase):
    """The questions that a `Migrator` answers without a plan. They write nothing."""

    def status(self) -> Status:
        """Applied and pending migrations. Writes nothing: works without the tables and for a read-only role."""
        found, environment = self._present(), self._options.policy.environment
        with self._open("status") as session:
            recorded = session.read_history()
            more = self._history_problems(session, recorded)
            repeatable = self._of_repeatables(session)
        view, replacing = self._in_force(found, recorded)
        files, history = view.files, view.history
        findings = verify.verify(files, history, verify.sums(files, history), self._options.order)
        status = verify.marked(plan.status(files, history, self._options.order), findings)
        if replacing:
            from dbmigrate.planning import replaces

            status = replaces.marked(status, replacing)
        pending = [file for file in files if file.version not in history]
        if pending:
            from dbmigrate.migrations import peek
            from dbmigrate.planning import breaking, target_environments

            read = tuple(peek.mentioning(pending, *breaking.WORDS, target_environments.WORD))
            status = target_environments.marked(plan.with_breaking(status, read), read, environment)
        return replace(
            status,
            repeatables=repeatable.repeatables,
            problems=(*status.problems, *repeatable.problems, *more),
            environment=environment,
            target=self._where.rpartition(" · ")[2],
            locations=self._options.directories,
            updated_at=recorded.updated_at,
            service=self._options.service,
        )

    def pending(self) -> tuple[StatusRow, ...]:
        """What `up` would run; cheaper than `status`. See `Readiness.pending`."""
        return self._readiness.pending()

    def is_current(self) -> bool:
        """Whether nothing is pending. See `Readiness.is_current`."""
        return self._readiness.is_current()

    def services(self) -> tuple[ServiceStatus, ...]:
        """The status of every service of `Options.services` in this database, whichever one this migrator is for.

        What is wrong with the files or the table of one service is in its `failure`, and does not hide the others.
        """
        from dbmigrate.api import service_status

        def ask(options: Options) -> Status:
            return Standing(self._dsn, options).status()

        return tuple(service_status.read(self._dsn, self._options, each, ask) for each in self._options.services)

    def described(self, status: Status) -> Status:
        """`status` with what each file says that it does, and what has to be true where it is pending."""
        from dbmigrate.migrations import head, peek
        from dbmigrate.planning import conditions, description

        pattern = description.TICKETS if self._options.tickets is None else self._options.tickets
        said = {file.version: description.of(head.read(file.path), pattern) for file in self._present()}
        waiting = {row.version for row in status.pending}
        read = peek.mentioning((each for each in self._present() if each.version in waiting), *conditions.WORDS)
        asked = {each.version: conditions.listed(each, Direction.UP) for each in read}
        rows = (
            replace(row, description=said.get(row.version), conditions=asked.get(row.version, ()))
            for row in status.rows
        )
        return replace(status, rows=tuple(rows))

    @property
    def _readiness(self) -> Readiness:
        from dbmigrate.api.readiness import Readiness

        return Readiness(self._dsn, self._options, on_event=self._on_event)
