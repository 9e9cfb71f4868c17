"""Python scripts in processes of their own: to be killed, or to run as somebody else."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.support import environment


@dataclass(frozen=True, slots=True)
class User:
    """An account to run a child as; the default is our own."""

    uid: int | None = None
    gid: int | None = None


OURSELVES = User()


@dataclass(frozen=True, slots=True)
class Child:
    """A running script. It talks to the test in lines; closing its input is the sign to end."""

    process: subprocess.Popen[str]

    def line(self) -> str:
        """What it says next; fails with its complaints if it says nothing more."""
        text = self.process.stdout.readline()
        assert text, self.process.stderr.read()
        return text.rstrip("\n")

    def finish(self) -> str:
        """Let it end by itself; the rest of its output. Its exit code has to be 0."""
        output, complaints = self.process.communicate(timeout=60)
        assert self.process.returncode == 0, complaints
        return output


@contextmanager
def child(
    script: str,
    *arguments: str | Path,
    python: str = sys.executable,
    user: User = OURSELVES,
    home: Path = Path("/"),
    packages: Path = environment.PACKAGE_PARENT,
) -> Iterator[Child]:
    """Start a script, which finds dbmigrate below `packages`; it is killed at the end if it still runs."""
    process = subprocess.Popen(
        [python, "-W", "error", "-c", script, *(str(word) for word in arguments)],
        env=environment.clean(_minimal(), home=home) | {"PYTHONPATH": str(packages)},
        cwd="/",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        user=user.uid,
        group=user.gid,
        extra_groups=None if user.uid is None else [],
    )
    with process:
        try:
            yield Child(process)
        finally:
            process.kill()


def eventually(question: Callable[[], bool], *, seconds: float = 10) -> bool:
    """Whether the answer becomes yes within the time."""
    end = time.monotonic() + seconds
    while not question():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def children_of(pid: int) -> list[int]:
    """The processes that a process has started, and that are there."""
    done = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True)
    pairs = (map(int, line.split()) for line in done.stdout.splitlines())
    return [child for child, parent in pairs if parent == pid]


def is_running(pid: int) -> bool:
    """Whether the process exists and is no zombie."""
    if not Path("/proc/self/stat").exists():  # not Linux
        done = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True)
        return done.stdout.strip()[:1] not in ("", "Z")
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in ("Z", "X")  # minimal systems have no ps


def commands_of_children(pid: int) -> list[list[str]]:
    """The command lines of the children of a process, as words. Linux only."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError, PermissionError):
            if int((entry / "stat").read_text().rpartition(")")[2].split()[1]) == pid:
                words = (entry / "cmdline").read_bytes().split(b"\0")[:-1]
                found += [[word.decode(errors="replace") for word in words]] if words else []  # a zombie has none
    return found


def _minimal() -> Mapping[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath)}
