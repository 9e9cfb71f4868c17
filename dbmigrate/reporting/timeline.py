"""The history as SVG: a lane for each environment, a slot for each day with events. Pure.

A shape for each kind, so that colour alone says nothing; the size of a circle is the logarithm of the duration.
"""

from __future__ import annotations

import math
from collections import defaultdict
from datetime import UTC
from typing import TYPE_CHECKING

from dbmigrate.model import LogKind, LogState
from dbmigrate.output import text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dbmigrate.reporting.markup import Pen
    from dbmigrate.reporting.values import Lane
    from dbmigrate.reports import LogEntry

__all__ = ["draw", "is_cut", "listed", "sign", "words"]

DAYS = 40  # so many days with events are drawn
_PITCH, _LANE, _TOP, _IN_A_ROW = 20.0, 22.0, 14.0, 8
_LABEL_CHARACTERS = 24


def listed(lane: Lane) -> Sequence[LogEntry]:
    """The entries about whole migrations, and steps that failed, the newest first."""
    return [each for each in lane.entries if each.step is None or each.outcome in (LogState.FAILED, "unknown")]


def sign(entry: LogEntry) -> str:
    """``●`` applied, ``◆`` rolled back, ``✕`` failed, ``◌`` not finished, ``■`` only recorded."""
    if entry.outcome in (LogState.FAILED, "unknown"):
        return "✕"
    if entry.state in (LogState.STARTED, LogState.DEFERRED):
        return "◌"
    if entry.kind == LogKind.DOWN:
        return "◆"
    return "●" if entry.kind in (LogKind.UP, LogKind.REPEATABLE) else "■"


def words(entry: LogEntry) -> str:
    """The same in words."""
    names = {"✕": entry.outcome, "◌": entry.outcome, "◆": "rolled back", "●": "applied", "■": entry.kind}
    return names[sign(entry)]


def draw(lanes: Sequence[Lane], pen: Pen) -> str:
    """The lanes, from the oldest day to the newest; empty where there is no event."""
    entries = {lane.name: listed(lane) for lane in lanes}
    days = _days(lanes)[-DAYS:]
    if not days:
        return ""
    by_day = {name: _by_day(listed, days) for name, listed in entries.items()}
    starts, width = _slots(by_day, days)
    label = (max(text.cells(pen.label(lane.name, _LABEL_CHARACTERS)) for lane in lanes) + 2) * 6.65
    parts, y = [], 0.0
    for lane in lanes:
        rows = max((-(-len(found) // _IN_A_ROW) for found in by_day[lane.name].values()), default=1)
        parts.append(_lane(lane, y + _TOP, label + width, pen))
        for day, found in by_day[lane.name].items():
            parts += (_event(each, number, (label + starts[day], y + _TOP), pen) for number, each in enumerate(found))
        y += rows * _LANE + 12
    for day in days:
        parts.append(pen.element("text", pen.text(day), class_="ax", x=label + starts[day] - 6, y=y + 10))
    total, height = label + width + 20, y + 18
    title = "history, a lane for each environment"
    return pen.element(
        "svg",
        "".join(parts),
        viewBox=f"0 0 {total:.0f} {height:.0f}",
        width=total,
        height=height,
        role="img",
        aria_label=title,
    )


def is_cut(lanes: Sequence[Lane]) -> bool:
    """Whether there are more days with events than are drawn."""
    return len(_days(lanes)) > DAYS


def _days(lanes: Sequence[Lane]) -> Sequence[str]:
    return sorted({_day(each) for lane in lanes for each in listed(lane)})


def _day(entry: LogEntry) -> str:
    return f"{entry.started_at.astimezone(UTC):%Y-%m-%d}"


def _by_day(entries: Sequence[LogEntry], days: Sequence[str]) -> Mapping[str, list[LogEntry]]:
    """The events of each day that is drawn, the oldest first."""
    found: defaultdict[str, list[LogEntry]] = defaultdict(list)
    for each in reversed(entries):
        if _day(each) in days:
            found[_day(each)].append(each)
    return found


def _slots(
    by_day: Mapping[str, Mapping[str, Sequence[LogEntry]]], days: Sequence[str]
) -> tuple[Mapping[str, float], float]:
    """Where the slot of each day begins, and the width of all."""
    starts, at = {}, 10.0
    for day in days:
        most = max(len(found.get(day, ())) for found in by_day.values())
        starts[day] = at
        at += max(80.0, min(most, _IN_A_ROW) * _PITCH + 16)
    return starts, at


def _lane(lane: Lane, y: float, width: float, pen: Pen) -> str:
    name = pen.label(lane.name, _LABEL_CHARACTERS)
    line = pen.element("line", class_="lane", x1=(text.cells(name) + 2) * 6.65, x2=width, y1=y, y2=y)
    return line + pen.element("text", pen.text(name), class_="n", x=0.0, y=y + 4)


def _event(entry: LogEntry, number: int, corner: tuple[float, float], pen: Pen) -> str:
    x = corner[0] + number % _IN_A_ROW * _PITCH
    y = corner[1] + number // _IN_A_ROW * _LANE
    size = max(3.0, min(8.0, 2 + math.log10(1 + (entry.duration or 0.0) * 1000) * 1.6))
    kind = sign(entry)
    shapes = {
        "✕": ("bad", f"M{x - 5:g} {y - 5:g}l10 10m0 -10l-10 10"),
        "◆": ("down", f"M{x:g} {y - 7:g}l7 7l-7 7l-7 -7z"),
        "■": ("mark", f"M{x - 5:g} {y - 5:g}h10v10h-10z"),
    }
    title = pen.element("title", pen.text(_tooltip(entry)))
    if kind in shapes:
        name, path = shapes[kind]
        return pen.element("path", title, class_=f"v {name}", d=path)
    return pen.element("circle", title, class_="v open" if kind == "◌" else "v up", cx=x, cy=y, r=size)


def _tooltip(entry: LogEntry) -> str:
    took = f"in {text.duration(entry.duration)}" if entry.duration is not None else ""
    who = f"by {entry.os_user or '?'} as {entry.db_role}"
    when = f"{entry.started_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    commit = f"at {entry.git_commit[:12]}{'+' if entry.git_dirty else ''}" if entry.git_commit else ""
    parts = (entry.file or entry.version, words(entry), when, took, who, commit, entry.reason, entry.error)
    return " · ".join(filter(None, parts))
