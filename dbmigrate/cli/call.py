"""One invocation: the flags given so far, and what a command needs from them."""

from __future__ import annotations

import os
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

from dbmigrate.errors import ConfigError, Error
from dbmigrate.output.verbosity import Verbosity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from dbmigrate.api.migrator import Migrator, Options
    from dbmigrate.api.records import Upkeep
    from dbmigrate.cli.approval import Approver
    from dbmigrate.cli.salvaging import SalvageRequest
    from dbmigrate.cli.watching import Watch
    from dbmigrate.connection.dsn import Dsn
    from dbmigrate.deploy.run import Deployer
    from dbmigrate.deploy.settings import DeployConfig
    from dbmigrate.events import Event
    from dbmigrate.execution.lock_retries import Pacing
    from dbmigrate.execution.session import Session
    from dbmigrate.model import Plan, Problem
    from dbmigrate.output import Renderer, Streams
    from dbmigrate.planning.approval import Approval
    from dbmigrate.schema.versions import Dumping
    from dbmigrate.scratch.choose import Choice
    from dbmigrate.settings.load import Settings

CONNECT_TIMEOUT = 10  # seconds for the server of another environment to answer; its URL can set another time-out
# what a command that comes next has to be given, too
_CHOOSING = frozenset(("environment", "service", "url", "migrations_dirs", "migrations_table", "env_files"))

Opened = TypeVar("Opened")


@dataclass(slots=True)
class Call:
    """The state of one invocation. Flags can stand before and after the command; the later one wins."""

    given: dict[str, Any] = field(default_factory=dict)
    environments: tuple[str, ...] = ()  # all that were named; only `status` takes more than one
    wants_json: bool = False
    wants_traceback: bool = False
    verbosity: Verbosity = Verbosity.NORMAL
    defers_backfills: bool = False
    max_wait: str | None = None
    uses_stdout: bool = True
    words: Sequence[str] = ()  # the command line
    targets: str = ""  # the option that names several targets
    chosen: Dsn | None = None  # one of several targets, in place of the configured one
    before_run: tuple[Callable[[Session, Plan], None], ...] = ()
    outside_window: str | None = None
    watch: Watch | None = None
    _renderer: Renderer | None = None
    _streams: Streams | None = None
    _hide: Callable[[str], str] | None = None
    _settings: Settings | None = None

    def add(self, given: dict[str, object]) -> None:
        """Merge the options of one level; an option that was not given there (None, False, empty) changes nothing."""
        absent: tuple[object, ...] = (None, [], ())
        meant = {k: v for k, v in given.items() if v not in absent and (v is not False or k == "strict")}
        self.wants_json = bool(meant.pop("json", self.wants_json))
        self.wants_traceback = bool(meant.pop("debug", self.wants_traceback))
        self.defers_backfills = bool(meant.pop("defer_backfills", self.defers_backfills))
        if isinstance(wait := meant.pop("max_wait", None), str):
            self.max_wait = wait
        if isinstance(why := meant.pop("outside_window", None), str):
            self.outside_window = why
        if meant.pop("quiet", False):
            self.verbosity = Verbosity.QUIET
        if meant.get("verbose"):
            self.verbosity = Verbosity.VERBOSE
        named = meant.pop("environment", None)
        if isinstance(named, list):
            self.environments = tuple(dict.fromkeys((*self.environments, *named)))
            meant["environment"] = named[-1]
        self.given |= meant
        self._settings = self._hide = None

    def take_environments(self) -> tuple[str, ...]:
        """The environments that were named, for the one command that works on several of them."""
        taken, self.environments = self.environments, ()
        return taken

    @property
    def renderer(self) -> Renderer:
        if self._renderer is None:
            from dbmigrate.output import Human, Json, standard_streams

            self._streams = standard_streams(os.environ)
            if not self.uses_stdout:
                self._streams = self._streams.without_stdout()
            self._streams.complete = self.completed
            shape = self.given.get("log_format") or os.environ.get("DBMIGRATE_LOG_FORMAT")
            if self._settings is not None:
                shape = self._settings.watching.log_format
            if shape in ("json", "logfmt"):
                from dbmigrate.cli import messages

                self._renderer = messages.renderer(self, self._streams, shape, self._settings)
            else:
                kind = Json if self.wants_json else Human
                self._renderer = kind(self._streams, verbosity=self.verbosity, hide=self.hide)
        return self._renderer

    @property
    def environ(self) -> Mapping[str, str]:
        """The environment of this process, which no command changes but for `withhold`."""
        return os.environ

    def withhold(self, name: str) -> None:
        """Take a secret out of the environment: no program that this one starts gets it."""
        os.environ.pop(name, None)

    def leave_stdout(self) -> None:
        """Print everything on stderr from now on: stdout belongs to another program."""
        self.uses_stdout, self._renderer = False, None

    def for_target(
        self, settings: Settings, renderer: Renderer, before_run: tuple[Callable[[Session, Plan], None], ...]
    ) -> Call:
        """The same invocation for one of several targets, which `settings` have chosen, shown by another renderer."""
        made = replace(self, given={**self.given}, chosen=settings.chosen, before_run=before_run, _renderer=renderer)
        made._settings, made._hide = settings, None
        return made

    @property
    def streams(self) -> Streams:
        """stdout and stderr, as the renderer uses them."""
        assert self.renderer
        assert self._streams is not None
        return self._streams

    def hide(self, text: str) -> str:
        """`text`, such as SQL, without the passwords of the target database."""
        if self._hide is None:
            self._hide = self._hiding()
        return self._hide(text)

    def completed(self, text: str) -> str:
        """`text`, in which each command that it names has the options that chose database and files of this one."""
        if not (self.targets or self.given.keys() & _CHOOSING):
            return text
        from dbmigrate.cli import next_commands

        given = next_commands.started(self.given, self.environments, self.targets)
        return next_commands.completed(text, given)

    def hide_values(self, text: str) -> str:
        """`text`, such as a traceback, without passwords and without the values of variables."""
        from dbmigrate.connection import redaction

        values = self._settings.values if self._settings is not None else ()
        return redaction.without(self.hide(text), sorted(values, key=len, reverse=True))

    def _hiding(self) -> Callable[[str], str]:
        from dbmigrate.connection.redaction import redact

        with suppress(Error):  # without a database there is still what looks like a password
            if self._settings is not None:
                return self._settings.target().redact
        return redact

    @property
    def lost_answer(self) -> OSError | None:
        """Why the answer of the command could not be printed; None if it was."""
        return None if self._streams is None else self._streams.lost_answer

    def settings(self) -> Settings:
        """The settings, resolved once: flags over the environment over env files over defaults.

        Raises ConfigError E200 for several environments, and what `config.load` raises.
        """
        from dbmigrate.settings.load import Flags, load

        if self._settings is None:
            self._refuse_several()
            found = load(Flags(**self.given), os.environ, os.getcwd())
            if self.chosen is not None:
                found = replace(found, chosen=self.chosen)
            self._settings, self._hide = found, None
            self.warn(self._settings.project.problems)
        return self._settings

    def settings_of(self, environment: str) -> Settings:
        """The same settings with another environment in place of the chosen one (or of ``--url``)."""
        from dbmigrate.settings.load import Flags, load

        return load(Flags(**self.given | {"url": None, "environment": environment}), os.environ, os.getcwd())

    @contextmanager
    def migrator(
        self,
        *,
        reason: str | None = None,
        expect_plan: str | None = None,
        approval: Approval | None = None,
        backup: str | None = None,
        salvage: SalvageRequest | None = None,
    ) -> Iterator[Migrator]:
        """The migrator for the settings; an embedded server runs for as long as it is used.

        Where nobody can be asked, a change of a protected environment is refused. `backup` is a directory for a backup
        before the first step, `salvage` says where to save what is destroyed.
        """
        from dbmigrate.api.migrator import Migrator

        with self._target(reason, approval, expect_plan=expect_plan) as (dsn, options):
            before_run = (*options.before_run, *self.before_run, *self._backing_up(backup))
            options = self._salvaging(replace(options, before_run=before_run), salvage)
            yield Migrator(dsn, options, on_event=self.on_event)

    def watched(self, command: str) -> AbstractContextManager[None]:
        """Watch the run of `command`: its window, its metrics, its notices. Most projects have none of them."""
        settings = self.settings()
        if self.outside_window is None and settings.watching.is_idle(settings.target_environment, settings.environ):
            return nullcontext()
        from dbmigrate.cli import watching

        return watching.watched(self, command)

    def _salvaging(self, options: Options, asked: SalvageRequest | None) -> Options:
        if asked is None:
            return options
        from dbmigrate.cli import salvaging

        return salvaging.with_salvager(options, asked, self.on_event)

    @contextmanager
    def upkeep(self, *, reason: str | None = None, approval: Approval | None = None) -> Iterator[Upkeep]:
        """The same for the commands that read or correct the history."""
        from dbmigrate.api.records import Upkeep

        with self._target(reason, approval) as (dsn, options):
            yield Upkeep(dsn, options, on_event=self.on_event)

    @contextmanager
    def opened(
        self, kind: Callable[..., Opened], *, reason: str | None = None, approval: Approval | None = None
    ) -> Iterator[Opened]:
        """The same for what one command needs: `kind` is its class, which works with a target and `Options`."""
        with self._target(reason, approval) as (dsn, options):
            yield kind(dsn, options, on_event=self.on_event)

    @contextmanager
    def deployer(
        self,
        config: DeployConfig,
        *,
        reason: str | None,
        expect_plan: str | None,
        approval: Approval,
        salvage: SalvageRequest | None,
    ) -> Iterator[Deployer]:
        """The same for a deployment."""
        from dbmigrate.deploy.run import Deployer

        with self._target(reason, approval, expect_plan=expect_plan) as (dsn, options):
            options = self._salvaging(options, salvage)
            yield Deployer(dsn, options, config, environ=self.settings().environ, on_event=self.on_event)

    @contextmanager
    def other_environment(self, environment: str) -> Iterator[Migrator]:
        """A migrator that reads another environment; it waits less long for a silent server."""
        from dbmigrate.api.migrator import Migrator, Options
        from dbmigrate.model import Policy

        settings = self.settings_of(environment)
        with self.served(settings.target().patient(CONNECT_TIMEOUT)) as dsn:
            yield Migrator(
                dsn,
                Options(
                    directories=settings.migrations_dirs,
                    table=settings.migrations_table,
                    service=settings.service,
                    services=settings.services,
                    policy=Policy(order=settings.version_order, environment=settings.target_environment),
                ),
            )

    def _backing_up(self, directory: str | None) -> tuple[Callable[[Session, Plan], None], ...]:
        if directory is None:
            return ()
        from dbmigrate.deploy.run import backing_up

        return (backing_up(directory, self.settings().environ, on_event=self.on_event),)

    def on_event(self, event: Event) -> None:
        """The listener of everything that runs: the renderer, and whoever watches the run."""
        self.renderer.on_event(event)
        if self.watch is not None:
            self.watch.on_event(event)

    def warn(self, problems: Iterable[Problem]) -> None:
        """Tell people about them."""
        from dbmigrate.events import Warned

        for problem in problems:
            self.renderer.on_event(Warned(problem))

    @contextmanager
    def _target(
        self, reason: str | None, approval: Approval | None, *, expect_plan: str | None = None
    ) -> Iterator[tuple[Dsn, Options]]:
        from dbmigrate.planning import plan_hash

        expected = None if expect_plan is None else plan_hash.expected(expect_plan)
        settings = self.settings()
        if settings.verbose:
            self.verbosity = max(self.verbosity, Verbosity.VERBOSE)
        with self.reachable() as dsn:
            allows = approval is not None and approval.allow_existing
            options = replace(self._options(settings, reason), allow_existing=allows)
            options = replace(options, expected_plan=expected, approve=self._approver(settings, approval))
            if self.watch is None:
                yield dsn, options
                return
            with self.watch.around(dsn, options) as watched:
                yield dsn, watched

    @contextmanager
    def reachable(self) -> Iterator[Dsn]:
        """The target database, whose server was waited for if that is asked for; the embedded one runs meanwhile."""
        settings = self.settings()
        with self.served(settings.target()) as dsn:
            if settings.wait:
                from dbmigrate.connection import waiting

                timeout, interval = settings.wait_timeout, settings.wait_interval
                waiting.wait(dsn, timeout=timeout, interval=interval, on_event=self.on_event)
            yield dsn

    def _refuse_several(self) -> None:
        """Refuse two environments where one is needed; only `status` shows several."""
        if len({name.lower() for name in self.environments}) > 1:
            named = ", ".join(f"-e {name}" for name in self.environments)
            raise ConfigError(f"this command works on one environment, not on {named}", code="E200", hint="name one")

    def _approver(self, settings: Settings, approval: Approval | None) -> Approver | None:
        """Who has to approve changes; None where nobody has to."""
        is_named = approval is not None and (approval.database is not None or approval.applied_in is not None)
        if not (is_named or settings.is_protected or settings.required):
            return None
        from dbmigrate.cli.approval import approver

        return approver(self, settings, approval)

    @contextmanager
    def served(self, dsn: Dsn) -> Iterator[Dsn]:
        """The server of `dsn`; the embedded one is started for this command."""
        if dsn.embedded is None:
            yield dsn
            return
        from pathlib import Path

        from dbmigrate.connection.programs import Search
        from dbmigrate.embedded import kept_server
        from dbmigrate.model import Problem, Severity

        with kept_server(Path(dsn.embedded), Search.from_environ(self.settings().environ)) as server:
            if server.note:
                self.warn((Problem("W501", server.note, Severity.NOTE),))
            yield dsn.served_by(server.conninfo(dsn.database))

    def _options(self, settings: Settings, reason: str | None) -> Options:
        from dbmigrate.api.migrator import Options
        from dbmigrate.execution.lock_retries import Pacing
        from dbmigrate.model import Policy

        origins = {name: settings.origins[f"DBMIGRATE_{name.upper()}"] for name in ("lock_timeout", "timeout")}
        return Options(
            directories=settings.migrations_dirs,
            table=settings.migrations_table,
            dumping=dumping(settings) if settings.dump_schema else None,
            policy=Policy(
                settings.is_strict,
                settings.version_order,
                environment=settings.target_environment,
                defers_backfills=self.defers_backfills,
            ),
            pacing=self._waiting(
                Pacing(settings.lock_timeout, settings.timeout, max_blocked=settings.max_blocked, origins=origins)
            ),
            lock_wait=settings.lock_wait,
            where=self.target_name(settings),
            reason=reason,
            is_protected=settings.is_protected,
            tickets=settings.ticket_pattern,
            variables=lambda: settings.variables,
            hold_signals=_held_signals,
            service=settings.service,
            services=settings.services,
            scratch=self._scratch_choice,
        )

    def _scratch_choice(self) -> Choice:
        """Where the schema file of a service is made from its migrations."""
        from dbmigrate.cli import scratch_choice

        return scratch_choice.beside_target(self.settings())

    def _waiting(self, pacing: Pacing) -> Pacing:
        """`pacing` with what the option says about the waits of backfills."""
        if self.max_wait is None:
            return pacing
        from dbmigrate.settings.durations import duration

        return replace(pacing, max_wait=duration(self.max_wait, "--max-wait"))

    def target_name(self, settings: Settings) -> str:
        """The target database for people: service, environment and server."""
        named = (settings.service.title if settings.service else None, settings.environment)
        return " · ".join((*filter(None, named), settings.target().display))

    def script(self, segments: Iterable[str]) -> None:
        """Print a dry run's script. If the reader goes away (``| head``), exit as SIGPIPE would."""
        from dbmigrate.cli import piping

        piping.script(self.renderer, segments)

    @property
    def is_quiet(self) -> bool:
        return self.verbosity is Verbosity.QUIET

    @property
    def is_verbose(self) -> bool:
        return self.verbosity >= Verbosity.VERBOSE


def _held_signals() -> AbstractContextManager[Callable[[], None]]:
    """Only a backfill needs the module."""
    from dbmigrate.cli import held_signals

    return held_signals.held()


def dumping(settings: Settings) -> Dumping:
    """How to write the schema file, from the settings. One that is named by the option may be for one environment."""
    from dbmigrate.schema.versions import Dumping, Layout
    from dbmigrate.settings.variables import VARIABLES

    is_named = settings.origins["DBMIGRATE_SCHEMA_FILE"] == VARIABLES["DBMIGRATE_SCHEMA_FILE"].option
    return Dumping(settings.schema_file, settings.environ, Layout(settings.schema_versions), is_narrow=is_named)
