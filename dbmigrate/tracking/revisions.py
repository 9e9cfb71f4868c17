"""Files of a directory as another branch has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.errors import ConfigError
from dbmigrate.frozen import frozen
from dbmigrate.tracking import git

if TYPE_CHECKING:
    from collections.abc import Mapping


@frozen
class Fork:
    """The commits of two branches: where they parted, and the other one's last."""

    base: str
    theirs: str


def fork(revision: str, directory: str) -> Fork:
    """Where the branch that is checked out and `revision` parted. Raises ConfigError E247."""
    shown = None if revision.startswith("-") else revision
    theirs = shown and git.ask(directory, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
    if not theirs:
        if git.ask(directory, "rev-parse", "--git-dir") is None:
            message = f"--branch needs git, and git is not installed, or {directory} is not in a repository"
            raise ConfigError(message, code="E247")
        hint = "in CI, fetch the branch: git fetch origin main"
        raise ConfigError(f"unknown git revision {revision!r} in {directory}", code="E247", hint=hint)
    base = git.ask(directory, "merge-base", theirs, "HEAD")
    if not base:
        raise ConfigError(
            f"{revision} and this branch have no common ancestor",
            code="E247",
            hint="in CI, fetch the whole history: a shallow clone does not know where two branches parted",
        )
    return Fork(base, theirs)


def files(directory: str, revision: str) -> Mapping[str, bytes]:
    """The files of `directory` in a commit, by their path below it. Raises ConfigError E247."""
    found = git.contents(directory, revision)
    if found is None:
        raise ConfigError(f"git does not show {directory} as it is in {revision}", code="E247")
    return found
