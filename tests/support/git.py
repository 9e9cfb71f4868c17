"""A git repository in a directory of a test, without the settings of whoever runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tests.support import environment

_IDENTITY = {
    f"GIT_{who}_{what}": text
    for who in ("AUTHOR", "COMMITTER")
    for what, text in (("NAME", "A"), ("EMAIL", "a@example.com"))
}


def programs_in(home: Path) -> Path:
    """A directory in which a shell finds ``dbmigrate``."""
    programs = home / "bin"
    programs.mkdir(exist_ok=True)
    program = programs / "dbmigrate"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m dbmigrate "$@"\n', "utf-8")
    program.chmod(0o755)
    return programs


@dataclass(frozen=True)
class Repository:
    """A repository in `root`. Programs that git starts find ``dbmigrate``, and get `env`."""

    root: Path
    home: Path
    env: dict[str, str] = field(default_factory=dict)

    @classmethod
    def made(cls, root: Path, home: Path, env: dict[str, str] | None = None) -> Repository:
        programs_in(home)
        repository = cls(root, home, env or {})
        repository.git("init", "-q", "-b", "main")
        return repository

    def attempt(self, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        environ = environment.clean(os.environ, home=self.home) | _IDENTITY | {"GIT_EDITOR": "true"} | self.env
        environ["PATH"] = f"{self.home / 'bin'}:{environ['PATH']}"
        return subprocess.run(
            ["git", *arguments], cwd=cwd or self.root, env=environ, capture_output=True, text=True, timeout=120
        )

    def git(self, *arguments: str, cwd: Path | None = None) -> str:
        done = self.attempt(*arguments, cwd=cwd)
        assert done.returncode == 0, f"git {' '.join(arguments)}: {done.stdout}{done.stderr}"
        return done.stdout

    def commit(self, message: str = "more") -> None:
        """Commit everything that is there."""
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
