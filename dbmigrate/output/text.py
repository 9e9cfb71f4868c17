"""Values as text: durations, places, warnings and errors as lines. Pure functions; nothing is printed here."""

from __future__ import annotations

import itertools
import re
import unicodedata
from typing import TYPE_CHECKING

from dbmigrate.connection.redaction import masked
from dbmigrate.output.colour import OF_SEVERITY, Line, Style

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dbmigrate.errors import Error
    from dbmigrate.model import Excerpt, Problem
    from dbmigrate.reports import Report

# What comes from files and servers must not reach a terminal as an escape sequence, nor be shown in another order than
# it is written in (https://trojansource.codes): control characters, bidirectional formatting, Unicode's line ends.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
# Nor may it be a command for a CI runner. GitHub's takes "::" at the start of a line, behind white space too, and "##["
# anywhere (ActionCommand.cs of actions/runner); Azure's "##vso[", TeamCity's "##teamcity[".
_COMMAND = re.compile(r"^(\s*):(?=:)|#(?=#\w*\[)", re.MULTILINE)
_MARGIN = "    "
_BREAKING = "W700"  # nothing is wrong with it, but nobody should overlook it
WIDEST = 160  # columns of an excerpt where there is no terminal


def safe(text: str) -> str:
    """`text` with control characters made visible, except line feeds and tabs, and without commands to a CI runner."""
    shown = _CONTROL.sub(lambda found: _escape(found[0]), text.replace("\r\n", "\n"))
    return _COMMAND.sub(lambda found: (found[1] or "") + _escape(found[0][-1]), shown)


def _escape(character: str) -> str:
    number = ord(character)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"


def block(text: str) -> str:
    """Foreign `text`, made `safe`: its further lines are indented, so that none looks like one of ours."""
    return safe(text).replace("\n", f"\n{_MARGIN}")


def one_line(text: str) -> str:
    """`text` with every control character made visible: a file name stays in the line that names it."""
    return safe(text).replace("\n", "\\n").replace("\t", "\\t")


def go_duration(seconds: float) -> str:
    """A duration as dbmate prints it (Go's time.Duration): ``584.578µs``, ``1.991257ms``, ``1.003995036s``, ``1m2s``"""
    nanoseconds = round(seconds * 1e9)
    for limit, digits, unit in _GO_UNITS:
        if nanoseconds < limit:
            return _decimal(nanoseconds, digits) + unit
    minutes, rest = divmod(nanoseconds, 60 * 10**9)
    hours, minutes = divmod(minutes, 60)
    text = _decimal(rest, 9) + "s"
    return (f"{hours}h" if hours else "") + (f"{minutes}m" if minutes or hours else "") + text


# below how many nanoseconds Go writes a duration with how many decimals of which unit
_GO_UNITS = ((1, 0, "s"), (10**3, 0, "ns"), (10**6, 3, "µs"), (10**9, 6, "ms"))


def _decimal(number: int, digits: int) -> str:
    """`number` with the point before its last `digits`, without trailing zeros."""
    whole, part = divmod(number, 10**digits)
    fraction = f"{part:0{digits}}".rstrip("0") if part else ""
    return f"{whole}.{fraction}" if fraction else str(whole)


def duration(seconds: float) -> str:
    """A duration for people: ``14 ms``, ``7.2 s``, ``3 min 20 s``."""
    if round(seconds * 1000) < 1000:
        return f"{max(round(seconds * 1000), 1)} ms"
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"


def count(number: int, noun: str) -> str:
    """``1 file``, ``2 files``"""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def labelled(style: Style, label: str, rest: str) -> Line:
    """A line (or a block of them) that begins with a label in `style`; blanks before the label have no style."""
    indent = len(label) - len(label.lstrip(" "))
    return Line(block(f"{label} {rest}"), style, indent, len(safe(label)))


def problem_lines(found: Problem) -> Iterator[Line]:
    """A warning or note in one line, and a line for its hint."""
    place = f" ({found.place})" if found.place else ""
    style = Style.ERROR if found.code == _BREAKING else OF_SEVERITY[found.severity]
    yield labelled(style, f"{found.severity}[{found.code}]:", f"{found.message}{place}")
    if found.hint:
        yield labelled(Style.LABEL, "  hint:", found.hint)


def error_lines(error: Error, width: int = WIDEST, *, hide: Callable[[str], str] = str) -> Iterator[Line]:
    """An error: what failed, where, the lines of the file, the server's words, the state of the database, what to do.

    Lines of the file are cut at `width` characters. `hide` masks secrets that the excerpt may show.
    """
    yield labelled(Style.ERROR, f"error[{error.code}]:", error.message)
    if error.place is not None:
        yield labelled(Style.LABEL, "  -->", str(error.place))
    if error.excerpt is not None:
        yield from excerpt_lines(masked(error.excerpt, hide), width)
    for label, text in error.details:
        yield labelled(Style.LABEL, f"{label}:", text)
    if error.state:
        yield labelled(Style.LABEL, "state:", error.state)
    if error.hint:
        yield labelled(Style.LABEL, "hint:", error.hint)


def excerpt_lines(excerpt: Excerpt, width: int = WIDEST) -> Iterator[Line]:
    """The lines with their numbers, and the caret below the last one.

    Long lines are cut around the caret. The underlining ends where its line ends or is cut.
    """
    margin = len(str(excerpt.lines[-1][0]))
    begin = max(excerpt.column - 1 - width // 2, 0) if len(excerpt.lines[-1][1]) > width else 0
    for number, line in excerpt.lines:
        yield Line(safe(f"  {number:>{margin}} | {line[begin : begin + width]}".rstrip()).replace("\n", "\\n"))
    last = excerpt.lines[-1][1][begin : begin + width]
    before, under = last[: excerpt.column - 1 - begin], last[excerpt.column - 1 - begin :][: excerpt.width]
    padding = "".join("\t" if character == "\t" else " " * _cells(character) for character in safe(before))
    room = max(width - len(padding), 1)
    lead = f"  {'':>{margin}} | {padding}"
    caret = "^" * min(max(cells(safe(under)), 1), room)
    yield Line(lead + caret, Style.ERROR, len(lead), len(lead) + len(caret))


def cells(line: str) -> int:
    """How many columns of a terminal a line without tabs takes."""
    return sum(map(_cells, line))


def cut(line: str, width: int) -> str:
    """As much of the beginning of `line` as fits into `width` columns of a terminal."""
    ends = itertools.accumulate(map(_cells, line))
    return line[: sum(end <= width for end in ends)]


def _cells(character: str) -> int:
    """Two for East Asian wide characters and emoji, none for marks and joiners that stand on the one before."""
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def closing_line(command: str, report: Report) -> str:
    """``2 applied in 7.3 s · version 20260301090000 · wrote db/schema.sql (+14 -0)``"""
    if not report.done and not report.deferred:
        return "Nothing to do" + (f": version {report.current} is current" if report.current else "")
    run = [outcome.step for outcome in report.done if outcome.step.runs_sql]
    repeatable = sum(step.log_kind == "repeatable" for step in run)
    ups = sum(step.direction == "up" for step in run) - repeatable
    counts = (
        (len(run) - ups - repeatable, "rolled back"),
        (ups, "applied"),
        (repeatable, "repeatable run"),
        (len(report.done) - len(run), "recorded"),
        (len(report.deferred), "deferred"),
    )
    done = ", ".join(f"{number} {what}" for number, what in counts if number)
    parts = [f"{done} in {duration(report.seconds or sum(outcome.seconds for outcome in report.done))}"]
    if report.current:
        parts.append(f"version {report.current}")
    elif report.done and report.done[-1].step.direction == "down":  # after an `up` it is only not known
        parts.append("no version is applied")
    if report.schema is not None:
        parts.append(f"wrote {report.schema.path} (+{report.schema.added} -{report.schema.removed})")
    return " · ".join(parts)
