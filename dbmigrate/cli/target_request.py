"""What is asked for with ``--targets``: the list, how to go about it, and what makes no sense."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from dbmigrate.errors import ConfigError
from dbmigrate.frozen import frozen
from dbmigrate.targets.values import Rollout

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["TargetRequest", "request"]

QUESTIONS = frozenset(("status", "verify", "drift"))
# by the name of the parameter: what is about one database, and what to do instead
_FOR_ONE = {
    "dry_run": "--dry-run",
    "execute": "--execute",
    "in_place": "--in-place",
    "on": "--on",
    "traffic": "--traffic",
    "summary": "--summary",
    "locks": "--locks",
    "expect_plan": "--expect-plan",
    "backup": "--backup",
    "salvage": "--salvage",
    "salvage_limit": "--salvage-limit",
    "confirm": "--confirm",
}
_COUNTED_FROM_WHERE_IT_IS = "a second run, after a failure, would go further where the first one succeeded"


@frozen
class TargetRequest:
    """The list of targets (`path` or `query`), and how to go about it. `yes`: nobody is asked."""

    command: str
    path: str | None
    query: str | None
    rollout: Rollout
    yes: bool = False

    @property
    def written(self) -> str:
        """The option that names the targets, for another command; what came from stdin is there no more."""
        if self.query is not None:
            return f"--targets-query {shlex.quote(self.query)}"
        return "--targets FILE" if self.path in (None, "-") else f"--targets {shlex.quote(self.path or '')}"

    @property
    def is_question(self) -> bool:
        """Whether the command changes nothing."""
        return self.command in QUESTIONS

    @property
    def applies(self) -> bool:
        """Whether it reads up sections."""
        return self.command in ("up", "migrate", "backfill")


def request(
    command: str, asked: Mapping[str, object], given: Mapping[str, object], settings: Mapping[str, object]
) -> TargetRequest | None:
    """What the options ask for; None without a list of targets.

    `asked` are the options about several targets, `given` those of the command, `settings` the common ones. Raises
    ConfigError E200, E205, E274.
    """
    path, query = (_text(asked, name) for name in ("targets", "targets_query"))
    if path is None and query is None:
        if alone := next((name for name, value in asked.items() if value is not None), None):
            raise ConfigError(
                f"--{alone.replace('_', '-')} needs --targets", code="E200", hint="name a list of targets"
            )
        return None
    if path is not None and query is not None:
        raise ConfigError("--targets and --targets-query exclude each other", code="E200", hint="give one of them")
    _refuse_for_one(command, given, settings)
    canary, parallel, most = (asked.get(name) for name in ("canary", "parallel", "max_failures"))
    rollout = Rollout(
        parallel=parallel if isinstance(parallel, int) else Rollout().parallel,
        canary=canary if isinstance(canary, int) else 0,
        max_failures=most if isinstance(most, int) else None,
        shard=_shard(_text(asked, "shard")),
    )
    return TargetRequest(command, path, query, rollout, bool(given.get("yes")))


def _text(values: Mapping[str, object], name: str) -> str | None:
    value = values.get(name)
    return value if isinstance(value, str) else None


def _shard(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    found = re.fullmatch(r"\s*([0-9]{1,6})\s*/\s*([0-9]{1,6})\s*", text)
    if found is None or not 1 <= int(found[1]) <= int(found[2]):
        raise ConfigError(
            f"--shard: {text!r} is not a number from 1 and how many there are", code="E205", hint="for example 1/4"
        )
    return int(found[1]), int(found[2])


def _refuse_for_one(command: str, given: Mapping[str, object], settings: Mapping[str, object]) -> None:
    """Refuse what is about one database, and a goal that depends on where each target is."""
    named = [option for name, option in _FOR_ONE.items() if given.get(name)]
    if settings.get("schema_file") and command != "drift":
        named.append("--schema-file")
    if settings.get("metrics_file"):
        named.append("--metrics-file")
    if command == "status" and (given.get("all_") or given.get("format_") == "markdown"):
        named.append("--all" if given.get("all_") else "--format markdown")
    if given.get("all_services"):
        named.append("--all-services")
    if named:
        raise ConfigError(
            f"{named[0]} is for one target, not for several", code="E274", hint="name the target with --url"
        )
    if given.get("steps"):
        raise _relative("--steps counts from where each target is")
    if command == "rollback" and not (given.get("to") or given.get("all_")):
        raise _relative("without --to, rollback counts from where each target is")


def _relative(what: str) -> ConfigError:
    return ConfigError(
        f"{what}: {_COUNTED_FROM_WHERE_IT_IS}", code="E274", hint="name the version to arrive at: --to VERSION"
    )
