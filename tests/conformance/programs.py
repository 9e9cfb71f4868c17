"""The two programs under one interface."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TypeVar
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from tests.support.commands import CompletedRun, Runner
from tests.support.dbmate import Dbmate

Value = TypeVar("Value")


class Name(StrEnum):
    DBMIGRATE = "dbmigrate"
    DBMATE = "dbmate"


@dataclass(frozen=True, slots=True)
class Program:
    """One of the two. Calling it runs it: `program("up", url=url)`.

    Schema files are written only by `dumping()`: pg_dump takes longer than all the rest.
    """

    name: Name
    runner: Runner | Dbmate
    tools: Path
    environ: Mapping[str, str] = field(default_factory=lambda: {"DBMATE_NO_DUMP_SCHEMA": "true"})

    def __call__(
        self,
        *arguments: str | Path,
        url: str | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> CompletedRun:
        """Run to the end with `url` as DATABASE_URL (if given) and `env` added to the clean environment."""
        return self.runner.run(*arguments, env=self._environment(url, env), cwd=cwd)

    def start(
        self, *arguments: str | Path, url: str | None = None, env: Mapping[str, str] | None = None
    ) -> subprocess.Popen[str]:
        """As calling it, without waiting for its end."""
        return self.runner.start(*arguments, env=self._environment(url, env))

    def _environment(self, url: str | None, env: Mapping[str, str] | None) -> dict[str, str]:
        target = {} if url is None else {"DATABASE_URL": url}
        return {**self.environ, **target, **(env or {})}

    def ok(self, *arguments: str | Path, url: str | None = None, env: Mapping[str, str] | None = None) -> CompletedRun:
        """As calling it; it has to succeed."""
        done = self(*arguments, url=url, env=env)
        assert done.exit_code == 0, f"{self.name} {' '.join(done.arguments)}:\n{done.stdout}{done.stderr}"
        return done

    def dumping(self) -> Program:
        """The same program with pg_dump on its PATH, writing schema files."""
        path = f"{self.tools}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        return Program(self.name, self.runner, self.tools, {"PATH": path})

    def expects(self, *, dbmate: Value, dbmigrate: Value) -> Value:
        """What this program is expected to do where the two differ on purpose."""
        return dbmate if self.name is Name.DBMATE else dbmigrate


def said(done: CompletedRun) -> str:
    """Everything that a run printed, to whichever stream."""
    return done.stdout + done.stderr


def lines(text: str, *beginnings: str) -> list[str]:
    """The lines that begin with one of `beginnings`, with times made equal: ``Applied: 1_a.sql in TIME``."""
    return [re.sub(r" in [\d.hmsnµ]+$", " in TIME", line) for line in text.splitlines() if line.startswith(beginnings)]


def with_parameters(url: str, **parameters: str) -> str:
    """`url` with more parameters; those that it has already are replaced."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query)) | parameters
    return parts._replace(query=urlencode(query, quote_via=quote, safe="/")).geturl()


def database_of(url: str) -> str:
    return unquote(urlsplit(url).path.removeprefix("/"))


def with_database(url: str, name: str) -> str:
    return urlsplit(url)._replace(path=f"/{quote(name, safe='')}").geturl()
