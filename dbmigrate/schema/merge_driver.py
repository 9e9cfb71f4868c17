"""git's merge driver for the schema file: what it does, and how it is set up in a clone.

A driver is a program that git runs for the files that ``.gitattributes`` gives it, with three versions of the file; it
leaves the result in the second one (gitattributes(5), "Defining a custom merge driver"). What the driver is stands in
the configuration of a clone, which no commit carries along: each clone needs `install` once.
"""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from dbmigrate.errors import ConfigError
from dbmigrate.frozen import frozen
from dbmigrate.model import Problem, Severity
from dbmigrate.schema import file, merging, versions
from dbmigrate.tracking import git

__all__ = ["NAME", "Installed", "Setup", "attribute_line", "holder", "install", "merge", "refuse_elsewhere"]

NAME = "dbmigrate-schema"
_TITLE = "version rows of both sides; dbmigrate dump --from-migrations makes the schema"
HOOKS = ("post-merge", "post-rewrite")
_HOOK = """\
#!/bin/sh
# dbmigrate: makes the schema file after a merge or a rebase. Written by dbmigrate merge-driver --install --hooks
if grep -q {mark} {schema} 2>/dev/null; then
    unset $(git rev-parse --local-env-vars)
    cd {folder} && {program} dump --from-migrations --schema-file {file} && echo {done} >&2
fi
exit 0
"""
_OURS = "# dbmigrate:"


def merge(ours: str, theirs: str) -> None:
    """Write to `ours` what becomes of both. Raises ConfigError E207, PlanError E238 (not UTF-8)."""
    text = merging.merged(file.text(Path(ours)), file.text(Path(theirs)))
    file.write_atomically(Path(ours), text)


@frozen
class Setup:
    """What to set up: the schema file, the command that starts dbmigrate, and whether hooks are wanted."""

    schema_file: str
    program: str = "dbmigrate"
    hooks: bool = False


@frozen
class Installed:
    """What `install` did: a line for each change; nothing where all was there. `problems` name hooks of others."""

    changes: tuple[str, ...]
    problems: tuple[Problem, ...] = ()


def install(setup: Setup) -> Installed:
    """Set up the driver in the clone around the current directory, and the hooks if they are wanted.

    What is there already stays. Raises ConfigError E207, E267 (no repository; another driver has the file).
    """
    top = refuse_elsewhere(setup.schema_file)
    changes = [*_attributes(setup.schema_file, top), *_configured(setup.program)]
    problems = []
    for name in HOOKS if setup.hooks else ():
        path = Path(_asked("rev-parse", "--git-path", "hooks"), name)
        script = _hook(setup, top)
        if path.exists() and _OURS not in path.read_text("utf-8", "replace"):
            problems.append(_occupied(path, setup))
        elif file.write_atomically(path, script):
            path.chmod(0o755)
            changes.append(f"wrote {path}")
    return Installed(tuple(changes), tuple(problems))


def refuse_elsewhere(schema_file: str) -> str:
    """The top of the work tree. Raises ConfigError E267 where there is none, or another driver has the file."""
    top = git.ask(".", "rev-parse", "--show-toplevel")
    if not top:
        message = "git is not installed, or this is not the work tree of a repository"
        raise ConfigError(message, code="E267", hint="git init makes one")
    now = holder(schema_file)
    if now is None:
        raise ConfigError(f"{schema_file} is outside of the repository {top}", code="E267")
    if now not in ("", NAME):
        message = f".gitattributes gives {schema_file} to the merge driver {now!r}"
        raise ConfigError(message, code="E267", hint=f"take that line out, or leave the file to {now}")
    return top


def holder(schema_file: str) -> str | None:
    """The merge driver that ``.gitattributes`` names for the file, "" for none; None where git cannot say."""
    if git.ask(".", "rev-parse", "--is-inside-work-tree") != "true":
        return None  # a bare repository has attributes, too
    answer = git.ask(".", "check-attr", "merge", "--", schema_file)
    return None if answer is None else answer.rpartition(": ")[2].replace("unspecified", "")


def attribute_line(path: str) -> str:
    """The line of ``.gitattributes`` for a path below it, as gitattributes(5) wants it quoted."""
    pattern = "".join(f"\\{letter}" if letter in "*?[\\" else letter for letter in Path(path).as_posix())
    pattern = f"/{pattern}" if "/" not in pattern else pattern
    if any(letter.isspace() or letter == '"' for letter in pattern):
        pattern = '"' + pattern.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return f"{pattern} merge={NAME}"


def _attributes(schema_file: str, top: str) -> list[str]:
    """The line for the schema file, in the current directory or, for a file elsewhere, at the top."""
    if holder(schema_file) == NAME:
        return []
    inside = os.path.relpath(os.path.realpath(schema_file), os.path.realpath("."))
    directory = "."
    if inside.startswith(".."):
        directory, inside = top, os.path.relpath(os.path.realpath(schema_file), os.path.realpath(top))
        if inside.startswith(".."):
            raise ConfigError(f"{schema_file} is outside of the repository {top}", code="E267")
    path = Path(os.path.normpath(os.path.join(directory, ".gitattributes")))
    there = file.text(path) if path.exists() else ""
    end = "" if not there or there.endswith("\n") else "\n"
    file.write_atomically(path, f"{there}{end}{attribute_line(inside)}\n")
    return [f"{path}: {attribute_line(inside)}"]


def _configured(program: str) -> list[str]:
    """The driver in the configuration of the clone."""
    changes = []
    wanted = {"name": _TITLE, "driver": f"{program} merge-driver %O %A %B %P"}
    for key, value in wanted.items():
        name = f"merge.{NAME}.{key}"
        if git.ask(".", "config", "--local", "--get", name) != value:
            _asked("config", "--local", name, value)
            changes.append(f"git config {name} {shlex.quote(value)}")
    return changes


def _asked(*arguments: str) -> str:
    answer = git.ask(".", *arguments)
    if answer is None:
        raise ConfigError(f"git {arguments[0]} failed", code="E267", hint=f"git {shlex.join(arguments)} shows why")
    return answer


def _hook(setup: Setup, top: str) -> str:
    """git starts it at the top of the work tree."""
    here = os.path.relpath(os.path.realpath("."), os.path.realpath(top))
    schema = os.path.relpath(os.path.realpath(setup.schema_file), os.path.realpath(top))
    inside = os.path.relpath(schema, here)
    return _HOOK.format(
        mark=shlex.quote(f"^{versions.MARK.partition(',')[0]}"),
        schema=shlex.quote(schema),
        folder=shlex.quote(here),
        program=setup.program,
        file=shlex.quote(inside),
        done=shlex.quote(f"{schema} was made from the migrations: look at it, and commit it"),
    )


def _occupied(path: Path, setup: Setup) -> Problem:
    message = f"{path} is there already and was left as it is"
    hint = f"add to it: {setup.program} dump --from-migrations"
    return Problem("W731", message, Severity.WARNING, hint=hint)
