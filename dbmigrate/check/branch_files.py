"""The migrations of two branches together, as a merge would leave them; and which of them only one branch adds."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from dbmigrate.check.values import found
from dbmigrate.errors import ConfigError
from dbmigrate.frozen import frozen
from dbmigrate.migrations import find
from dbmigrate.model import Place
from dbmigrate.tracking import revisions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dbmigrate.model import Order, Problem

__all__ = ["Merged", "merge"]

_REPEATABLE = "repeatable"


@frozen
class _File:
    """A file of one side: its path below the migrations directory, its bytes, what people call it."""

    name: str
    data: bytes
    shown: str

    def is_like(self, other: _File | None) -> bool:
        """Line ends do not count: git may have converted those of a work tree."""
        return other is not None and (self.name, self._text()) == (other.name, other._text())

    def _text(self) -> bytes:
        return self.data.replace(b"\r\n", b"\n")


_Side = dict[str, _File]  # by version, repeatable ones by their path


@frozen
class Merged:
    """`directory` holds the files of both branches; `ours` and `theirs` are the versions that one of them adds.

    `shown` has the path or the place in git of each file by its path in `directory`.
    """

    directory: str
    ours: frozenset[str]
    theirs: frozenset[str]
    shown: Mapping[str, str]
    problems: tuple[Problem, ...] = ()


def merge(directories: Sequence[str], revision: str, order: Order, into: Path) -> Merged:
    """Write the files of this branch and of `revision` to a directory below `into`.

    This branch is the work tree, but where a merge into the other branch is checked out, as in CI.

    A file that both branches changed, or a version that both give to another file, is a finding (C134). Raises
    ConfigError E207, E247, PlanError E221, E235, E276.
    """
    fork = revisions.fork(revision, directories[0])
    if fork.ours is None:
        ours = _worktree(directories, order)
    else:
        ours = _commit(directories, fork.ours, "", into / "ours", order)
    theirs = _commit(directories, fork.theirs, revision, into / "theirs", order)
    base = _commit(directories, fork.base, fork.base[:12], into / "base", order)
    merged, problems = into / "merged", []
    shown: dict[str, str] = {}
    for key in sorted({*ours, *theirs}):
        b, o, t = base.get(key), ours.get(key), theirs.get(key)
        if not (_same(o, t) or _same(o, b) or _same(t, b)):
            problems.append(_conflict(key, b, o, t))
        chosen = t if _same(o, b) else o
        if chosen is not None:
            shown[_write(merged, chosen)] = chosen.shown
    merged.mkdir(exist_ok=True)
    added = [key for key in {*ours, *theirs} - {*base} if not key.startswith(_REPEATABLE)]
    return Merged(
        str(merged),
        frozenset(key for key in added if key not in theirs),
        frozenset(key for key in added if key not in ours),
        shown,
        tuple(problems),
    )


def _same(one: _File | None, other: _File | None) -> bool:
    return other is None if one is None else one.is_like(other)


def _conflict(key: str, base: _File | None, ours: _File | None, theirs: _File | None) -> Problem:
    one, other = (each.shown if each else f"{key}, deleted" for each in (ours, theirs))
    place = Place(ours.shown, 1) if ours else None
    if base is None:
        message = f"both branches have version {key}, in other files: {one} and {other}"
        return found("C134", message, place, hint="give one of them a new version")
    hint = "merge them, then check again: an applied file must not change"
    return found("C134", f"both branches changed {base.name}: {one} and {other}", place, hint=hint)


def _worktree(directories: Sequence[str], order: Order) -> _Side:
    listing = find.look(directories, order)
    side = {file.version: _read(file.path, file.name) for file in listing.files}
    return side | {
        f"{_REPEATABLE}/{os.path.basename(file.path)}": _read(file.path, f"{_REPEATABLE}/{os.path.basename(file.path)}")
        for file in listing.repeatables
    }


def _read(path: str, name: str) -> _File:
    try:
        return _File(name, Path(path).read_bytes(), path)
    except OSError as exc:
        raise ConfigError(f"cannot read {path}: {exc.strerror}", code="E207") from exc


def _commit(directories: Sequence[str], commit: str, called: str, into: Path, order: Order) -> _Side:
    """The files as a commit has them, written below `into`, where they are found by the same rules.

    People see them as those of the branch that is `called` so; without a name as files of the work tree.
    """
    into.mkdir()
    shown = {}
    for directory in directories:
        for name, data in revisions.files(directory, commit).items():
            if name.endswith(".sql") and os.path.dirname(name) in ("", _REPEATABLE):
                path = os.path.normpath(os.path.join(directory, name))
                shown[_write(into, _File(name, data, ""))] = f"{called}:{path}" if called else path
    listing = find.look([str(into)], order)
    return dict(_named(into, shown, [(file.version, file.path) for file in listing.files])) | dict(
        _named(into, shown, [("", file.path) for file in listing.repeatables])
    )


def _named(into: Path, shown: Mapping[str, str], paths: Sequence[tuple[str, str]]) -> Iterator[tuple[str, _File]]:
    for version, path in paths:
        name = os.path.relpath(path, into)
        yield version or name, _File(name, Path(path).read_bytes(), shown[os.path.join(into, name)])


def _write(into: Path, file: _File) -> str:
    path = into / file.name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(file.data)
    return str(path)
