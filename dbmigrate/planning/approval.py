"""Which approval a change needs, and what must be applied in another environment before: pure decisions.

Nobody is asked here: the command line asks, and passes on what was typed.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from dbmigrate.errors import Refused, unchanged
from dbmigrate.frozen import frozen
from dbmigrate.model import Action, Direction

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dbmigrate.model import History, Plan, Step

__all__ = [
    "Approval",
    "Need",
    "Target",
    "applied_first",
    "listed",
    "name_to_type",
    "need_of_plan",
    "need_to_destroy",
    "refuse_breaking",
    "refuse_other",
    "refuse_untested",
    "to_prove",
]

_LONGEST_LIST = 5


class Need(Enum):
    """The approval that a change needs."""

    NOTHING = "nothing"
    ENVIRONMENT = "environment"  # its name typed, or --yes
    DATABASE = "database"  # its name typed, or --confirm NAME


@frozen
class Target:
    """The target database of a change. `environment` is empty where it has no name; then it cannot be protected.

    `because` goes on after "... is protected", where another name than the environment's was given.
    """

    environment: str
    database: str
    is_protected: bool = False
    because: str = ""


@frozen
class Approval:
    """The approval that the options of a command give.

    `database` is the name given with ``--confirm``, `applied_in` the environment of ``--require-applied-in``.
    `everything` stands for ``--all``, `can_ask` for a terminal to ask on, `allow_existing` says that a
    history may begin beside what is there, `allow_breaking` that breaking changes are coordinated, `allow_untracked`
    why files need not be in version control, `is_rehearsal` that nothing stays of what runs.
    """

    yes: bool = False
    database: str | None = None
    applied_in: str | None = None
    everything: bool = False
    can_ask: bool = False
    allow_existing: bool = False
    allow_breaking: bool = False
    allow_untracked: str | None = None
    is_rehearsal: bool = False


def need_of_plan(plan: Plan, history: History, target: Target, approval: Approval) -> Need:
    """What a plan needs: nothing if it has no steps or its environment is not protected.

    The database's name is needed for ``rollback --all``, and for every rollback of several migrations that leaves none.
    """
    if not plan.steps or not target.is_protected:
        return Need.NOTHING
    undone = {step.version for step in plan.steps if step.direction is Direction.DOWN and step.runs_sql}
    kept = {item.version for item in history.applied} - undone
    is_last_of_many = len(undone) > 1 and not kept
    return Need.DATABASE if approval.everything or is_last_of_many else Need.ENVIRONMENT


def need_to_destroy(target: Target) -> Need:
    """What ``drop`` and ``load`` need."""
    return Need.DATABASE if target.is_protected else Need.NOTHING


def name_to_type(need: Need, target: Target, approval: Approval) -> str | None:
    """The name that has to be typed; None if nothing has to be asked.

    Raises Refused E709 if the name of ``--confirm`` is another one (whether it is needed or not), E707 if something has
    to be typed and nobody is there.
    """
    if approval.database is not None and approval.database != target.database:
        raise _other_name(f"--confirm names {approval.database!r}, but the database is {target.database!r}")
    is_given = approval.database is not None or (approval.yes and need is Need.ENVIRONMENT)
    if need is Need.NOTHING or is_given:
        return None
    if not approval.can_ask:
        raise _unconfirmed(need, target, approval)
    return target.environment if need is Need.ENVIRONMENT else target.database


def refuse_other(typed: str, word: str) -> None:
    """Raise Refused E709 unless `typed` is the name that was asked for, but for blanks around it."""
    if typed.strip() != word.strip():
        raise _other_name(f"{word!r} was not typed")


def to_prove(plan: Plan, history: History) -> tuple[Step, ...]:
    """What a plan applies and another environment can have applied: not what is only for some environments.

    Seeds have no version, and are applied nowhere.
    """
    return tuple(
        step
        for step in _applied_by(plan, history)
        if step.version and not (step.migration and step.migration.annotated("env"))
    )


def _applied_by(plan: Plan, history: History) -> tuple[Step, ...]:
    """The migrations that a plan applies. What `history` shows as unfinished may be finished: half done is worse."""
    begun = {item.version for item in (*history.unfinished, *history.deferred)}
    return tuple(
        step
        for step in plan.steps
        if step.action is Action.RUN and step.direction is Direction.UP and step.version and step.version not in begun
    )


def applied_first(plan: Plan, history: History) -> list[Step]:
    """The migrations that a plan applies, and that are neither begun nor applied already."""
    return [step for step in _applied_by(plan, history) if step.version not in history]


def refuse_breaking(plan: Plan, history: History, target: Target, approval: Approval) -> None:
    """Raise Refused E731 for a breaking change of a protected environment that is neither allowed nor there already."""
    if target.is_protected and not approval.allow_breaking:
        from dbmigrate.planning import breaking

        breaking.refuse(applied_first(plan, history))


def refuse_untested(steps: Sequence[Step], elsewhere: History, environment: str) -> None:
    """Raise Refused E708 unless all `steps` are applied in `environment`, from the same files.

    `elsewhere` is what the database of `environment` records. Files are compared where its log knows their checksums.
    """
    sums = {item.version: item.checksum for item in elsewhere.applied}
    unfinished = {item.version for item in elsewhere.unfinished}
    missing = [step.name for step in steps if step.version not in sums or step.version in unfinished]
    other = [step.name for step in steps if step.name not in missing and _differs(step, sums[step.version])]
    if missing or other:
        raise _untested(missing, other, environment)


def _differs(step: Step, checksum: str | None) -> bool:
    return checksum is not None and step.migration is not None and step.migration.checksum != checksum


def _untested(missing: list[str], other: list[str], environment: str) -> Refused:
    parts = (
        (f"not applied in {environment}", missing),
        (f"applied in {environment}, but from another file of that version", other),
    )
    return unchanged(
        Refused(
            "; ".join(f"{what}: {listed(names)}" for what, names in parts if names),
            code="E708",
            hint=f"apply this checkout with `dbmigrate -e {environment} up` first",
        )
    )


def listed(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    more = len(names) - _LONGEST_LIST
    return ", ".join(names[:_LONGEST_LIST]) + (f" and {more} more" if more > 0 else "")


def _unconfirmed(need: Need, target: Target, approval: Approval) -> Refused:
    if need is Need.ENVIRONMENT:
        hint = "no terminal to ask on: pass --yes"
    else:
        hint = f"{'--yes is not enough' if approval.yes else 'no terminal to ask on'}: pass --confirm DBNAME"
    return unchanged(
        Refused(f"{target.environment} is protected{target.because}; confirm the change", code="E707", hint=hint)
    )


def _other_name(message: str) -> Refused:
    return unchanged(Refused(message, code="E709", hint="check which database the URL names"))
