"""One server, several programs, alternating rounds: medians, and ratios within a round.

Other work on the machine moves single times by half; the ratio of two programs that ran one after the other moves far
less. Databases are made before each run and dropped only at the very end: ext4 makes the creation of files two to four
times dearer for minutes after mass deletion.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.support import environment
from tests.support.servers import DatabaseServer


@dataclass(frozen=True, slots=True)
class Program:
    """Something to measure: its name in the tables, and its command for a case."""

    name: str
    command: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Run:
    """One run: wall-clock and client CPU seconds, and the client's peak memory in MB."""

    wall: float
    cpu: float
    peak: float


@dataclass(slots=True)
class Result:
    """All runs of one program in one case, and its wall-clock ratios to the first program of the same round."""

    program: str
    runs: list[Run] = field(default_factory=list)
    ratios: list[float] = field(default_factory=list)
    note: str = ""

    def row(self) -> str:
        if not self.runs:
            return f"| {self.program} | - | - | - | - | {self.note} |"
        wall = statistics.median(run.wall for run in self.runs)
        cpu = statistics.median(run.cpu for run in self.runs)
        peak = max(run.peak for run in self.runs)
        ratio = statistics.median(self.ratios)
        times = f"{wall * 1000:.0f} ms | {ratio:.2f} | {cpu * 1000:.0f} ms"
        return f"| {self.program} | {times} | {peak:.0f} MB | {self.note} |"


@dataclass(frozen=True, slots=True)
class Case:
    """A table of the report. `prepare` is called before every run, untimed, and returns the run's environment."""

    title: str
    programs: Sequence[Program]
    prepare: Callable[[Program], Mapping[str, str]]
    rounds: int = 5
    cwd: Path = Path()


def measure(case: Case, home: Path) -> str:
    """Run a case and return its table: one warm-up round, then `rounds` counted ones."""
    results = [Result(program.name) for program in case.programs]
    for number in range(case.rounds + 1):
        runs = [_run(case, program, home) for program in case.programs]
        if number == 0:
            continue
        for result, run in zip(results, runs, strict=True):
            if run is None or runs[0] is None:
                result.note = "failed"
                continue
            result.runs.append(run)
            result.ratios.append(run.wall / runs[0].wall)
    head = f"| program | wall, median | ratio to {case.programs[0].name} | client CPU | client peak | |"
    return "\n".join((f"### {case.title}", "", head, "|---|---|---|---|---|---|", *(r.row() for r in results), ""))


def _run(case: Case, program: Program, home: Path) -> Run | None:
    env = {**environment.clean(os.environ, home=home), **case.prepare(program)}
    started = time.perf_counter()
    process = subprocess.Popen(
        program.command,
        env=env,
        cwd=case.cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        return None
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


@dataclass(slots=True)
class Databases:
    """Fresh databases for runs; dropped together at the end."""

    server: DatabaseServer
    made: list[str] = field(default_factory=list)

    def fresh(self) -> str:
        """The TCP URL of a new, empty database, in the form that every program understands."""
        name = f"bench_{len(self.made)}"
        self.made.append(name)
        self.server.create(name)
        return self.server.tcp_url(name)

    def drop_all(self) -> None:
        for name in self.made:
            self.server.drop(name)
