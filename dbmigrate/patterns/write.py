"""From a pattern and its arguments to files, each proved on a scratch database before it is written."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from dbmigrate.check import scratch_session
from dbmigrate.connection import database
from dbmigrate.errors import DatabaseError, Refused
from dbmigrate.execution import conditions
from dbmigrate.frozen import frozen
from dbmigrate.lint import lint
from dbmigrate.lint.fix import run
from dbmigrate.lint.fix.proof import Tried, differences, tried
from dbmigrate.migrations import find, parser
from dbmigrate.model import MigrationFile
from dbmigrate.patterns import schema
from dbmigrate.patterns.catalogue import pattern
from dbmigrate.patterns.ignoring import with_reasons
from dbmigrate.patterns.refusals import misfit
from dbmigrate.scratch import choose, outside_effects

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dbmigrate.check.scratch_session import ScratchSession
    from dbmigrate.lint import LintConfig
    from dbmigrate.model import Migration
    from dbmigrate.patterns.schema import Schema
    from dbmigrate.patterns.values import Planned
    from dbmigrate.scratch.choose import Choice, ScratchServer

__all__ = ["Project", "Written", "write"]

_TRIED = "9" * 14  # a version while the files are tried


@frozen
class Project:
    """The migrations that are there, and where new ones go. `table` is the tracking table."""

    migrations: Sequence[Migration]
    directories: Sequence[str]
    config: LintConfig
    table: str = "schema_migrations"


@frozen
class Written:
    """The paths of the new files, and what their reader has to know."""

    paths: tuple[str, ...]
    notes: tuple[str, ...] = ()


def write(project: Project, name: str, arguments: Sequence[str], choice: Choice, versions: Iterator[str]) -> Written:
    """Write the files of a pattern, with the next free ones of `versions`; none if they cannot be proved.

    Raises ConfigError E200 (no such pattern, wrong number of arguments), PlanError E266 (it does not fit to the
    schema), Refused E770 (something would be lost), E771 (the files do not end in the same schema).
    """
    chosen = pattern(name, len(arguments))
    effects = outside_effects.of_all(project.migrations)
    with choose.open_server(replace(choice, effects=effects, spared=choice.target)) as server, ExitStack() as stack:
        planned = chosen.plan(_schema(project, server, stack), arguments)
        stack.close()
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="dbmigrate-pattern-")))
        proof = _Proof(project, server, directory)
        texts = [proof.rewritten(planned, choice)] if planned.is_unsafe else proof.proved(planned)
    return Written(_written(project, planned, texts, versions), planned.notes)


def _schema(project: Project, server: ScratchServer, stack: ExitStack) -> Schema:
    """The schema after all migrations, on a scratch database that is there until the stack is closed."""
    scratch = stack.enter_context(scratch_session.prepared(server, project.table, conditions.Note()))
    for migration in project.migrations:
        try:
            scratch.run(migration)
        except DatabaseError as exc:
            message = f"{migration.name} does not run on a scratch database: {exc.message}"
            raise misfit(message, "`dbmigrate check` says more") from exc
    with database.translated(scratch.dsn):
        return schema.read(scratch.rehearsal, project.config.server, lambda sql: _attempt(scratch, sql))


def _attempt(scratch: ScratchSession, sql: str) -> str:
    """Run SQL and take it back: the SQLSTATE of its failure, or nothing."""
    try:
        with database.translated(scratch.dsn):
            database.run(scratch.rehearsal, "begin")
            database.run(scratch.rehearsal, sql)
    except DatabaseError as exc:
        return exc.sqlstate or exc.code
    finally:
        database.run(scratch.rehearsal, "rollback")
    return ""


class _Proof:
    """What is written, beside the plain change."""

    def __init__(self, project: Project, server: ScratchServer, directory: Path) -> None:
        self._project = project
        self._server = server
        self._directory = directory

    def rewritten(self, planned: Planned, choice: Choice) -> str:
        """The text of the one file, as `lint --fix` makes it of the plain one."""
        draft = replace(planned.files[0], pairs=(*planned.above, *planned.files[0].pairs))
        plain = self._migration(_TRIED, draft.text())
        options = run.Options(self._project.config, frozenset({plain.version}), table=self._project.table, is_rare=True)
        results = run.fix([*self._project.migrations, plain], options, choice)
        for result in results:
            left = [each.refusal for each in result.fixed.left]
            if result.reason or left:
                raise _unproved(result.reason or left[0].reason, "" if result.reason else left[0].hint)
        if not results:
            self._run([plain])
        return results[0].fixed.text if results else draft.text()

    def proved(self, planned: Planned) -> list[str]:
        """The texts of the files, which end in the same schema as the plain change."""
        plain = self._run(
            [self._migration(_TRIED, f"-- migrate:up\n{planned.plain}\n-- migrate:down irreversible:true\n")]
        )
        files = [self._migration(f"{_TRIED}{number}", draft.text()) for number, draft in enumerate(planned.files, 1)]
        found = differences(plain.catalog, self._run(files).catalog)
        if found:
            raise _unproved(f"it would end in another schema: {found[0]}")
        return [draft.text() for draft in planned.files]

    def _migration(self, version: str, text: str) -> Migration:
        path = self._directory / f"{version}_try_it.sql"
        path.write_bytes(text.encode())
        return parser.read(MigrationFile(version, path.name, str(path)))

    def _run(self, added: Sequence[Migration]) -> Tried:
        """Run the project and some migrations; what the last one did."""
        wanted = [each.version for each in added]
        results = tried(self._server, self._project.table, [*self._project.migrations, *added], wanted)
        for version in wanted:
            result = results.get(version)
            if not isinstance(result, Tried):
                raise _unproved(result[0].message if result else "an earlier migration does not run")
            if result.problems:
                raise _unproved(result.problems[0].message)
        last = results[wanted[-1]]
        assert isinstance(last, Tried)
        return last


def _unproved(reason: str, hint: str = "") -> Refused:
    return Refused(f"the pattern does not fit here: {reason}", code="E771", hint=hint or None)


def _written(project: Project, planned: Planned, texts: Sequence[str], versions: Iterator[str]) -> tuple[str, ...]:
    """Write the files, then what `lint` finds in them on purpose; all of them are taken back if one cannot be."""
    paths: list[str] = []
    with ExitStack() as undo:
        for draft, text in zip(planned.files, texts, strict=True):
            path = find.create_as(project.directories, draft.name, versions, lambda version: find.TEMPLATE)
            undo.callback(Path(path).unlink)
            depends = f"-- migrate:depends {_version(paths[0])}\n" if paths else ""
            Path(path).write_bytes((depends + text).encode())
            paths.append(path)
        added = [parser.read(MigrationFile(_version(path), Path(path).name, path)) for path in paths]
        found = lint([*project.migrations, *added], config=project.config, only={each.version for each in added})
        for path in paths:
            own = [problem for problem in found if problem.place and problem.place.path == path]
            Path(path).write_bytes(with_reasons(Path(path).read_bytes().decode(), own).encode())
        undo.pop_all()
    return tuple(paths)


def _version(path: str) -> str:
    return Path(path).name.partition("_")[0]
