"""L14x: the versions of all files together."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from dbmigrate.lint.context import Finding
from dbmigrate.lint.rule import project_rule
from dbmigrate.migrations.numbering import is_timestamp
from dbmigrate.model import Severity

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dbmigrate.lint.context import File
    from dbmigrate.model import Migration


@project_rule("L146", "numbering-gap", "a number is missing between two files", Severity.NOTE)
def number_is_missing(file: File) -> Iterator[Finding]:
    """Where numbers usually follow each other: a file may have been forgotten, or deleted."""
    steps = [(one, other, int(other.version) - int(one.version)) for one, other in pairwise(_numbered(file.all))]
    if 2 * sum(step == 1 for *_, step in steps) <= len(steps):
        return
    for one, other, step in steps:
        if other is file.migration and step > 1 and not one.annotated("replaces"):
            first = str(int(one.version) + 1).zfill(len(one.version))
            last = str(int(other.version) - 1).zfill(len(other.version))
            missing = f"{first} is" if step == 2 else f"{first} to {last} are"
            yield Finding(1, f"{missing} missing: the file before it is {one.name}", _FORGOTTEN)


_FORGOTTEN = "add the file if it was forgotten; a database that has it applied reports it as missing"


@project_rule("L147", "mixed-numbering", "files are numbered in two ways", Severity.NOTE)
def numbering_is_mixed(file: File) -> Iterator[Finding]:
    for one, other in pairwise(file.all):
        if other is file.migration and (how := _difference(one.version, other.version)):
            yield Finding(1, f"{other.name} {how}, unlike {one.name}", _ONE_WAY)


_ONE_WAY = "number new files in one way: `dbmigrate new`, or `dbmigrate new --sequential`; leave applied ones alone"


def _numbered(migrations: Sequence[Migration]) -> list[Migration]:
    """Those whose versions are numbers, lowest first."""
    numbered = [migration for migration in migrations if not is_timestamp(migration.version)]
    return sorted(numbered, key=lambda migration: int(migration.version))


def _difference(before: str, version: str) -> str:
    """How a version differs in kind from the one before it; empty if it does not. Zeros are a squashed file's."""
    if is_timestamp(before) != is_timestamp(version) and int(before):
        return "is numbered by time" if is_timestamp(version) else "has a number"
    is_padded = before.startswith("0") or version.startswith("0")
    if is_padded and len(before) != len(version) and int(before) and not is_timestamp(version):
        return f"has {len(version)} digits"
    return ""
