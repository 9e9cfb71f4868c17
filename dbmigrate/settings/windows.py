"""Maintenance windows: ``Sat 02:00-04:00 UTC``, ``Mon-Fri 22:00-04:00 Europe/Berlin``, ``daily 03:00-05:00 UTC``.

A window is what the clocks of its time zone show: on the day when they are put forward, an hour of it may not exist; on
the day when they are put back, it may come twice. One whose end is not after its begin ends on the next day.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING

from dbmigrate.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import tzinfo

__all__ = ["EXAMPLE", "Window", "is_open", "next_opening", "opening", "parse", "shown"]

EXAMPLE = "Sat 02:00-04:00 UTC"
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_FULL = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_EVERY_DAY = frozenset(range(7))
_FORM = re.compile(r"(\S+(?:\s*[,-]\s*[A-Za-z]\S*)*)\s+(\d\d?):(\d\d)\s*-\s*(\d\d?):(\d\d)(?:\s+(\S+))?")
_MIDNIGHT = 24 * 60
_AHEAD = 15  # days: a weekly window may not exist for once, when the clocks change


@frozen
class Window:
    """`text` is how it was written, `days` are those on which it begins (Monday is 0), `begin` and `end` minutes of the
    day."""

    text: str
    days: frozenset[int]
    begin: int
    end: int
    zone: tzinfo

    def contains(self, moment: datetime) -> bool:
        """Whether it is open at `moment`, which has a time zone."""
        local = moment.astimezone(self.zone)
        minute, today = local.hour * 60 + local.minute, local.weekday()
        if self.begin < self.end:
            return today in self.days and self.begin <= minute < self.end
        return (today in self.days and minute >= self.begin) or ((today - 1) % 7 in self.days and minute < self.end)

    def openings(self, moment: datetime) -> Iterator[datetime]:
        """When it opens after `moment`."""
        today = moment.astimezone(self.zone).date()
        for ahead in range(_AHEAD):
            day = today + timedelta(days=ahead)
            if day.weekday() not in self.days:
                continue
            begin = time(self.begin // 60, self.begin % 60)
            # by way of UTC: a time that the clocks skip becomes one that they show
            opening = datetime.combine(day, begin, self.zone).astimezone(UTC).astimezone(self.zone)
            if opening > moment and self.contains(opening):
                yield opening


def parse(text: str) -> Window:
    """Read one window. Raises ValueError that says what is wrong."""
    found = _FORM.fullmatch(text.strip())
    if found is None:
        raise ValueError(f'a window such as "{EXAMPLE}"')
    days, *numbers, zone = found.groups()
    if zone is None:
        raise ValueError(f'a window with its time zone, such as "{EXAMPLE}"')
    begin, end = _minutes(numbers[0], numbers[1]), _minutes(numbers[2], numbers[3])
    if begin in (end, _MIDNIGHT):
        raise ValueError("a window that begins before it ends")
    return Window(text.strip(), _days(days), begin, end, _zone(zone))


def is_open(windows: Sequence[Window], moment: datetime) -> bool:
    """Whether one of them is open; without any, always."""
    return not windows or any(window.contains(moment) for window in windows)


def next_opening(windows: Sequence[Window], moment: datetime) -> datetime | None:
    """When the first of them opens after `moment`, in the time zone of that window."""
    return min((opening for window in windows for opening in window.openings(moment)), default=None)


def opening(windows: Sequence[Window], moment: datetime) -> str:
    """When the first of them opens after `moment`, in words."""
    found = next_opening(windows, moment)
    if found is None:
        return "it does not open in the next two weeks"
    zone = "UTC" if not found.utcoffset() else found.tzname() or ""
    return f"it opens {found:%a %Y-%m-%d %H:%M} {zone}".rstrip()


def shown(windows: Sequence[Window]) -> str:
    return ", ".join(window.text for window in windows)


def _minutes(hours: str, minutes: str) -> int:
    total = int(hours) * 60 + int(minutes)
    if int(minutes) > 59 or total > _MIDNIGHT:
        raise ValueError(f"a window of times from 00:00 to 24:00, not {hours}:{minutes}")
    return total


def _days(text: str) -> frozenset[int]:
    if text.lower() in ("daily", "every-day"):
        return _EVERY_DAY
    found: set[int] = set()
    for part in re.split(r"\s*,\s*", text):
        first, _, last = (word.strip() for word in part.partition("-"))
        begin = _day(first)
        end = _day(last) if last else begin
        found.update((begin + number) % 7 for number in range((end - begin) % 7 + 1))
    return frozenset(found)


def _day(word: str) -> int:
    for names in (_DAYS, _FULL):
        if word.lower() in names:
            return names.index(word.lower())
    raise ValueError(f'a window of days such as Sat, Mon-Fri or daily, not "{word}"')


def _zone(name: str) -> tzinfo:
    """UTC needs no time zone data, which small images do not have."""
    if name.upper() in ("UTC", "Z", "GMT"):
        return UTC
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (OSError, ValueError) as exc:  # ZoneInfoNotFoundError is a KeyError
        raise ValueError(_unknown(name)) from exc
    except KeyError as exc:
        raise ValueError(_unknown(name)) from exc


def _unknown(name: str) -> str:
    return f'a window in a time zone that this machine knows (its package is called tzdata), not "{name}"'
