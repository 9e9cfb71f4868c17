"""One server, several programs, alternating rounds: medians, and ratios within a round.

Other work on the machine moves single times by half; the ratio of two programs that ran one after the other moves far
less. Databases are made before each run and dropped only at the very end: ext4 makes the creation of files two to four
times dearer for minutes after mass deletion.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.support import environment
from tests.support.servers import DatabaseServer

_SAMPLE_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Program:
    """Something to measure: its name in the tables, and its command for a case."""

    name: str
    command: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Target:
    """What a case has to reach: dbmigrate's median ratio to the time of `base`, or its peak of memory in MB.

    `what` is ``wall``, ``client`` or ``backend``.
    """

    limit: float
    base: str = ""
    what: str = "wall"


@dataclass(frozen=True, slots=True)
class Run:
    """One run: wall-clock and client CPU seconds, and the peaks in MB of the client and of a server process."""

    wall: float
    cpu: float
    peak: float
    backend: float


@dataclass(frozen=True, slots=True)
class Case:
    """A table of the report. `prepare` is called before every run, untimed, and returns the run's environment."""

    title: str
    programs: Sequence[Program]
    prepare: Callable[[Program], Mapping[str, str]]
    rounds: int = 5
    cwd: Path = Path()
    targets: Sequence[Target] = ()
    warm_up: bool = True


@dataclass(slots=True)
class Result:
    """All runs of one program in one case, by round; None where it failed."""

    program: str
    runs: list[Run | None] = field(default_factory=list)

    @property
    def good(self) -> list[Run]:
        return [run for run in self.runs if run is not None]

    def ratio(self, base: Result) -> float | None:
        """The median of the ratios of wall-clock times within a round."""
        pairs = zip(self.runs, base.runs, strict=True)
        ratios = [run.wall / other.wall for run, other in pairs if run is not None and other is not None]
        return statistics.median(ratios) if ratios else None

    def row(self, base: Result) -> str:
        if not self.good:
            return f"| {self.program} | failed | | | | |"
        ratio = self.ratio(base)
        cells = (
            f"{statistics.median(run.wall for run in self.good) * 1000:.0f} ms",
            "" if ratio is None else f"{ratio:.2f}",
            f"{statistics.median(run.cpu for run in self.good) * 1000:.0f} ms",
            f"{max(run.peak for run in self.good):.0f} MB",
            f"{max(run.backend for run in self.good):.0f} MB",
        )
        return f"| {self.program} | {' | '.join(cells)} |"


@dataclass(frozen=True, slots=True)
class Measured:
    """A case that was run: its own table, and one line for each of its targets."""

    table: str
    verdicts: tuple[str, ...]


def measure(case: Case, home: Path, server: DatabaseServer) -> Measured:
    """Run a case: one warm-up round, unless the case does without, then `rounds` counted ones."""
    results = {program.name: Result(program.name) for program in case.programs}
    for number in range(-1 if case.warm_up else 0, case.rounds):
        for program in case.programs:
            run = _run(case, program, home, server)
            if number >= 0:
                results[program.name].runs.append(run)
    return Measured(_table(case, results), tuple(_verdict(case, target, results) for target in case.targets))


def _table(case: Case, results: Mapping[str, Result]) -> str:
    first = results[case.programs[0].name]
    head = f"| program | wall, median | ratio to {first.program} | client CPU | client peak | server process peak |"
    rows = (result.row(first) for result in results.values())
    return "\n".join((f"### {case.title}", "", head, "|---|---|---|---|---|---|", *rows, ""))


def _verdict(case: Case, target: Target, results: Mapping[str, Result]) -> str:
    ours = results["dbmigrate"]
    if target.what == "wall":
        wanted = f"<= {target.limit:g} x {target.base}"
        reached = ours.ratio(results[target.base])
        shown = "-" if reached is None else f"{reached:.2f}"
    else:
        wanted = f"{target.what} <= {target.limit:.0f} MB"
        peaks = [run.peak if target.what == "client" else run.backend for run in ours.good]
        reached = max(peaks, default=None)
        shown = "-" if reached is None else f"{reached:.0f} MB"
    is_met = reached is not None and reached <= target.limit
    return f"| {case.title} | {wanted} | {shown} | {'yes' if is_met else 'NO'} |"


def _run(case: Case, program: Program, home: Path, server: DatabaseServer) -> Run | None:
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
    with _watched(process.pid, server) as peaks:
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        return None
    return Run(wall, usage.ru_utime + usage.ru_stime, peaks.client, peaks.backend)


@dataclass(slots=True)
class Peaks:
    """In MB; 0 where there is no /proc, or a program was too quick to be looked at."""

    client: float = 0.0
    backend: float = 0.0

    def look(self, client: int, postmaster: int) -> None:
        """What a child inherits counts in its `ru_maxrss`, so the client is looked at while it runs, too."""
        with suppress(OSError):
            self.client = max(self.client, _field(client, "VmHWM") / 1024)
        with suppress(OSError):
            for pid in Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split():
                with suppress(OSError):
                    self.backend = max(self.backend, _field(int(pid), "RssAnon") / 1024)


@contextmanager
def _watched(client: int, server: DatabaseServer) -> Iterator[Peaks]:
    """Samples memory: the whole client, and what any process of the server has for itself."""
    peaks = Peaks()
    done = threading.Event()
    thread = threading.Thread(target=_sample, args=(peaks, client, server.admin.info.backend_pid, done))
    thread.start()
    try:
        yield peaks
    finally:
        done.set()
        thread.join()


def _sample(peaks: Peaks, client: int, backend: int, done: threading.Event) -> None:
    postmaster = 0
    with suppress(OSError):
        postmaster = _field(backend, "PPid")
    while not done.wait(_SAMPLE_SECONDS):
        peaks.look(client, postmaster)


def _field(pid: int, name: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{name}:")), 0)


@dataclass(slots=True)
class Databases:
    """Fresh databases for runs; dropped together at the end."""

    server: DatabaseServer
    made: list[str] = field(default_factory=list)

    def fresh(self) -> str:
        """The TCP URL of a new, empty database, in the form that every program understands."""
        name = self._name()
        self.server.create(name)
        return self.server.tcp_url(name) + "?sslmode=disable"

    def copy(self, url: str) -> str:
        """The URL of a new database that is a copy of another."""
        name, template = self._name(), url.partition("?")[0].rpartition("/")[2]
        self.server.admin.execute(f"create database {name} template {template} strategy file_copy".encode())
        return self.server.tcp_url(name) + "?sslmode=disable"

    def drop_all(self) -> None:
        for name in self.made:
            self.server.drop(name)

    def _name(self) -> str:
        self.made.append(f"bench_{os.getpid()}_{len(self.made)}")
        return self.made[-1]
