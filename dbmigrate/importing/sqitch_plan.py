"""Sqitch's plan: its changes in their order, their tags, and the ids by which its table knows them.

The forms of a line and of an id are those of App::Sqitch::Plan, ::Plan::Change and ::Plan::Depend.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dbmigrate.frozen import frozen

if TYPE_CHECKING:
    from dbmigrate.importing.texts import Text

__all__ = ["Plan", "PlannedChange", "read_plan"]

_TIME = r"(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)"
_PLANNER = r"(?P<planner>[^<]*?)\s*<(?P<mail>[^>]*)>"
_NOTE = r"(?:\s+\#\s*(?P<note>.*))?"
_CHANGE = re.compile(
    rf"\s*(?P<operator>[+-]?)\s*(?P<name>[^\s\[\]#@%+-][^\s\[\]]*)(?:\s+\[(?P<depends>[^\]]*)\])?\s+{_TIME}\s+"
    rf"{_PLANNER}{_NOTE}\s*",
    re.VERBOSE,
)
_TAG = re.compile(rf"\s*@(?P<name>\S+)\s+{_TIME}\s+{_PLANNER}{_NOTE}\s*", re.VERBOSE)
_PRAGMA = re.compile(r"\s*%\s*(?P<name>[\w-]+)\s*(?:=\s*(?P<value>.*?))?\s*")
_ESCAPES = {r"\n": "\n", r"\r": "\r", r"\\": "\\"}


@frozen
class PlannedChange:
    """A change of the plan. `tags` are those between it and its next reworking, if it was reworked."""

    name: str
    line: int
    time: str
    note: str
    id: str
    old_id: str
    depends: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    is_reworked: bool = False

    @property
    def stamp(self) -> str:
        """The digits of the time at which it was planned."""
        return re.sub(r"\D", "", self.time)


@frozen
class Plan:
    """The project's name, and its changes in their order."""

    project: str
    changes: tuple[PlannedChange, ...]


@dataclass
class _Line:
    """A change that was read, before it is known what comes after it."""

    number: int
    found: re.Match[str]
    tags: list[str] = field(default_factory=list)


def read_plan(text: Text) -> Plan:
    """The plan of a ``sqitch.plan``. Raises MigrationFileError E281 for a line that is none."""
    pragmas: dict[str, str] = {}
    lines: list[_Line] = []
    for number, line in enumerate(re.split(r"\r\n|\r|\n", text.text), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if pragma := _PRAGMA.fullmatch(line):
            pragmas[pragma["name"]] = pragma["value"] or ""
        elif tag := _TAG.fullmatch(line):
            for each in lines:
                each.tags.append(tag["name"])
        elif (change := _CHANGE.fullmatch(line)) and change["operator"] != "-":
            lines.append(_Line(number, change))
        else:
            raise text.error(f"not a line of a plan: {line.strip()}", number)
    if "project" not in pragmas:
        raise text.error("the plan has no line %project=NAME", 1)
    return Plan(pragmas["project"], tuple(_changes(pragmas, lines)))


def _changes(pragmas: dict[str, str], lines: list[_Line]) -> list[PlannedChange]:
    made: list[PlannedChange] = []
    for position, line in enumerate(lines):
        found = line.found
        later = next((each for each in lines[position + 1 :] if each.found["name"] == found["name"]), None)
        # a tag stands in the list of every change before it: what the reworking has as well came after that
        tags = line.tags[: len(line.tags) - len(later.tags)] if later else []
        depends = tuple((found["depends"] or "").split())
        head, tail = _info(pragmas, found, depends)
        parent = [f"parent {made[-1].id}"] if made else []
        made.append(
            PlannedChange(
                name=found["name"],
                line=line.number,
                time=found["time"],
                note=_note(found),
                id=_id([*head[:-2], *parent, *head[-2:], *tail]),
                old_id=_id(head),
                depends=depends,
                tags=tuple(tags),
                is_reworked=later is not None,
            )
        )
    return made


def _note(found: re.Match[str]) -> str:
    return re.sub(r"\\[nr\\]", lambda match: _ESCAPES[match[0]], (found["note"] or "").strip())


def _info(pragmas: dict[str, str], found: re.Match[str], depends: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """What the id of a change is made of: before and after what came with a later version of Sqitch."""
    project = pragmas["project"]
    uri = [f"uri {pragmas['uri']}"] if pragmas.get("uri") else []
    planner = f"planner {found['planner'].strip()} <{found['mail'].strip()}>"
    head = [f"project {project}", *uri, f"change {found['name']}", planner, f"date {found['time']}"]
    own = [
        each.replace(f"{project}:", "", 1) if each.lstrip("!").startswith(f"{project}:") else each for each in depends
    ]
    requires = [each for each in own if not each.startswith("!")]
    conflicts = [each[1:] for each in own if each.startswith("!")]
    tail = ["requires\n  + " + "\n  + ".join(requires)] if requires else []
    tail += ["conflicts\n  - " + "\n  - ".join(conflicts)] if conflicts else []
    note = _note(found)
    return head, [*tail, *(["", note] if note else [])]


def _id(parts: list[str]) -> str:
    content = "\n".join(parts).encode()
    return hashlib.sha1(b"change %d\0%s" % (len(content), content), usedforsecurity=False).hexdigest()
