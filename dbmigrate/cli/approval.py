"""Approval of changes: `planning.approval` decides who has to approve, here people and other environments are asked."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Protocol

from dbmigrate.environment_name import canonical
from dbmigrate.errors import ConfigError, ConnectionFailed, DatabaseError, Refused, unchanged
from dbmigrate.events import Warned
from dbmigrate.frozen import frozen
from dbmigrate.output import questions
from dbmigrate.planning import approval as rules
from dbmigrate.planning import untracked
from dbmigrate.planning.approval import Approval, Target
from dbmigrate.tracking import version_control

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from dbmigrate.api.migrator import Migrator
    from dbmigrate.model import History, Plan, Step
    from dbmigrate.output import Renderer
    from dbmigrate.settings.load import Settings


class Asker(Protocol):
    """What an `Approver` needs of an invocation: whom to ask, and how to reach other environments."""

    @property
    def renderer(self) -> Renderer: ...

    @property
    def is_quiet(self) -> bool: ...

    def settings(self) -> Settings: ...

    def target_name(self, settings: Settings) -> str: ...

    def other_environment(self, environment: str) -> AbstractContextManager[Migrator]: ...


@frozen
class Approver:
    """What `Options.approve` is on the command line. A call raises Refused E707 to E710, E731, E737."""

    call: Asker
    settings: Settings
    approval: Approval

    def __call__(self, plan: Plan, history: History) -> Callable[[], None] | None:
        target = _target(self.settings)
        rules.refuse_breaking(plan, history, target, self.approval)
        self._refuse_untested(plan, history)
        need = rules.need_of_plan(plan, history, target, self.approval)
        word = rules.name_to_type(need, target, self.approval)
        if target.is_protected and not self.approval.is_rehearsal:
            self._refuse_untracked(rules.applied_first(plan, history))
        if word is None:
            return None
        heading = self.call.target_name(self.settings) if self.call.is_quiet else ""
        return partial(_ask, self.call, questions.of_plan(plan, word, heading=heading), word)

    def _refuse_untracked(self, steps: Sequence[Step]) -> None:
        if paths := [step.migration.file.path for step in steps if step.migration]:
            for note in untracked.judge(version_control.tracking(paths), self.approval.allow_untracked):
                self.call.renderer.on_event(Warned(note))

    def _refuse_untested(self, plan: Plan, history: History) -> None:
        environment = self._required_environment()
        steps = rules.to_prove(plan, history)
        if environment is None or not steps:
            return
        try:
            with self.call.other_environment(environment) as other:
                elsewhere = other.recorded_everywhere()
        except (ConnectionFailed, DatabaseError, Refused) as exc:
            message = f"cannot read the history of {environment}: {exc.message}"
            raise unchanged(exc.recast(Refused, message, code="E710")) from exc
        rules.refuse_untested(steps, elsewhere, environment)

    def _required_environment(self) -> str | None:
        """The environment in which everything must be applied already: of the option, else of the project file."""
        required = self.settings.required
        given = self.approval.applied_in
        name = given if given is not None else (required.environment if required else None)
        if name is not None and self.settings.environment and canonical(name) == canonical(self.settings.environment):
            origin = "--require-applied-in" if given is not None or required is None else required.origin
            raise ConfigError(f"{origin}: {name} is the environment of this command itself", code="E205")
        return name


def approver(call: Asker, settings: Settings, approval: Approval | None) -> Approver:
    """Who has to approve changes with these settings."""
    return Approver(call, settings, replace(approval or Approval(), can_ask=sys.stdin.isatty()))


def confirm_destruction(call: Asker, action: str, *, confirm: str | None) -> None:
    """Show the target database of ``drop`` or ``load``, and ask for its name if it is protected.

    Raises Refused E707, E709.
    """
    from dbmigrate.events import Targeted

    settings = call.settings()
    call.renderer.on_event(Targeted(call.target_name(settings), action))
    target = _target(settings)
    approval = Approval(database=confirm, can_ask=sys.stdin.isatty())
    word = rules.name_to_type(rules.need_to_destroy(target), target, approval)
    if word is not None:
        heading = f"{call.target_name(settings)} · {action}\n" if call.is_quiet else ""
        _ask(call, heading + questions.to_type(word), word)


def _target(settings: Settings) -> Target:
    protection = settings.protection
    name = protection.environment if protection else settings.environment or ""
    because = f", and {protection.by} names this database" if protection and protection.by else ""
    return Target(name, settings.target().database, protection is not None, because)


def _ask(call: Asker, question: str, word: str) -> None:
    rules.refuse_other(call.renderer.ask(question), word)
