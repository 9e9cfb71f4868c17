"""The baseline of a project that was there before its linter: the findings that are known, by file and rule.

``dbmigrate lint --write-baseline`` writes it into the project's directory, and from then on it is read by itself. It
counts: a file that had two findings of a rule may have two, wherever they stand now; a third one is new.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from typing import TYPE_CHECKING

from dbmigrate.errors import ConfigError
from dbmigrate.frozen import frozen
from dbmigrate.model import Place, Problem, Severity

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

__all__ = ["FILE", "Baseline", "read", "write"]

FILE = "dbmigrate-lint-baseline.json"
_VERSION = 1
_AGAIN = "write it anew: dbmigrate lint --write-baseline"

Key = tuple[str, str]  # of a finding: file, code


@frozen
class Baseline:
    """How many findings are known, by file and code. Files are named as seen from `directory`, the baseline's own."""

    known: Mapping[Key, int]
    directory: str = "."

    def new(self, found: Iterable[Problem]) -> tuple[Problem, ...]:
        """The findings that are not known: of a file and a rule those behind the number that is."""
        left = Counter(self.known)
        kept = []
        for problem in found:
            key = _key(problem, self.directory)
            if key is not None and left[key] > 0:
                left[key] -= 1
            else:
                kept.append(problem)
        return tuple(kept)

    def stale(self, found: Iterable[Problem], paths: Collection[str] | None) -> tuple[Problem, ...]:
        """A note if it knows more than there is to find in `paths` (None: everywhere)."""
        there = Counter(key for problem in found if (key := _key(problem, self.directory)))
        looked_at = None if paths is None else {_seen_from(path, self.directory) for path in paths}
        gone = [
            f"{code} in {path}"
            for (path, code), count in sorted(self.known.items())
            if there[path, code] < count and (looked_at is None or path in looked_at)
        ]
        if not gone:
            return ()
        more = f" and {len(gone) - 1} more" if len(gone) > 1 else ""
        message = f"the baseline names findings that are no longer there: {gone[0]}{more}"
        return (
            Problem(
                "W656", message, Severity.NOTE, Place(os.path.normpath(os.path.join(self.directory, FILE)), 1), _AGAIN
            ),
        )


def read(directory: str = ".") -> Baseline | None:
    """The baseline of a project, if it has one. Raises ConfigError E250 for one that cannot be understood, E207."""
    path = os.path.normpath(os.path.join(directory, FILE))
    try:
        with open(path, encoding="utf-8") as file:
            document = json.load(file)
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise ConfigError(f"cannot read {path}: {exc.strerror}", code="E207") from exc
    except ValueError as exc:
        raise ConfigError(f"{path}: it is not JSON: {exc}", code="E250", hint=_AGAIN) from exc
    if not isinstance(document, dict) or document.get("version") != _VERSION:
        raise ConfigError(f"{path}: `version` has to be {_VERSION}", code="E250", hint=_AGAIN)
    return Baseline(_known(document.get("findings"), path), directory)


def _known(findings: object, path: str) -> dict[Key, int]:
    known: dict[Key, int] = {}
    is_good = isinstance(findings, dict)
    for file, codes in findings.items() if isinstance(findings, dict) else ():
        is_good = is_good and isinstance(codes, dict)
        for code, count in codes.items() if isinstance(codes, dict) else ():
            is_good = is_good and isinstance(count, int)
            known[file, code] = count
    if not is_good:
        message = f"{path}: `findings` has to be an object of files, each with the number of its findings by code"
        raise ConfigError(message, code="E250", hint=_AGAIN)
    return known


def write(found: Iterable[Problem], directory: str = ".") -> int:
    """Write what is found into the baseline; how many findings these are. Raises ConfigError E207."""
    counts = Counter(key for problem in found if (key := _key(problem, directory)))
    findings: dict[str, dict[str, int]] = {}
    for (file, code), count in sorted(counts.items()):
        findings.setdefault(file, {})[code] = count
    path = os.path.normpath(os.path.join(directory, FILE))
    try:
        with open(path, "w", encoding="utf-8") as file_:
            json.dump({"version": _VERSION, "findings": findings}, file_, indent=2)
            file_.write("\n")
    except OSError as exc:
        raise ConfigError(f"cannot write {path}: {exc.strerror}", code="E207") from exc
    return counts.total()


def _key(problem: Problem, directory: str) -> Key | None:
    """By what a finding is known; None for one that no baseline can accept: up would refuse the file (E2xx)."""
    if problem.place is None or problem.code.startswith("E"):
        return None
    return _seen_from(problem.place.path, directory), problem.code


def _seen_from(path: str, directory: str) -> str:
    return os.path.relpath(path, directory).replace(os.sep, "/")
