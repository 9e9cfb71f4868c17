"""Who runs this, from which commit: the columns of a log entry about its run."""

from __future__ import annotations

import os
import uuid
from typing import TYPE_CHECKING

from dbmigrate.connection.database import whoami
from dbmigrate.errors import ConfigError
from dbmigrate.frozen import remembered
from dbmigrate.tracking.git import ask
from dbmigrate.tracking.write_log import Run
from dbmigrate.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence


def describe(directories: Sequence[str], *, reason: str | None = None, tickets: str | None = None) -> Run:
    """A new run, started now by this user on this host, with the commit of the migrations directory if it has one."""
    commit, dirty = _commit(directories[0]) if directories else (None, None)
    return Run(
        run_id=str(uuid.uuid4()),
        os_user=whoami(),
        tool_version=f"dbmigrate {__version__}",
        git_commit=commit,
        git_dirty=dirty,
        reason=reason,
        tickets=tickets,
    )


def last_change(path: str) -> str | None:
    """The last commit that changed a file, in one line: hash, author, date, subject. None outside of git."""
    directory, name = os.path.split(path)
    return ask(directory or ".", "log", "-1", "--format=%h %an %ad %s", "--date=short", "--", name) or None


def prefix() -> str:
    """The current directory as seen from the top of its repository: ``services/shop/``. Empty there and without git."""
    return ask(".", "rev-parse", "--show-prefix") or ""


def changed_since(revision: str, directory: str) -> frozenset[str]:
    """The real paths of files below `directory` that differ from `revision`, or that are untracked.

    Compared with the merge base, as in a pull request: later changes of `revision` do not count. Raises ConfigError
    E247.
    """
    commit = None if revision.startswith("-") else ask(directory, "rev-parse", "--verify", f"{revision}^{{commit}}")
    if not commit:
        if ask(directory, "rev-parse", "--git-dir") is None:
            message = f"--since needs git, and git is not installed, or {directory} is not in a repository"
            raise ConfigError(message, code="E247")
        raise ConfigError(
            f"unknown git revision {revision!r} in {directory}",
            code="E247",
            hint="in CI, fetch more of the history: a shallow clone has only the last commit",
        )
    base = ask(directory, "merge-base", commit, "HEAD") or commit
    changed = ask(directory, "diff", "--name-only", "--relative", "--diff-filter=d", "-z", base, "--", ".")
    untracked = ask(directory, "ls-files", "--others", "--exclude-standard", "-z", "--", ".")
    names = [*(changed or "").split("\0"), *(untracked or "").split("\0")]
    return frozenset(os.path.realpath(os.path.join(directory, name)) for name in names if name)


def fork_point(directory: str) -> str | None:
    """The commit where the branch of `directory` left the default branch of its remote; None if it is unknown.

    A clone names that branch (`refs/remotes/origin/HEAD`); a checkout in CI often does not, then the usual names are
    tried.
    """
    remotes = (ask(directory, "remote") or "").split()
    if not remotes:
        return None
    remote = "origin" if "origin" in remotes else remotes[0]
    named = ask(directory, "symbolic-ref", "--quiet", f"refs/remotes/{remote}/HEAD")
    for branch in filter(None, (named, f"refs/remotes/{remote}/main", f"refs/remotes/{remote}/master")):
        base = ask(directory, "merge-base", branch, "HEAD")
        if base:
            return base
    return None


@remembered
def _commit(directory: str) -> tuple[str | None, bool | None]:
    """HEAD of the repository that holds `directory`, and whether anything below it differs from HEAD."""
    commit = ask(directory, "rev-parse", "--verify", "--quiet", "HEAD")
    if not commit:
        return None, None
    changes = ask(directory, "status", "--porcelain", "--untracked-files=normal", "--", ".")
    return commit, None if changes is None else bool(changes)
