"""Works through a page of commands: each one is run, or what stands for it where it cannot run here."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.commands import CompletedRun, Runner

_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Step:
    """A command of the page, and what is run for it: itself, or its `stand_in`.

    It ends with `code`, and prints all of `shows`, on stdout or stderr. `before` prepares what it needs.
    """

    command: str
    stand_in: str = ""
    code: int = 0
    shows: tuple[str, ...] = ()
    before: Callable[[Place], None] | None = None


@dataclass(frozen=True)
class Place:
    """Where the commands run."""

    root: Path
    runner: Runner
    env: dict[str, str] = field(default_factory=dict)

    def run(self, command: str) -> CompletedRun:
        words = command.split(" ", 1)
        if words[0] == "dbmigrate":
            return self.runner.run(*shlex.split(words[1]), env=self.env, cwd=self.root)
        done = subprocess.run(
            ["bash", "-ec", command], cwd=self.root, env=self._environment(), capture_output=True, timeout=120
        )
        return CompletedRun((command,), done.returncode, done.stdout.decode(), done.stderr.decode())

    def _environment(self) -> Mapping[str, str]:
        return {**self.runner._environment(None), **self.env}

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


def commands(page: str) -> list[str]:
    """The commands of the page in their order; a loop is one."""
    found: list[str] = []
    for block in _BLOCK.findall(page):
        is_open = False
        for line in block.splitlines():
            if is_open:
                found[-1] += f"\n{line}"
            else:
                found.append(line)
            is_open = (is_open or line.startswith("for ")) and line != "done"
    return found


def work_through(page: str, steps: Sequence[Step], place: Place) -> None:
    """Run all of them. Fails for a command that the page has and the steps have not, or the other way round."""
    assert [step.command for step in steps] == commands(page), (
        "each command of the page stands in the list, in its order"
    )
    for number, step in enumerate(steps):
        if step.before is not None:
            step.before(place)
        done = place.run(step.stand_in or step.command)
        said = f"step {number}: {step.command}\n  {step.stand_in}\n{done.stdout}\n{done.stderr}"
        assert done.exit_code == step.code, said
        for text in step.shows:
            assert text in done.stdout + done.stderr, f"{text!r} is not in the output of {said}"
