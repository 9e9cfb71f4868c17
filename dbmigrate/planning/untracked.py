"""Files that a protected environment must not run, because nobody but this machine has them. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.errors import ConfigError, Refused, unchanged
from dbmigrate.model import Problem, Severity
from dbmigrate.planning.approval import listed

if TYPE_CHECKING:
    from dbmigrate.reports import Tracking

__all__ = ["judge", "reason"]


def judge(found: Tracking | None, allowed: str | None) -> tuple[Problem, ...]:
    """Notes about files that git does not know. `found` None: there is no work tree, as in an image.

    Raises Refused E737 for files that are not tracked, unless that is `allowed` for a reason.
    """
    if found is None:
        message = "the files are in no git work tree: nobody can tell whether they are in version control"
        return (Problem("W713", message, Severity.NOTE),)
    if found.untracked and allowed is None:
        raise unchanged(
            Refused(
                f"not in version control: {listed(found.untracked)}",
                code="E737",
                hint="commit the files, and apply them from a checkout; or pass --allow-untracked REASON",
            )
        )
    if found.ignored:
        message = f"git ignores {listed(found.ignored)}: nobody else may have it"
        return (Problem("W712", message, Severity.NOTE),)
    return ()


def reason(given: str | None, allowed: str) -> str:
    """The reason that the log keeps. Raises ConfigError E200 where the option has none."""
    if not allowed.strip():
        raise ConfigError("--allow-untracked needs a reason", code="E200", hint="say why the files are not committed")
    return "; ".join(filter(None, (given, f"--allow-untracked: {allowed}")))
