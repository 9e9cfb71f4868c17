"""What git knows of migration files: whether they are tracked, and which commit has the bytes that were applied."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING

from dbmigrate.reports import Deviation, Tracking
from dbmigrate.tracking import git, provenance

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from dbmigrate.reports import Finding

__all__ = ["traced", "tracking"]

_MOST_COMMITS = 50
_MOST_LOOKED_FOR = 10


def traced(findings: Iterable[Finding], directories: Sequence[str] = ()) -> tuple[Finding, ...]:
    """`findings` with the last commit of each file that was really edited, and one that has what was applied.

    The first files that are gone are looked for in `directories`.
    """
    every = tuple(findings)
    gone = [each for each in every if each.deviation is Deviation.MISSING][:_MOST_LOOKED_FOR]
    return tuple(
        _traced(each) if each.deviation is Deviation.CHANGED else _found(each, directories) if each in gone else each
        for each in every
    )


def _found(gone: Finding, directories: Sequence[str]) -> Finding:
    """The finding with the commit and the path where git has what was applied."""
    applied = gone.applied
    if applied is None or applied.name is None:
        return gone
    for directory in directories:
        path = os.path.normpath(os.path.join(directory, applied.name))
        if commit := _with_bytes(path, applied.checksum, applied.git_commit):
            return replace(gone, restorable_from=commit, was_at=path)
    return gone


def _traced(finding: Finding) -> Finding:
    if finding.file is None or finding.applied is None:
        return finding
    path = finding.file.file.path
    commit = _with_bytes(path, finding.applied.checksum, finding.applied.git_commit)
    return replace(finding, changed_in=provenance.last_change(path), restorable_from=commit)


def _with_bytes(path: str, checksum: str | None, recorded: str | None) -> str | None:
    """A commit from which ``git checkout`` brings the bytes with this checksum back; the recorded one if it has them.

    A migration may have been applied before it was committed, or from a branch that was rewritten since.
    """
    directory, name = os.path.split(path)
    for commit in _commits(directory or ".", name, recorded) if checksum else ():
        text = git.read(directory or ".", "cat-file", "--filters", f"{commit}:./{name}")
        if text is not None and hashlib.sha256(text).hexdigest() == checksum:
            return commit
    return None


def _commits(directory: str, name: str, recorded: str | None) -> Iterator[str]:
    if recorded:
        yield recorded
    found = git.ask(directory, "--literal-pathspecs", "log", f"-{_MOST_COMMITS}", "--format=%H", "--all", "--", name)
    yield from (found or "").split()


def tracking(paths: Sequence[str]) -> Tracking | None:
    """Which of the files git does not track; None where one of them is in no work tree, or git does not answer."""
    untracked: list[str] = []
    ignored: list[str] = []
    by_directory = sorted((os.path.split(path) for path in paths), key=lambda each: each[0])
    for directory, group in groupby(by_directory, key=lambda each: each[0]):
        where, names = directory or ".", [name for _, name in group]
        if git.ask(where, "rev-parse", "--is-inside-work-tree") != "true":
            return None
        answer = git.ask(where, "--literal-pathspecs", "ls-files", "-z", "--", *names)
        if answer is None:
            return None
        known = frozenset(answer.split("\0"))
        foreign = [name for name in names if name not in known]
        hidden = [name for name in foreign if git.ask(where, "check-ignore", "-q", "--", name) is not None]
        untracked += [os.path.join(directory, name) for name in foreign if name not in hidden]
        ignored += [os.path.join(directory, name) for name in foreign if name in hidden]
    return Tracking(tuple(untracked), tuple(ignored))
