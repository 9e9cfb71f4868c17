"""One invocation: the flags given so far, and what a command makes of them."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import typer

from dbmigrate.errors import ConfigError, Refused
from dbmigrate.output.verbosity import Verbosity

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dbmigrate.config import Settings
    from dbmigrate.dsn import Dsn
    from dbmigrate.migrator import Migrator, Options
    from dbmigrate.model import Goal
    from dbmigrate.output import Renderer
    from dbmigrate.schema.dump import Dumping
    from dbmigrate.upkeep import Upkeep


@dataclass(slots=True)
class Call:
    """The state of one invocation. Flags may stand before and after the command; the later one wins."""

    given: dict[str, Any] = field(default_factory=dict)
    wants_json: bool = False
    wants_traceback: bool = False
    verbosity: Verbosity = Verbosity.NORMAL
    _renderer: Renderer | None = None

    def add(self, given: dict[str, object]) -> None:
        """Merge the options of one level; what was not given there (None, False, empty) changes nothing."""
        absent: tuple[object, ...] = (None, [], ())
        meant = {k: v for k, v in given.items() if v not in absent and (v is not False or k == "strict")}
        self.wants_json = bool(meant.pop("json", self.wants_json))
        self.wants_traceback = bool(meant.pop("debug", self.wants_traceback))
        if meant.pop("quiet", False):
            self.verbosity = Verbosity.QUIET
        if meant.get("verbose"):
            self.verbosity = Verbosity.VERBOSE
        self.given |= meant

    @property
    def renderer(self) -> Renderer:
        if self._renderer is None:
            from dbmigrate.output import Human, Json, standard_streams

            kind = Json if self.wants_json else Human
            self._renderer = kind(standard_streams(os.environ), verbosity=self.verbosity)
        return self._renderer

    def settings(self) -> Settings:
        """The settings, resolved once: flags over the environment over env files over defaults."""
        from dbmigrate.config import Flags, load

        return load(Flags(**self.given), os.environ, os.getcwd())

    @contextmanager
    def migrator(self, *, reason: str | None = None, expect_plan: str | None = None) -> Iterator[Migrator]:
        """The migrator for the settings; an embedded server runs for as long as it is used."""
        from dbmigrate import planhash
        from dbmigrate.migrator import Migrator

        wanted = None if expect_plan is None else planhash.expected(expect_plan)
        with self._target(reason) as (dsn, options):
            yield Migrator(dsn, replace(options, expected_plan=wanted), on_event=self.renderer.on_event)

    @contextmanager
    def upkeep(self, *, reason: str | None = None) -> Iterator[Upkeep]:
        """The same for the commands that look at the history or correct it."""
        from dbmigrate.upkeep import Upkeep

        with self._target(reason) as (dsn, options):
            yield Upkeep(dsn, options, on_event=self.renderer.on_event)

    @contextmanager
    def _target(self, reason: str | None) -> Iterator[tuple[Dsn, Options]]:
        from dbmigrate import database

        settings = self.settings()
        if settings.verbose:
            self.verbosity = max(self.verbosity, Verbosity.VERBOSE)
        with self._served(settings.target()) as dsn:
            if settings.wait:
                timeout, interval = settings.wait_timeout, settings.wait_interval
                database.wait(dsn, timeout=timeout, interval=interval, on_event=self.renderer.on_event)
            yield dsn, self._options(settings, reason)

    @contextmanager
    def _served(self, dsn: Dsn) -> Iterator[Dsn]:
        """The server behind `dsn`: there already, or the embedded one, started for this command."""
        if dsn.embedded is None:
            yield dsn
            return
        from pathlib import Path

        from dbmigrate.embedded import Search, kept_server
        from dbmigrate.events import Warned
        from dbmigrate.model import Problem, Severity

        with kept_server(Path(dsn.embedded), Search.from_environ(self.settings().environ)) as server:
            if server.note:
                self.renderer.on_event(Warned(Problem("W501", server.note, Severity.NOTE)))
            yield dsn.served_by(server.conninfo(dsn.database))

    def _options(self, settings: Settings, reason: str | None) -> Options:
        from dbmigrate.migrator import Options
        from dbmigrate.model import Policy
        from dbmigrate.pacing import Pacing

        target = settings.target()
        return Options(
            directories=settings.migrations_dirs,
            table=settings.migrations_table,
            dumping=dumping(settings) if settings.dump_schema else None,
            policy=Policy(strict=settings.strict),
            pacing=Pacing(lock_timeout=settings.lock_timeout, timeout=settings.timeout),
            lock_wait=settings.lock_wait,
            where=f"{settings.environment} · {target.display}" if settings.environment else target.display,
            reason=reason,
        )

    def confirm(self, question: str, *, yes: bool) -> None:
        """Ask on a terminal; where there is none, `yes` must have been said. Raises Refused E706."""
        import sys

        if yes:
            return
        if not sys.stdin.isatty():
            raise Refused(f"{question} needs a confirmation", code="E706", hint="no terminal to ask on: pass --yes")
        if self.renderer.ask(f"{question} [y/N] ").strip().lower() not in ("y", "yes"):
            raise Refused("not confirmed; nothing was changed", code="E706")

    def script(self, pieces: Iterable[str]) -> None:
        """Print a dry run's script. A reader that went away (``| head``) ends the program as SIGPIPE would."""
        import sys

        try:
            self.renderer.script(pieces)
        except BrokenPipeError:
            # keep the interpreter from complaining again when it flushes stdout
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(128 + signal.SIGPIPE) from None

    @property
    def is_quiet(self) -> bool:
        return self.verbosity is Verbosity.QUIET


def dumping(settings: Settings) -> Dumping:
    """How the schema file is made, from the settings."""
    from dbmigrate.schema.dump import Dumping
    from dbmigrate.schema.versions import Layout

    return Dumping(settings.schema_file, settings.environ, Layout(settings.schema_versions))


def goal(steps: int | None, version: str | None, *, everything: bool = False, default: int | None = None) -> Goal:
    """The goal of a command from its options. Raises ConfigError E200 for two of them at once."""
    from dbmigrate.model import Goal

    if sum((steps is not None, version is not None, everything)) > 1:
        raise ConfigError("--steps, --to and --all exclude each other", code="E200", hint="give one of them")
    if version is not None or everything:
        return Goal(version=version)
    return Goal(steps=default if steps is None else steps)
