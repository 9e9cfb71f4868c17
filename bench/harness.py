"""One server, several programs, alternating rounds: medians, and ratios within a round.

Other work on the machine moves single times by half; the ratio of two programs that ran one after the other moves far
less. Every second round runs backwards, so that none always follows the same one. Databases are made before each run
and dropped only at the very end: ext4 makes the creation of files two to four times dearer for minutes after mass
deletion.
"""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from bench.watch import Watch
from tests.support import environment
from tests.support.servers import DatabaseServer

_LONGEST_RUN_SECONDS = 300.0
_LINE_OF_ERROR = re.compile(r"^(?:error|[\w.]*(?:Error|Exception))\b:? *(.+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Program:
    """Something to measure: its name in the tables, and its command for a case."""

    name: str
    command: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Target:
    """What a case has to reach: dbmigrate's median ratio to the time of `base`, or its peak of memory in MB.

    `what` is ``wall``, ``client`` or ``backend``; a peak of memory with a `base` is a ratio as well.
    """

    limit: float
    base: str = ""
    what: str = "wall"


@dataclass(frozen=True, slots=True)
class Run:
    """One run: seconds of the clock, of client CPU and of server CPU; peaks in MB of client and of a server process."""

    wall: float
    cpu: float
    server_cpu: float
    client: float
    backend: float


@dataclass(frozen=True, slots=True)
class Case:
    """A table of the report.

    `prepare` is called before every run, untimed, and returns the run's environment. `proof` is a query that has to be
    true in the run's database afterwards. No round begins when `seconds` are over: the whole is bounded in time.
    """

    title: str
    programs: Sequence[Program]
    prepare: Callable[[Program], Mapping[str, str]]
    rounds: int = 5
    seconds: float = 60.0
    cwd: Path = Path()
    targets: Sequence[Target] = ()
    proof: str = ""
    warm_up: bool = True
    server: DatabaseServer | None = None  # instead of the one that all cases share


@dataclass(slots=True)
class Result:
    """All runs of one program in one case, by round. What failed is not tried again; `why` is its last word."""

    program: str
    runs: list[Run] = field(default_factory=list)
    why: str = ""

    def median(self, what: str) -> float | None:
        values = [getattr(run, what) for run in self.runs]
        return statistics.median(values) if values and not self.why else None

    def peak(self, what: str) -> float | None:
        return None if self.why else max((getattr(run, what) for run in self.runs), default=None)

    def ratio(self, base: Result) -> float | None:
        """The median of the ratios of wall-clock times within a round."""
        if self.why or base.why or not self.runs:
            return None
        return statistics.median(run.wall / other.wall for run, other in zip(self.runs, base.runs, strict=True))


@dataclass(frozen=True, slots=True)
class Measured:
    """A case that was run, with the result of each program by its name, in the order of the case."""

    case: Case
    results: Mapping[str, Result]
    rounds: int


class FailedError(Exception):
    """A program did not do what was asked; the message says what it said."""


def measure(case: Case, home: Path, server: DatabaseServer) -> Measured:
    """Run a case: one warm-up round, unless the case does without, then counted ones."""
    results = {program.name: Result(program.name) for program in case.programs}
    watch = Watch(case.server or server)
    rounds = 0
    if case.warm_up:
        _round(case, case.programs, results, (home, watch))
        for result in results.values():
            result.runs.clear()
    began = time.monotonic()
    while rounds < case.rounds and (not rounds or time.monotonic() - began < case.seconds):
        order = case.programs if rounds % 2 == 0 else tuple(reversed(case.programs))
        _round(case, order, results, (home, watch))
        rounds += 1
    return Measured(case, results, rounds)


def _round(case: Case, programs: Sequence[Program], results: Mapping[str, Result], place: tuple[Path, Watch]) -> None:
    for program in programs:
        result = results[program.name]
        if not result.why:
            try:
                result.runs.append(_run(case, program, *place))
            except FailedError as exc:
                result.why = str(exc)


def _run(case: Case, program: Program, home: Path, watch: Watch) -> Run:
    given = case.prepare(program)
    env = {**environment.clean(os.environ, home=home), **given}
    before = watch.server_cpu()
    with tempfile.TemporaryFile() as errors:
        started = time.perf_counter()
        process = subprocess.Popen(
            program.command,
            env=env,
            cwd=case.cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )
        with watch.peaks(process.pid) as peaks, _ended_in_time(process.pid):
            _, status, usage = os.wait4(process.pid, 0)
            wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            errors.seek(0)
            raise FailedError(_said(errors.read().decode(errors="replace")) or f"exit code {process.returncode}")
    server_cpu = watch.server_cpu() - before
    if case.proof:
        _prove(case.proof, given["DATABASE_URL"])
    return Run(wall, usage.ru_utime + usage.ru_stime, server_cpu, peaks.client, peaks.backend)


@contextmanager
def _ended_in_time(pid: int) -> Iterator[None]:
    """A program that hangs is killed. It is waited for by `wait4`, so that its number is not anybody else's yet."""
    timer = threading.Timer(_LONGEST_RUN_SECONDS, os.kill, (pid, 9))
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _said(text: str) -> str:
    """The last line that looks like an error's."""
    found = [match[1] for line in text.splitlines() if (match := _LINE_OF_ERROR.match(line))]
    return found[-1].rpartition(") ")[2][:80] if found else ""


def _prove(query: str, url: str) -> None:
    with psycopg.connect(url) as conn:
        row = conn.execute(query.encode()).fetchone()
    if row != (True,):
        raise FailedError("it did not do it")
