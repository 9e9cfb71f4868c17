"""The baseline of a project that is older than its linter: the known findings, by file and rule.

``dbmigrate lint --write-baseline`` writes it to the project's directory, where `lint` and `check` read it. It holds
numbers: a file with two known findings of a rule may have two, on any line; a third one is new.
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
_AGAIN = "write it again: dbmigrate lint --write-baseline"

Key = tuple[str, str]  # of a finding: file, code


@frozen
class Baseline:
    """How many findings are known, by file and code. Paths are relative to `directory`, where the baseline is."""

    known: Mapping[Key, int]
    directory: str = "."

    def new(self, found: Iterable[Problem]) -> tuple[Problem, ...]:
        """The findings that are not known: of a file and a rule those beyond the known number."""
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
        """A note if it lists more than was found in `paths` (None: everywhere)."""
        existing = Counter(key for problem in found if (key := _key(problem, self.directory)))
        relative = None if paths is None else {_relative(path, self.directory) for path in paths}
        gone = [
            f"{code} in {path}"
            for (path, code), count in sorted(self.known.items())
            if existing[path, code] < count and (relative is None or path in relative)
        ]
        if not gone:
            return ()
        more = f" and {len(gone) - 1} more" if len(gone) > 1 else ""
        message = f"the baseline lists findings that no longer exist: {gone[0]}{more}"
        return (
            Problem(
                "W656", message, Severity.NOTE, Place(os.path.normpath(os.path.join(self.directory, FILE)), 1), _AGAIN
            ),
        )


def read(directory: str = ".") -> Baseline | None:
    """The baseline of a project, if it has one. Raises ConfigError E250 (wrong content), E207 (cannot be read)."""
    path = os.path.normpath(os.path.join(directory, FILE))
    try:
        with open(path, encoding="utf-8") as file:
            document = json.load(file)
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise ConfigError(f"cannot read {path}: {exc.strerror}", code="E207") from exc
    except ValueError as exc:
        raise ConfigError(f"{path}: invalid JSON: {exc}", code="E250", hint=_AGAIN) from exc
    if not isinstance(document, dict) or document.get("version") != _VERSION:
        raise ConfigError(f"{path}: `version` must be {_VERSION}", code="E250", hint=_AGAIN)
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
        message = f"{path}: `findings` must map files to the number of their findings by code"
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
    """The key of a finding; None for one that a baseline cannot accept, because `up` refuses the file (E2xx)."""
    if problem.place is None or problem.code.startswith("E"):
        return None
    return _relative(problem.place.path, directory), problem.code


def _relative(path: str, directory: str) -> str:
    return os.path.relpath(path, directory).replace(os.sep, "/")
