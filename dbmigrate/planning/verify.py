"""Do the files still say what was applied? Sums of files, and the pure comparison with the history."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from dbmigrate.errors import MigrationFileError, Refused
from dbmigrate.migrations import source
from dbmigrate.model import Order, Problem, Severity
from dbmigrate.reports import Deviation, FileSum, Finding

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dbmigrate.migrations.token_checksum import TokenSum
    from dbmigrate.model import Applied, History, MigrationFile
    from dbmigrate.reports import Status

_LONGEST_LIST = 3
_FOLLOW = "`dbmigrate repair` records the new version without running the file again"


def sums(files: Sequence[MigrationFile], history: History) -> dict[str, FileSum]:
    """The checksums of the files that matter: applied ones with a recorded sum, and pending ones if one is missing.

    Of an applied file tokens are looked at only where the bytes differ. A pending file without a statement is left
    out: every empty one is like every other. Raises ConfigError E207.
    """
    recorded = {applied.version: applied for applied in history.applied if applied.checksum}
    present = {file.version for file in files}
    known = {applied.version for applied in history.applied}
    lost = [applied for version, applied in recorded.items() if version not in present]
    found = {}
    for file in files:
        applied = recorded.get(file.version)
        if applied is not None:
            found[file.version] = _sum(file, applied)
        elif lost and file.version not in known and (now := _sum_beside(file, lost)):
            found[file.version] = now
    return found


def _sum(file: MigrationFile, applied: Applied) -> FileSum:
    checksum = source.checksum(file.path)
    if checksum == applied.checksum or applied.token_checksum is None:
        return FileSum(file, checksum)
    return FileSum(file, checksum, _as_recorded(_tokens(file.path), [applied]))


def _sum_beside(file: MigrationFile, lost: Sequence[Applied]) -> FileSum | None:
    """The sums of a pending file that may be a `lost` one under another version; None if it does nothing."""
    checksum = source.checksum(file.path)
    tokens = _tokens(file.path)
    if tokens is not None and tokens.is_empty:
        return None
    return FileSum(file, checksum, _as_recorded(tokens, lost))


def _tokens(path: str) -> TokenSum | None:
    """The tokens of an edited file; None if it cannot be read as SQL any more, which is a real edit, or is large."""
    from dbmigrate.migrations import parser  # only an edited file needs the tokens, and with them sqlparse

    with suppress(MigrationFileError), source.Source(path) as file:
        if file.size <= parser.KEEP_TEXT:
            return parser.token_sum(file.read_all())
    return None


def _as_recorded(tokens: TokenSum | None, records: Sequence[Applied]) -> str | None:
    """The token checksum in the form in which one of the records has it, if it is the same."""
    if tokens is None:
        return None
    known = (applied.token_checksum for applied in records if applied.token_checksum)
    return next(filter(tokens.equals, known), None) or tokens.hexdigest()


def verify(
    files: Sequence[MigrationFile], history: History, found: Mapping[str, FileSum], order: Order = Order.NAME
) -> tuple[Finding, ...]:
    """Every disagreement of files and history, in `order`. Pure."""
    present = {file.version: file for file in files}
    applied = {item.version for item in history.applied}
    late = order.key(order.highest(applied)) if applied else None
    findings = [_changed(item, found[item.version]) for item in history.applied if item.version in found]
    findings += _missing([item for item in history.applied if item.version not in present], found, applied)
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
    if _is_alike(applied, now):
        deviation = Deviation.COSMETIC
    else:
        is_other = applied.name is not None and applied.name != now.file.name
        deviation = Deviation.OTHER_FILE if is_other else Deviation.CHANGED
    return Finding(deviation, applied.version, now.file.name, applied, now)


def _is_alike(applied: Applied, now: FileSum) -> bool:
    if applied.checksum is not None and now.checksum == applied.checksum:
        return True
    return now.token_checksum is not None and now.token_checksum == applied.token_checksum


def _missing(lost: Sequence[Applied], found: Mapping[str, FileSum], versions: set[str]) -> list[Finding]:
    """What became of versions without a file: a pending file that does the same is theirs, and of one of them only."""
    free = [now for version, now in found.items() if version not in versions]
    findings = []
    for applied in lost:
        twins = [now for now in free if _is_alike(applied, now)]
        twin = max(twins, key=lambda now: _description(now.file.name) == _description(applied.name or ""), default=None)
        if twin is not None:
            free.remove(twin)
        deviation = Deviation.RENAMED if twin else Deviation.MISSING
        findings.append(Finding(deviation, applied.version, applied.name or applied.version, applied, twin))
    return findings


def _description(name: str) -> str:
    return name.lstrip("0123456789")


def refuse_changes(findings: Sequence[Finding]) -> tuple[Problem, ...]:
    """What `up` makes of them: a real edit, another file under an applied version and an applied file under another
    version stop it (Refused E701, E721, E720); a missing file is a warning, a cosmetic edit a note.
    """
    for finding in findings:
        if finding.deviation in _REFUSALS:
            raise _REFUSALS[finding.deviation](finding)
    notes = tuple(
        Problem("W304", f"{finding.name} was edited after it was applied, but only in its layout", Severity.NOTE)
        for finding in findings
        if finding.deviation is Deviation.COSMETIC
    )
    return (*_missing_problem(findings), *notes)


def _missing_problem(findings: Sequence[Finding]) -> tuple[Problem, ...]:
    gone = [finding.name for finding in findings if finding.deviation is Deviation.MISSING]
    if not gone:
        return ()
    what = (
        "the file of an applied migration is" if len(gone) == 1 else f"the files of {len(gone)} applied migrations are"
    )
    more = f" and {len(gone) - _LONGEST_LIST} more" if len(gone) > _LONGEST_LIST else ""
    hint = (
        "`dbmigrate verify` says how to restore or forget each; if another project uses this table,"
        " this one needs its own: --migrations-table NAME"
    )
    return (Problem("W670", f"{what} missing: {', '.join(gone[:_LONGEST_LIST])}{more}", hint=hint),)


def marked(status: Status, findings: Sequence[Finding]) -> Status:
    """`status` with the rows of really edited files marked, and warnings that name what is wrong with files."""
    edited = {finding.version: finding.name for finding in findings if finding.deviation is Deviation.CHANGED}
    others = {finding.version: finding for finding in findings if finding.deviation is Deviation.OTHER_FILE}
    rows = tuple(replace(row, edited=True) if row.version in {*edited, *others} else row for row in status.rows)
    problems = [
        *_missing_problem(findings),
        *(Problem("W671", _renamed(each), hint=_FOLLOW) for each in findings if each.deviation is Deviation.RENAMED),
        *(Problem("W672", _other(each), hint=_own_table(each)) for each in others.values()),
    ]
    if edited:
        names = ", ".join(edited.values())
        hint = "`dbmigrate verify` shows what was applied"
        problems.append(Problem("W621", f"changed after being applied: {names}", hint=hint))
    return replace(status, rows=rows, problems=(*status.problems, *problems))


def _renamed(finding: Finding) -> str:
    assert finding.file is not None
    return f"{finding.file.file.name} is applied already, as version {finding.version} ({finding.name})"


def _other(finding: Finding) -> str:
    assert finding.applied is not None
    return f"version {finding.version} was applied from {finding.applied.name}, not from {finding.name}"


def _own_table(finding: Finding) -> str:
    assert finding.applied is not None
    return (
        "if these are the files of another service, give it a tracking table of its own: --migrations-table NAME; "
        f"if this is the same migration, rename the file to {finding.applied.name}"
    )


def edited_note(finding: Finding) -> Problem | None:
    """What `rollback` makes of a file that was really edited; one that was never applied is refused (E721)."""
    if finding.deviation is Deviation.OTHER_FILE:
        raise other_file(finding)
    if finding.deviation is not Deviation.CHANGED:
        return None
    return Problem(
        "W308",
        f"{finding.name} was changed after it was applied; its down section is run as it is now",
        hint="`dbmigrate verify` shows what was applied",
    )


def _not_run(error: Refused) -> Refused:
    error.state = "nothing was run"
    return error


def _origin(applied: Applied) -> str:
    """What was applied, when, by whom and from where."""
    when = f" at {applied.applied_at:%Y-%m-%d %H:%M:%S %Z}" if applied.applied_at else ""
    commit = f" from commit {applied.git_commit[:12]}" if applied.git_commit else ""
    return f"{applied.checksum}{when} by {applied.applied_by or 'unknown'}{commit}"


def refusal(changed: Finding) -> Refused:
    """The error for an applied file that was edited, with both sums, who applied it, and what to do."""
    applied, now = changed.applied, changed.file
    assert applied is not None
    assert now is not None
    restore = changed.restoring
    last = (("last change", changed.changed_in),) if changed.changed_in else ()
    error = Refused(
        f"{changed.name} was changed after it was applied",
        code="E701",
        details=(
            ("applied", _origin(applied)),
            ("now", f"{now.checksum} in {now.file.path}"),
            *last,
        ),
        hint=(
            f"{restore}, and write the change as a new migration; or, if the database is as the file"
            " says, accept it with `dbmigrate repair`"
        ),
    )
    return _not_run(error)


def renamed(finding: Finding) -> Refused:
    """The error for a pending file that was applied under another version: it would run a second time."""
    applied, now = finding.applied, finding.file
    assert applied is not None
    assert now is not None
    hint = (
        f"{_FOLLOW}; if it is another migration and has to run, forget {finding.version} first: "
        f"`dbmigrate mark pending {finding.version} --reason TEXT`"
    )
    return _not_run(Refused(_renamed(finding), code="E720", details=(("applied", _origin(applied)),), hint=hint))


def other_file(finding: Finding) -> Refused:
    """The error for a file whose version was applied from another file: this one has never run."""
    applied, now = finding.applied, finding.file
    assert applied is not None
    assert now is not None
    details = (("applied", _origin(applied)), ("now", f"{now.checksum} in {now.file.path}"))
    return _not_run(Refused(_other(finding), code="E721", details=details, hint=_own_table(finding)))


_REFUSALS = {Deviation.CHANGED: refusal, Deviation.RENAMED: renamed, Deviation.OTHER_FILE: other_file}
