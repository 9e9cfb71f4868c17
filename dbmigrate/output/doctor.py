"""What `doctor` found: for people, as text for an issue, for programs. Pure."""

from __future__ import annotations

import ipaddress
import re
import shlex
from typing import TYPE_CHECKING

from dbmigrate.frozen import frozen
from dbmigrate.output import text
from dbmigrate.output.colour import Line, Style

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from dbmigrate.diagnostics.values import Diagnosis

_STYLES = {"ok": Style.SUCCESS, "warning": Style.WARNING, "failed": Style.ERROR}
_WIDTH = len("warning")
_ADDRESS = re.compile(r"(?<![\w.:])(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9a-fA-F]*:[0-9a-fA-F:]*:[0-9a-fA-F.]*)(?![\w.])")


@frozen
class Origin:
    """A part of the URL: its name, its value without secrets, and where it is from."""

    name: str
    value: str
    origin: str


@frozen
class Answer:
    """All of it. `url` is empty where no database is configured; `versions` and `names` are for the report.

    `names` are those of hosts, roles and databases, with what stands for them in a report.
    """

    url: str
    psql_url: str
    parts: Sequence[Origin]
    found: Sequence[Diagnosis]
    versions: Sequence[str] = ()
    names: Mapping[str, str] | None = None


def lines(answer: Answer) -> Iterator[Line | str]:
    """The URL with the origins of its parts, the line for psql, and what was looked at."""
    if answer.url:
        yield text.one_line(answer.url)
        name_width = max(len(part.name) for part in answer.parts)
        value_width = max(text.cells(text.one_line(part.value)) for part in answer.parts)
        for part in answer.parts:
            value = text.one_line(part.value)
            padding = " " * (value_width - text.cells(value))
            yield f"  {part.name:<{name_width}}  {value}{padding}  {text.one_line(part.origin)}"
        if answer.psql_url:
            yield text.one_line(psql_line(answer))
        yield ""
    for each in answer.found:
        yield from _found(each)


def psql_line(answer: Answer) -> str:
    """What to type to try it by hand; psql asks for the password."""
    return f"psql {shlex.quote(answer.psql_url)}"


def _found(each: Diagnosis) -> Iterator[Line]:
    code = f" ({each.code})" if each.code else ""
    label = f"{each.result.value:<{_WIDTH}}"
    rest = text.one_line(f"{each.subject}: {each.message}{code}")
    yield text.labelled(_STYLES[each.result.value], label, rest)
    if each.hint:
        yield text.labelled(Style.LABEL, " " * (_WIDTH + 3) + "hint:", text.one_line(each.hint))


def report(answer: Answer) -> Iterator[str]:
    """The same to paste into an issue: Markdown, with the versions, and without names of hosts, roles and databases."""
    hide = _hiding(answer.names or {})
    yield "```text"
    yield from answer.versions
    yield ""
    for line in lines(answer):
        yield hide(str(line)).replace("```", "'''")
    yield "```"


def _hiding(names: Mapping[str, str]) -> Callable[[str], str]:
    found = sorted((name for name in names if name), key=len, reverse=True)
    if not found:
        return lambda line: _ADDRESS.sub(_address, line)
    pattern = re.compile("|".join(rf"(?<![\w-]){re.escape(name)}(?![\w-])" for name in found))
    return lambda line: _ADDRESS.sub(_address, pattern.sub(lambda match: names[match[0]], line))


def _address(match: re.Match[str]) -> str:
    """Another word for an address, unless it is one of every machine."""
    try:
        found = ipaddress.ip_address(match[0])
    except ValueError:
        return match[0]
    return match[0] if found.is_loopback else "ADDRESS"


def value(answer: Answer) -> dict[str, object]:
    """All of it as data."""
    return {
        "url": answer.url or None,
        "psql": psql_line(answer) if answer.psql_url else None,
        "parts": [{"name": part.name, "value": part.value, "origin": part.origin} for part in answer.parts],
        "checks": [
            {
                "subject": each.subject,
                "result": each.result.value,
                "message": each.message,
                "hint": each.hint,
                "code": each.code,
            }
            for each in answer.found
        ],
    }
