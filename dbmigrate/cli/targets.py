"""A command on several targets: the list, the work on one of them, the questions, the report."""

from __future__ import annotations

import os
import shlex
import sys
import time
from contextlib import ExitStack, suppress
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING

import typer

from dbmigrate.cli import held_signals, messages
from dbmigrate.errors import ConfigError, Error, Interrupted, MigrationFileError, Refused, unchanged
from dbmigrate.model import Direction, Problem, Severity
from dbmigrate.output import targets as shown
from dbmigrate.output.recorder import Recorder
from dbmigrate.targets import planning, reading
from dbmigrate.targets.run import Run
from dbmigrate.targets.values import Failure, Outcome, Result

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from dbmigrate.cli.call import Call
    from dbmigrate.cli.target_request import TargetRequest
    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.execution.session import Session
    from dbmigrate.model import Plan
    from dbmigrate.settings.load import Settings
    from dbmigrate.targets.values import Selection, Target
    from dbmigrate.targets.workers import Channel

__all__ = ["run"]

_NAMED = 3
_NEEDED = ("dbmigrate.api.migrator", "dbmigrate.execution.transactional", "dbmigrate.tracking.preexisting")
_NEEDED_FOR = {"verify": "dbmigrate.api.records", "drift": "dbmigrate.api.drift"}


def run(call: Call, request: TargetRequest, command: Callable[..., None], given: Mapping[str, object]) -> None:
    """Run `command` on the targets that `request` names; `given` are its own options.

    Exits with the gravest code of the targets. Raises ConfigError E273; Refused E706, E707; Interrupted.
    """
    from dbmigrate.migrations.read_once import reading_once

    call.wants_json = call.wants_json or given.get("format_") == "json"
    call.targets = call.hide(request.written)
    with ExitStack() as stack:
        selection = _selection(call, request, stack)
        chosen = planning.of_shard(selection.targets, request.rollout.shard)
        listener = _listener(call, request)
        listener.warned(*_problems(selection, chosen, request))
        if not chosen:
            return
        approved = _approval(call, request, given, len(chosen))
        stack.enter_context(reading_once())
        _read_everything(call.settings(), request)
        work = Work(call, request, command, {**given, **approved}, chosen)
        listener.begins(shown.heading(request.command, len(chosen), request.rollout))
        _run(call, request, listener, work, chosen)


def _run(call: Call, request: TargetRequest, listener: shown.Lines, work: Work, chosen: Sequence[Target]) -> None:
    fleet = Run(work, listener, request.rollout, held_signals.held)
    ending: Error | None = None
    try:
        fleet.run(chosen, lambda others: _confirm(call, request, others))
    except Refused as exc:
        ending = exc
    except KeyboardInterrupt as exc:
        ending = Interrupted.by(exc, "interrupted")
    totals = fleet.totals()
    if ending is not None:
        totals = replace(totals, exit_code=ending.exit_code)
    is_over = totals.exit_code in (0, 1) and not totals.left
    again = "" if is_over or request.is_question else _again(call)
    listener.report(totals, "" if isinstance(ending, Refused) else again)
    if isinstance(ending, Interrupted):
        ending.state = "what was done stays; what was interrupted is rolled back, or recorded as unfinished"
        ending.hint = f"go on with: {again}" if again else None
    if ending is not None:
        raise ending
    raise typer.Exit(totals.exit_code)


# ------------------------------------------------------------------------------------------------------------ the list


def _selection(call: Call, request: TargetRequest, stack: ExitStack) -> Selection:
    settings = call.settings()
    served: list[Dsn] = []

    def base() -> Dsn:
        if not served:
            served.append(stack.enter_context(call.served(settings.target())))
        return served[0]

    if request.query is not None:
        from dbmigrate.connection import given_query

        lines: Sequence[str] = given_query.column(base(), request.query)
        origin = "--targets-query"
    else:
        path = request.path or "-"
        lines, origin = _lines(path), "standard input" if path == "-" else path
    selection = reading.read(lines, origin, base=base, complete=settings.completed, driver=settings.driver)
    _refuse_one_table(settings, selection)
    return selection


def _lines(path: str) -> Sequence[str]:
    try:
        raw = sys.stdin.buffer.read() if path == "-" else open(path, "rb").read()  # noqa: SIM115 (a list is short)
    except OSError as exc:
        raise ConfigError(f"cannot read {path}: {exc.strerror}", code="E207") from exc
    try:
        return raw.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as exc:
        raise ConfigError(f"{path} is not UTF-8", code="E273", hint="save it as UTF-8") from exc


def _refuse_one_table(settings: Settings, selection: Selection) -> None:
    """Schemas of one database with one tracking table: each would be taken for done as soon as one is."""
    is_schema = any(target.name.startswith("schema:") for target in selection.targets)
    if is_schema and "." in settings.migrations_table:
        raise ConfigError(
            f"the tracking table {settings.migrations_table} would be the same for all schemas",
            code="E274",
            hint="name it without a schema: each schema has its own",
        )


def _problems(selection: Selection, chosen: Sequence[Target], request: TargetRequest) -> list[Problem]:
    found = []
    if selection.repeated:
        pairs = selection.repeated[:_NAMED]
        named = "; ".join(name if name == first else f"{name} is {first}" for name, first in pairs)
        more = len(selection.repeated) - _NAMED
        rest = f" and {more} more" if more > 0 else ""
        found.append(Problem("W750", f"targets are listed twice, and run once: {named}{rest}"))
    if not chosen and request.rollout.shard:
        number, count = request.rollout.shard
        message = f"shard {number}/{count} has none of the {len(selection.targets)} targets"
        found.append(Problem("W751", message, Severity.NOTE))
    return found


def _listener(call: Call, request: TargetRequest) -> shown.Lines:
    settings = call.settings()
    streams = messages.streams(call, call.streams, settings)
    if call.wants_json:
        return shown.Objects(streams, call.verbosity, command=request.command)
    return shown.Lines(streams, call.verbosity, is_question=request.is_question)


# ------------------------------------------------------------------------------------------------------- the questions


def _approval(call: Call, request: TargetRequest, given: Mapping[str, object], count: int) -> Mapping[str, object]:
    """Have a change of a protected environment confirmed, once for all targets; the option that says so for each.

    Raises Refused E707, E709.
    """
    protection = None if request.is_question else call.settings().protection
    if protection is None:
        return {}
    from dbmigrate.planning import approval as rules

    name = protection.environment
    if given.get("all_"):
        raise unchanged(
            Refused(
                f"{name} is protected: rollback --all needs the name of each database",
                code="E707",
                hint="name one target with --url, and its database with --confirm",
            )
        )
    target = rules.Target(name, "", is_protected=True)
    approval = rules.Approval(yes=request.yes, can_ask=sys.stdin.isatty())
    word = rules.name_to_type(rules.Need.ENVIRONMENT, target, approval)
    if word is not None:
        question = f"{name} is protected. Type {name} to run {request.command} on {count} targets: "
        rules.refuse_other(call.renderer.ask(question), word)
    return {"yes": True}


def _confirm(call: Call, request: TargetRequest, others: int) -> None:
    """Ask whether the targets behind the canary may follow. Raises Refused E706."""
    if request.yes:
        return
    if not sys.stdin.isatty():
        message = f"the canary is done; {others} more targets need a confirmation"
        raise Refused(message, code="E706", hint=f"no terminal to ask on; go on with: {_again(call)} --yes")
    answer = call.renderer.ask(f"{request.command} on the other {others}? [y/N] ")
    if answer.strip().lower() not in ("y", "yes"):
        raise Refused("not confirmed; the canary is done, the others are as they were", code="E706")


def _again(call: Call) -> str:
    return call.hide(f"dbmigrate {shlex.join(call.words)}")


# ------------------------------------------------------------------------------------------------------------ the work


def _read_everything(settings: Settings, request: TargetRequest) -> None:
    """Read the files, and load what runs them, before processes are forked that then share both.

    A bad file is for the target to which it matters: of applied ones nothing is read but checksums. Large ones are read
    where they are pending. Raises PlanError E221, E230, E235.
    """
    from dbmigrate.migrations import find, parser, source
    from dbmigrate.tracking import provenance

    for name in (_NEEDED_FOR[request.command],) if request.command in _NEEDED_FOR else _NEEDED:
        import_module(name)
    seen = find.look(settings.migrations_dirs, settings.version_order)
    if request.applies:
        find.refuse_none(seen, settings.migrations_dirs)
    if not request.is_question:
        provenance.describe(settings.migrations_dirs)
    for file in seen.files:
        with suppress(MigrationFileError, ConfigError, OSError):
            source.checksum(file.path)
            if request.applies and os.path.getsize(file.path) <= parser.KEEP_TEXT:
                parser.read(file, (Direction.UP,))


class Work:
    """What is done with one target, in a process of its own; see `workers`."""

    def __init__(
        self,
        call: Call,
        request: TargetRequest,
        command: Callable[..., None],
        given: Mapping[str, object],
        chosen: Sequence[Target],
    ) -> None:
        self._call = call
        self._request = request
        self._command = command
        self._given = given
        self._ambiguous = reading.ambiguous(chosen)

    def __call__(self, target: Target, channel: Channel) -> Result:
        """Run the command on it, and say what became of it."""
        started = time.monotonic()
        recorder = Recorder(hide=lambda text: mine.hide(text), on_wait=channel.waits)
        mine = self._call_for(target, channel, recorder)
        code, failure = 0, None
        try:
            self._command(call=mine, **self._given)
        except typer.Exit as exc:
            code = exc.exit_code
        except Error as exc:
            code, failure = exc.exit_code, _failure(exc)
            recorder.error(exc)
        except KeyboardInterrupt as exc:
            code, failure = 143, _failure(Interrupted.by(exc, "interrupted"))
        return Result(
            target.name,
            _outcome(code),
            code,
            shown.summary(self._request.command, recorder.value),
            failure,
            time.monotonic() - started,
            recorder.waited,
            recorder.value if self._call.wants_json else {},
            tuple(recorder.problems),
        )

    def _call_for(self, target: Target, channel: Channel, recorder: Recorder) -> Call:
        settings = self._call.settings()
        # one metrics file cannot hold the runs of several databases
        settings = replace(settings, chosen=target.dsn, watching=replace(settings.watching, metrics_file=None))
        if not self._request.is_question:
            settings = replace(settings, dump_schema=False)
        claims = (_claiming(channel),) if target.name in self._ambiguous else ()
        made = self._call.for_target(settings, recorder, claims)
        made.wants_json = made.wants_json or self._request.command == "drift"  # its differences are counted
        return made


def _claiming(channel: Channel) -> Callable[[Session, Plan], None]:
    """Refuse to change a database that is another target under another name. Raises Refused E757."""

    def claim(session: Session, plan: Plan) -> None:
        from dbmigrate.connection import same_server

        other = channel.claim((*same_server.identity(session.conn), session.tables.qualified))
        if other is not None:
            error = Refused(f"it is the same as {other}", code="E757", hint="remove one of the two from the list")
            raise unchanged(error)

    return claim


def _outcome(code: int) -> Outcome:
    known = {0: Outcome.DONE, 1: Outcome.NO, 130: Outcome.INTERRUPTED, 143: Outcome.INTERRUPTED}
    return known.get(code, Outcome.FAILED)


def _failure(error: Error) -> Failure:
    return Failure(
        error.code,
        error.message,
        str(error.place) if error.place else "",
        error.state or "",
        error.hint or "",
        error.sqlstate,
        is_of_files=isinstance(error, MigrationFileError | ConfigError),
    )
