"""What the commands do about repeatable migrations: which they add to a plan, what `status` shows of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dbmigrate.api import repeatables_in_force
from dbmigrate.api.repeatables_in_force import newest
from dbmigrate.connection import database
from dbmigrate.frozen import frozen
from dbmigrate.migrations import peek
from dbmigrate.migrations.repeatables import name_of
from dbmigrate.model import Direction, MigrationFile, Plan
from dbmigrate.planning import annotation_faults, breaking, plan, repeatables, replaces, target_environments
from dbmigrate.reports import MigrationState, StatusRow
from dbmigrate.tracking import read_repeatables

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dbmigrate.execution.session import Session
    from dbmigrate.model import Migration, Step, View
    from dbmigrate.planning.repeatables import Entry
    from dbmigrate.reports import Status

__all__ = [
    "after_down",
    "after_redo",
    "after_up",
    "gone",
    "recorded",
    "recording",
    "restored",
    "shown",
]


@frozen
class _Look:
    """The files against the log: `order` is the one in which they run, `names` are those that have to.

    `needed` are the names that each one depends on.
    """

    files: Mapping[str, MigrationFile]
    newest: Mapping[str, Entry]
    needed: Mapping[str, Sequence[str]]
    order: Sequence[str]
    names: Sequence[str]

    @property
    def gone(self) -> list[str]:
        """The names of those whose files are gone."""
        lost = (entry for name, entry in self.newest.items() if name not in self.files)
        return [name_of(entry.name) for entry in lost if entry.checksum is not None]


def _look(files: Sequence[MigrationFile], newest: Mapping[str, Entry]) -> _Look:
    current = {
        file.version: newest[file.version]
        for file in files
        if file.version in newest and repeatables.is_as_recorded(file, newest[file.version])
    }
    needed = repeatables.needs(peek.mentioning(files, repeatables.WORD))
    order = repeatables.in_order([file.version for file in files], needed)
    by_name = {file.version: file for file in files}
    return _Look(by_name, newest, needed, order, repeatables.due(order, needed, current))


def _read(look: _Look, names: Sequence[str]) -> tuple[Migration, ...]:
    """Read and check the files of these. Raises MigrationFileError E210 to E223, E275, E278, E290 to E292."""
    from dbmigrate.migrations import parser

    found = tuple(parser.read(look.files[name], (Direction.UP,)) for name in names)
    annotation_faults.refuse(fault for each in found for fault in annotation_faults.faults(each))
    annotation_faults.refuse(repeatables.circles(found, look.needed))
    return found


# --------------------------------------------------------------------------------------------------------- `up`, status


def after_up(
    files: Sequence[MigrationFile], session: Session | None, view: View, made: Plan, environment: str | None
) -> Plan:
    """`made` and behind it the repeatables that have to run, unless a versioned migration stays pending.

    Raises MigrationFileError for the first fault of a file that has to run.
    """
    look = _look(files, newest(session))
    notes = repeatables.gone(look.gone)
    migrations = _read(look, look.names)
    if migrations and _leaves_pending(view, made, environment):
        notes = (*notes, repeatables.waiting([each.name for each in migrations]))
    elif migrations:
        made = _with_runs(made, migrations, _with_replaced(view, _applied(view, made)), look)
    return replace(made, problems=(*made.problems, *notes))


def _leaves_pending(view: View, made: Plan, environment: str | None) -> bool:
    """Whether a version stays pending; what is only for other environments never is."""
    waiting = set(plan.pending_versions(view.files, view.history)) - _applied(view, made)
    if not waiting:
        return False
    read = peek.mentioning((file for file in view.files if file.version in waiting), target_environments.WORD)
    away = {each.version for each in read if target_environments.is_elsewhere(each, environment)}
    return bool(waiting - away)


def _applied(view: View, made: Plan) -> set[str]:
    """The versions that are applied after the plan."""
    applied = {item.version for item in view.history.applied}
    for step in made.steps:
        (applied.add if step.direction is Direction.UP else applied.discard)(step.version)
    return applied


def _with_replaced(view: View, applied: set[str]) -> set[str]:
    """With the versions in whose place an applied file stands."""
    found = replaces.of(peek.mentioning(view.files, replaces.WORD), view.history)
    return applied | {version for each in found if each.migration.version in applied for version in each.versions}


def _with_runs(made: Plan, migrations: Sequence[Migration], versions: set[str], look: _Look) -> Plan:
    annotation_faults.refuse(repeatables.faults(migrations, look.files, versions))
    steps = tuple(map(repeatables.run, migrations))
    problems = tuple(problem for each in migrations for problem in each.problems)
    return Plan((*made.steps, *steps), (*made.problems, *breaking.problems(steps), *problems))


def shown(status: Status, files: Sequence[MigrationFile], session: Session) -> Status:
    """`status` with the repeatables."""
    look = _look(files, newest(session))
    rows = tuple(_row(look, name) for name in look.files)
    return replace(status, repeatables=rows, problems=(*status.problems, *repeatables.gone(look.gone)))


def _row(look: _Look, name: str) -> StatusRow:
    entry = look.newest.get(name)
    state = MigrationState.PENDING if name in look.names else MigrationState.APPLIED
    at, by = (entry.at, entry.by) if entry is not None and entry.checksum is not None else (None, None)
    return StatusRow(name, name_of(name), state, at, by)


# ------------------------------------------------------------------------------------- recorded, without being run


def recording(files: Sequence[MigrationFile]) -> tuple[Step, ...]:
    """Record all of them as run, in the order in which they run."""
    look = _look(files, {})
    return tuple(map(repeatables.record, _read(look, look.order)))


def recorded(files: Sequence[MigrationFile], view: View, made: Plan, environment: str | None) -> Plan:
    """`made`, which records versions as applied, and the repeatables, unless a version stays pending."""
    if not made.steps or _leaves_pending(view, made, environment):
        return made
    return replace(made, steps=(*made.steps, *recording(files)))


def gone(files: Sequence[MigrationFile], session: Session) -> tuple[Step, ...]:
    """The steps that let the log forget the repeatables whose files are gone."""
    names = _look(files, newest(session)).gone
    return tuple(repeatables.forget(name.removeprefix(name_of("")), name) for name in names)


# ------------------------------------------------------------------------------------------------------------ rollback


def after_down(session: Session, made: Plan) -> Plan:
    """`made`, which rolls back, and behind it the earlier texts of the repeatables that ran with what it undoes."""
    versions = {step.version for step in made.steps if step.direction is Direction.DOWN}
    if not versions or not session.tables.log_exists:
        return made
    with database.translated(session.dsn):
        runs = read_repeatables.runs(session.conn, session.tables)
    undone = {run for version, run in runs.items() if version in versions}
    applied = {item.version for item in session.read_history().applied} - versions
    return restored(session, made, undone, {run for version, run in runs.items() if version in applied})


def restored(session: Session, made: Plan, undone: set[str], kept: set[str]) -> Plan:
    """The same, for the runs `undone`; of those in `kept` migrations stay applied."""
    with database.translated(session.dsn):
        entries = read_repeatables.every(session.conn, session.tables)
        found = repeatables.undone(entries, undone, kept)
        texts = {
            each.name: read_repeatables.text(session.conn, session.tables, each.earlier.event_id)
            for each in found
            if each.earlier is not None
        }
    steps: list[Step] = []
    problems = list(made.problems)
    for each in sorted(found, key=lambda each: (each.earlier is None, each.earlier.event_id if each.earlier else 0)):
        text = texts.get(each.name)
        if text is not None:
            steps.append(repeatables.run(repeatables_in_force.kept(each.name, text)))
        else:
            lost = each if each.earlier is None else replace(each, why="the log does not keep its earlier text")
            problems.append(repeatables.left(lost, name_of(each.name)))
            steps.append(repeatables.forget(each.name, name_of(each.name)))
    return replace(made, steps=(*made.steps, *steps), problems=tuple(problems))


def after_redo(
    files: Sequence[MigrationFile], session: Session, view: View, made: Plan, environment: str | None
) -> Plan:
    """`made`, which applies a migration again, and behind it the repeatables that ran with it, from their files."""
    undo = replace(made, steps=tuple(step for step in made.steps if step.direction is Direction.DOWN))
    touched = [step for step in after_down(session, undo).steps if step not in undo.steps]
    look = _look(files, newest(session))
    wanted = {*look.names, *(step.version for step in touched)}
    migrations = _read(look, [name for name in look.order if name in wanted])
    if not migrations:
        return made
    if not _leaves_pending(view, made, environment):
        return _with_runs(made, migrations, _applied(view, made), look)
    forgotten = tuple(repeatables.forget(each.version, each.name) for each in touched)
    notes = (repeatables.waiting([each.name for each in migrations]),)
    return replace(made, steps=(*made.steps, *forgotten), problems=(*made.problems, *notes))
