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
    """The commits of two branches: where they parted, and the other one's last.

    `ours` is the last one of this branch where another commit is checked out, otherwise None: the work tree is ours.
    """

    base: str
    theirs: str
    ours: str | None = None


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
    merged = _merged(theirs, directory)
    return Fork(base, theirs) if merged is None else merged


def _merged(theirs: str, directory: str) -> Fork | None:
    """The branches of a merge into the other one, which is what CI checks out for a pull request; None for no merge.

    Its first parent is a commit of the other branch, its second one the last commit of this branch. Compared with the
    merge itself, the other branch would add nothing.
    https://docs.github.com/actions/reference/events-that-trigger-workflows#pull_request
    """
    _, *parents = (git.ask(directory, "rev-list", "--parents", "-n", "1", "HEAD") or "").split() or [""]
    if len(parents) != 2:
        return None
    into, ours = parents
    is_merged_into = git.ask(directory, "merge-base", into, theirs) == into
    is_applied_there = git.ask(directory, "merge-base", "HEAD", theirs) == git.ask(directory, "rev-parse", "HEAD")
    base = git.ask(directory, "merge-base", theirs, ours)
    return Fork(base, theirs, ours) if is_merged_into and not is_applied_there and base else None


def files(directory: str, revision: str) -> Mapping[str, bytes]:
    """The files of `directory` in a commit, by their path below it. Raises ConfigError E247."""
    found = git.contents(directory, revision)
    if found is None:
        raise ConfigError(f"git does not show {directory} as it is in {revision}", code="E247")
    return found
