"""Forgetting that a version is applied, because its file is gone for good. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.errors import PlanError, Refused, unchanged
from dbmigrate.model import Action, Direction, LogKind, Step
from dbmigrate.planning import selection
from dbmigrate.reports import Deviation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from dbmigrate.model import History, MigrationFile
    from dbmigrate.reports import Finding

__all__ = ["only", "refuse_sweep", "repeatables", "versions"]


def refuse_sweep(gone: Iterable[Finding] | Iterable[Step], *, is_protected: bool) -> None:
    """Raise Refused E736 where one command would forget all that is missing in a protected environment."""
    names = {each.version: each.name for each in gone}
    if is_protected and names:
        raise unchanged(
            Refused(
                "--forget-missing is refused on a protected environment",
                code="E736",
                details=(("missing", ", ".join(names.values())),),
                hint="restore the files from version control; or name each one that is gone for good:"
                f" `dbmigrate repair --forget {next(iter(names))} --reason TEXT`",
            )
        )


def versions(wanted: Sequence[str]) -> Iterator[str]:
    """The versions among what is to be forgotten; repeatable migrations are named by their files."""
    return (each for each in dict.fromkeys(wanted) if not each.endswith(".sql"))


def only(
    wanted: Sequence[str], files: Sequence[MigrationFile], history: History, findings: Iterable[Finding]
) -> tuple[Step, ...]:
    """The steps that forget the versions. Raises PlanError E232 (not applied), E228 (its file is there)."""
    applied = {item.version: item for item in history.applied}
    present = {file.version: file.path for file in files}
    renamed = {each.version: each for each in findings if each.deviation is Deviation.RENAMED}
    steps = []
    for version in versions(wanted):
        if version not in applied:
            raise selection.unknown_version(version, list(applied), f"version {version} is not applied")
        if version in present:
            hint = (
                "`dbmigrate rollback` undoes it;"
                f" `dbmigrate mark pending {version} --reason TEXT` forgets it, running nothing"
            )
            raise PlanError(f"the file of version {version} is there: {present[version]}", code="E228", hint=hint)
        if (twin := renamed.get(version)) is not None and twin.file is not None:
            message = f"the file of version {version} is there, under another version: {twin.file.file.path}"
            raise PlanError(message, code="E228", hint="`dbmigrate repair` records the new version")
        name = applied[version].name or version
        steps.append(Step(version, name, Direction.DOWN, Action.RECORD, kind=LogKind.REPAIR))
    return tuple(steps)


def repeatables(wanted: Sequence[str], steps: Sequence[Step]) -> tuple[Step, ...]:
    """Those of `steps` that forget a repeatable migration which is `wanted`. Raises PlanError E232."""
    by_name = {name: step for step in steps for name in (step.name, step.name.rpartition("/")[2])}
    names = [each for each in wanted if each.endswith(".sql")]
    for name in names:
        if name not in by_name:
            known = [step.name for step in steps]
            raise selection.unknown_version(name, known, f"the log knows no repeatable migration {name} without a file")
    return tuple(by_name[name] for name in names)
