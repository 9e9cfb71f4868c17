"""Running the real program: ``python -m dbmigrate`` as a child process in a clean environment."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.support import environment, forked

Processes = list[subprocess.Popen[str]]


@dataclass(frozen=True, slots=True)
class CompletedRun:
    """How a run ended. The texts are exactly what the program wrote: line ends are not translated."""

    arguments: tuple[str, ...]
    exit_code: int
    stdout: str
    stderr: str


@dataclass(frozen=True, slots=True)
class Runner:
    """Runs the program in `cwd`, with an empty home directory. A negative exit code is the signal that ended it.

    `is_fresh`: each run in an interpreter of its own; otherwise a process that has imported the program forks.
    """

    cwd: Path
    home: Path
    environ: Mapping[str, str]
    started: Processes = field(default_factory=list)
    is_fresh: bool = False

    def run(
        self,
        *arguments: str | Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        input: str | bytes = b"",
        timeout: float = 60,
    ) -> CompletedRun:
        """Run to the end. `env` is added to the clean environment. Raises TimeoutExpired after `timeout` seconds."""
        words = tuple(str(word) for word in arguments)
        given = input.encode() if isinstance(input, str) else input
        request = forked.Request(words, self._environment(env), cwd or self.cwd, given, timeout)
        is_forked = not self.is_fresh and request.is_like_fresh(self._environment(None))
        done = forked.run(request) if is_forked else _run_fresh(request)
        return CompletedRun(words, done.returncode, done.stdout.decode(), done.stderr.decode(errors="replace"))

    def start(
        self,
        *arguments: str | Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        output: int = subprocess.PIPE,
    ) -> subprocess.Popen[str]:
        """Start and go on; stdout and stderr are pipes of text, or both `output`. Killed at the end of the test."""
        process = subprocess.Popen(
            _command(arguments),
            env=self._environment(env),
            cwd=cwd or self.cwd,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
        self.started.append(process)
        return process

    def run_typing(
        self, *arguments: str | Path, typed: str, env: Mapping[str, str] | None = None, timeout: float = 60
    ) -> CompletedRun:
        """As `run`, at a terminal on which somebody types `typed`; "\\x04" is the end of the input (Ctrl-D)."""
        keyboard, terminal = os.openpty()
        try:
            os.write(keyboard, typed.encode())
            done = subprocess.run(
                _command(arguments),
                env=self._environment(env),
                cwd=self.cwd,
                stdin=terminal,
                capture_output=True,
                timeout=timeout,
            )
        finally:
            os.close(keyboard)
            os.close(terminal)
        words = tuple(str(word) for word in arguments)
        return CompletedRun(words, done.returncode, done.stdout.decode(), done.stderr.decode(errors="replace"))

    def _environment(self, env: Mapping[str, str] | None) -> dict[str, str]:
        return environment.clean(self.environ, home=self.home) | dict(env or {})


def _run_fresh(request: forked.Request) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        _command(request.arguments),
        env=request.environ,
        cwd=request.cwd,
        input=request.input,
        capture_output=True,
        timeout=request.timeout,
    )


def _command(arguments: tuple[str | Path, ...]) -> list[str]:
    return [sys.executable, "-m", "dbmigrate", *(os.fspath(word) for word in arguments)]


def end_all(processes: Processes) -> None:
    """Kill what still runs and close the pipes."""
    while processes:
        process = processes.pop()
        process.kill()
        with suppress(BrokenPipeError, ValueError):  # unsent input of a process that is gone; or closed already
            process.communicate()
