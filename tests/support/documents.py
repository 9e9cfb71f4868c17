"""How a team works today, command by command, and what each command is with dbmigrate.

A page of Markdown; its ``sh`` blocks hold the commands as the team types them. A test has a table of `Step`s:
one for each command, in the order of the page: a command that is in the page and not in the table fails the test, and
so does the opposite. What cannot run here (docker, gh, ssh) stands in the table with its stand-in and the reason.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.support import environment, psql
from tests.support.commands import CompletedRun, Runner

_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SHELL = re.compile(r"[|<>&;$`*\"']|\\")
# programs that no test may need, or that would reach beyond this machine: each needs a stand-in
ELSEWHERE = frozenset(
    "docker docker-compose gh brew scoop sudo ssh curl npm node nano nc tail touch".split()  # noqa: SIM905 (a list of words)
)


@dataclass(frozen=True)
class Step:
    """A command of the page: what runs in its place (itself, if nothing is given), and what that shows.

    `why` says what prevents the command here, or that it has another name.
    """

    typed: str
    run: str = ""
    shows: tuple[str, ...] = ()
    exit_code: int = 0
    why: str = ""


@dataclass
class Place:
    """Where a document is worked through: a directory, variables, databases (empty ones, and ones to be made)."""

    root: Path
    runner: Runner
    empty_database: Callable[[], str]
    new_url: Callable[[], str]
    env: dict[str, str] = field(default_factory=dict)

    def write(self, path: str, text: str) -> None:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, "utf-8")

    def fill(self, pattern: str, text: str) -> None:
        """Write the one file that `pattern` names, as an editor would."""
        (path,) = self.root.glob(pattern)
        path.write_text(text, "utf-8")

    def run(self, command: str) -> CompletedRun:
        """Run it: dbmigrate alone as all tests do, everything else in a shell that finds dbmigrate and psql.

        ``script NAME ARGUMENTS`` is what npm runs for a script of ``package.json``.
        """
        if command.startswith("script "):
            _, name, *arguments = command.split(" ", 2)
            return self.run(" ".join([self._scripts()[name], *arguments]))
        words = shlex.split(command) if not _SHELL.search(command.replace("''", "")) else []
        if words[:1] == ["dbmigrate"]:
            return self.runner.run(*words[1:], env=self.env)
        if re.match(r"dbmigrate [^|<>&;`\\]*$", command):
            expanded = re.sub(r"\$(\w+)", lambda name: shlex.quote(self.env[name[1]]), command)
            return self.runner.run(*shlex.split(expanded)[1:], env=self.env)
        return self._in_shell(command)

    def _scripts(self) -> dict[str, str]:
        scripts: dict[str, str] = json.loads((self.root / "package.json").read_text("utf-8"))["scripts"]
        return scripts

    def the_backup(self, directory: str = "backups") -> str:
        """The newest file that `backup` wrote."""
        return max(str(path.relative_to(self.root)) for path in (self.root / directory).glob("*.dump"))

    def _in_shell(self, command: str) -> CompletedRun:
        environ = environment.clean(os.environ, home=self.runner.home) | self.env
        programs = os.path.dirname(psql.program("psql"))
        environ["PATH"] = f"{self.runner.home / 'bin'}:{programs}:{environ['PATH']}"
        done = subprocess.run(
            ["sh", "-c", command], cwd=self.root, env=environ, capture_output=True, text=True, timeout=120, input=""
        )
        return CompletedRun(("sh", "-c", command), done.returncode, done.stdout, done.stderr)


def commands(page: str) -> list[str]:
    """The commands of a page: comments left out, continued lines, loops and here-documents in one."""
    return [command for block in _BLOCK.findall(page) for command in _commands(block.split("\n"))]


def _commands(lines: Sequence[str]) -> Iterator[str]:
    pending: list[str] = []
    end = ""
    for line in lines:
        if not pending and (not line.strip() or line.lstrip().startswith("#")):
            continue
        pending.append(line)
        if len(pending) == 1 and (found := re.search(r"<< '?(\w+)'?", line)):
            end = found[1]
        elif len(pending) == 1 and re.match(r"(for|while|if) ", line):
            end = {"for": "done", "while": "done", "if": "fi"}[line.split()[0]]
        if line.endswith("\\") or (end and line != end):
            continue
        yield "\n".join(pending)
        pending, end = [], ""


Given = Callable[[Place], None]


def work_through(page: str, steps: Sequence[Step | Given], place: Place) -> None:
    """Run every step in its order. Anything callable prepares the next one, and is not a command of the page."""
    listed = [step.typed for step in steps if isinstance(step, Step)]
    assert commands(page) == listed, "each command of the page stands in the table, in the order of the page"
    for step in steps:
        if not isinstance(step, Step):
            step(place)
            continue
        _check_stand_in(step)
        command = step.run or re.sub(r"^dbmate\b", "dbmigrate", step.typed)
        done = place.run(command)
        shown = f"$ {command}\n{done.stdout}{done.stderr}"
        assert done.exit_code == step.exit_code, shown
        for text in step.shows:
            assert text in done.stdout + done.stderr, f"{text!r} is not in:\n{shown}"


def _check_stand_in(step: Step) -> None:
    program = step.typed.split()[0]
    if program in ELSEWHERE or step.run:
        assert step.run, f"{step.typed} has no stand-in"
        assert step.why, f"{step.typed} does not say why it has a stand-in"
