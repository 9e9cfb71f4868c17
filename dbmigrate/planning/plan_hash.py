"""The hash of a plan: what was reviewed is what runs, or nothing runs."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING

from dbmigrate.errors import ConfigError, Refused
from dbmigrate.model import Turn

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dbmigrate.model import History, Plan, Step

PREFIX = "sha256:"
_GIVEN = r"(?i)(?:sha256:)?([0-9a-f]{12,64})"


def digest(plan: Plan, history: History, *, table: str, settings: Mapping[str, str]) -> str:
    """SHA-256 (hex) over what will run, byte by byte, and over where it starts from.

    That is: for every step its version, file name, direction, action and the checksum of the file's bytes; which
    statements an interrupted run did already; and every version that is recorded. Two databases in the same state,
    given the same files, have the same plan: what was reviewed for one may run on the other. Where the URL or an option
    gives settings for the session (`search_path`, `role` ...), which decide what the SQL does, they count as well.
    """
    start = {
        "applied": sorted(item.version for item in history.applied),
        "unfinished": sorted((item.version, sorted(item.done)) for item in history.unfinished),
    }
    content: dict[str, object] = {"format": 1, "start": start}
    if settings:
        content["settings"] = sorted(settings.items())
    # the JSON of {**content, "steps": [...], "table": table}, step by step: as a whole it is as large as all the files
    made = hashlib.sha256(_json(content)[:-1] + b', "steps": [')
    for number, step in enumerate(plan.steps):
        made.update((b", " if number else b"") + _json(_step(step)))
    made.update(b'], "table": ' + _json(table) + b"}")
    return made.hexdigest()


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True).encode()


def expected(text: str) -> str:
    """The hash that an option holds, in lower case, without its prefix; the first 12 digits are enough.

    Raises ConfigError E205.
    """
    found = re.fullmatch(_GIVEN, text.strip())
    if found is None:
        hint = "give at least the first 12 digits that a dry run shows"
        raise ConfigError(f"--expect-plan: {text!r} is not the hash of a plan", code="E205", hint=hint)
    return found[1].lower()


def refuse_other(plan: Plan, wanted: str | None) -> None:
    """Raise Refused E712 unless the plan is the one that was reviewed; `wanted` None accepts every plan."""
    if wanted is None or plan.digest.startswith(wanted):
        return
    names = ", ".join(step.name for step in plan.steps) or "nothing"
    raise Refused(
        "the plan is not the one that was reviewed: files, database or settings have changed since",
        code="E712",
        hint="review the new plan with --dry-run",
        details=(("plan", f"{PREFIX}{plan.digest}"), ("expected", f"{PREFIX}{wanted}"), ("steps", names)),
    )


def _step(step: Step) -> list[object]:
    checksum = step.migration.checksum if step.migration else None
    turn = [step.turn.value] if step.turn is not Turn.NOW else []  # the hash of a plan without backfills stays
    return [step.version, step.name, step.direction.value, step.action.value, sorted(step.done), checksum, *turn]
