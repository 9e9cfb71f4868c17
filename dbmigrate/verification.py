"""Do the files still say what was applied? Sums of files, and the pure comparison with the history."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from dbmigrate import source
from dbmigrate.errors import MigrationFileError, Refused
from dbmigrate.model import Deviation, FileSum, Finding, Problem, Severity
from dbmigrate.order import Order

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dbmigrate.model import Applied, History, MigrationFile, Status


def sums(files: Sequence[MigrationFile], history: History) -> dict[str, FileSum]:
    """The checksums of the files that matter: applied ones with a recorded sum, and pending ones if one is missing.

    Tokens are looked at only where the bytes differ. Raises ConfigError E207.
    """
    recorded = {applied.version: applied for applied in history.applied if applied.checksum}
    present = {file.version for file in files}
    known = {applied.version for applied in history.applied}
    looks_for_renames = any(version not in present for version in recorded)
    found = {}
    for file in files:
        applied = recorded.get(file.version)
        if applied is not None:
            found[file.version] = _sum(file, applied)
        elif looks_for_renames and file.version not in known:
            found[file.version] = FileSum(file, source.checksum(file.path))
    return found


def _sum(file: MigrationFile, applied: Applied) -> FileSum:
    checksum = source.checksum(file.path)
    if checksum == applied.checksum or applied.token_checksum is None:
        return FileSum(file, checksum)
    return FileSum(file, checksum, _tokens(file.path))


def _tokens(path: str) -> str | None:
    """The token checksum of an edited file; None if it cannot be read as SQL any more, which is a real edit."""
    from dbmigrate import parser  # only an edited file needs the tokens, and with them sqlparse

    with suppress(MigrationFileError), source.Source(path) as file:
        return parser.token_checksum(file.read_all())
    return None


def verify(
    files: Sequence[MigrationFile], history: History, found: Mapping[str, FileSum], order: Order = Order.NAME
) -> tuple[Finding, ...]:
    """Every disagreement of files and history, in `order`. Pure."""
    present = {file.version: file for file in files}
    applied = {item.version for item in history.applied}
    late = order.key(order.highest(applied)) if applied else None
    findings = [_changed(item, found[item.version]) for item in history.applied if item.version in found]
    findings += [_missing(item, found, applied) for item in history.applied if item.version not in present]
    findings += [
        Finding(Deviation.OUT_OF_ORDER, file.version, file.name)
        for file in files
        if late and file.version not in applied and order.key(file.version) <= late
    ]
    findings += [Finding(Deviation.UNFINISHED, item.version, item.name) for item in history.unfinished]
    return tuple(sorted(filter(None, findings), key=lambda finding: order.key(finding.name)))


def _changed(applied: Applied, now: FileSum) -> Finding | None:
    if now.checksum == applied.checksum:
        return None
    is_cosmetic = now.token_checksum is not None and now.token_checksum == applied.token_checksum
    deviation = Deviation.COSMETIC if is_cosmetic else Deviation.CHANGED
    return Finding(deviation, applied.version, now.file.name, applied, now)


def _missing(applied: Applied, found: Mapping[str, FileSum], versions: set[str]) -> Finding:
    twin = next(
        (
            now
            for version, now in found.items()
            if applied.checksum and version not in versions and now.checksum == applied.checksum
        ),
        None,
    )
    deviation = Deviation.RENAMED if twin else Deviation.MISSING
    return Finding(deviation, applied.version, applied.name or applied.version, applied, twin)


def refuse_changes(findings: Sequence[Finding]) -> tuple[Problem, ...]:
    """What `up` makes of them: a real edit stops it (Refused E701), a cosmetic one is a note."""
    changed = next((finding for finding in findings if finding.deviation is Deviation.CHANGED), None)
    if changed is not None:
        raise refusal(changed)
    return tuple(
        Problem("W304", f"{finding.name} was edited after it was applied, but only in its layout", Severity.NOTE)
        for finding in findings
        if finding.deviation is Deviation.COSMETIC
    )


def marked(status: Status, findings: Sequence[Finding]) -> Status:
    """`status` with the rows of really edited files marked, and a warning that names them."""
    edited = {finding.version: finding.name for finding in findings if finding.deviation is Deviation.CHANGED}
    if not edited:
        return status
    rows = tuple(replace(row, edited=True) if row.version in edited else row for row in status.rows)
    names = ", ".join(edited.values())
    warning = Problem("W621", f"changed after being applied: {names}", hint="`dbmigrate verify` shows what was applied")
    return replace(status, rows=rows, problems=(*status.problems, warning))


def edited_note(finding: Finding) -> Problem | None:
    """What `rollback` makes of a file that was really edited."""
    if finding.deviation is not Deviation.CHANGED:
        return None
    return Problem(
        "W308",
        f"{finding.name} was changed after it was applied; its down section is run as it is now",
        hint="`dbmigrate verify` shows what was applied",
    )


def refusal(changed: Finding) -> Refused:
    """The error for an applied file that was edited, with both sums, who applied it, and the ways out."""
    applied, now = changed.applied, changed.file
    assert applied is not None
    assert now is not None
    when = f" at {applied.applied_at:%Y-%m-%d %H:%M:%S %Z}" if applied.applied_at else ""
    commit = f" from commit {applied.git_commit[:12]}" if applied.git_commit else ""
    restore = f"git checkout {applied.git_commit[:12]} -- {now.file.path}; or " if applied.git_commit else ""
    error = Refused(
        f"{changed.name} was changed after it was applied",
        code="E701",
        details=(
            ("applied", f"{applied.checksum}{when} by {applied.applied_by or 'unknown'}{commit}"),
            ("now", f"{now.checksum} in {now.file.path}"),
        ),
        hint=(
            f"{restore}restore the file and write the change as a new migration; or, if the database is as the file"
            " says, accept it with `dbmigrate repair`"
        ),
    )
    error.state = "nothing was run"
    return error
