"""Colours: on terminals only, and never part of what a line says."""

from __future__ import annotations

import io
import re

import pytest

from dbmigrate.output.colour import painted, wanted
from dbmigrate.output.renderer import Streams

_ESCAPE = re.compile(r"\x1b\[[\d;]*m")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("error[E401]: column does not exist", "error[E401]:"),
        ("warning[W301]: out of order", "warning[W301]:"),
        ("hint: try again", "hint:"),
        ("  hint: try again", "  hint:"),
        ("[X] 1_a.sql", "[X]"),
        ("[ ] 1_a.sql", "[ ]"),
        ("Applied: 1_a.sql in 4ms", "Applied:"),
        ("     | create table ^^ x", None),
        ("       |        ^^^^", "^^^^"),
        ("Applied: 3", None),
        ("nothing special: [X]", None),
        ('{"format": "dbmigrate/1"}', None),
    ],
)
def test_the_beginning_of_a_line_is_what_is_painted(line: str, part: str | None) -> None:
    shown = painted(line)

    assert _ESCAPE.sub("", shown) == line
    assert re.findall(r"\x1b\[[\d;]+m(.*?)\x1b\[0m", shown) == ([part] if part else [])


def test_every_line_of_a_block_is_looked_at() -> None:
    assert painted("error[E1]: a\nhint: b").count("\x1b[0m") == 2


@pytest.mark.parametrize(
    ("stream", "environ", "expected"),
    [
        (Terminal(), {}, True),
        (Terminal(), {"NO_COLOR": ""}, True),
        (Terminal(), {"NO_COLOR": "1"}, False),
        (Terminal(), {"TERM": "dumb"}, False),
        (io.StringIO(), {}, False),
        (io.StringIO(), {"FORCE_COLOR": "1"}, False),
    ],
)
def test_a_pipe_and_a_user_who_said_no_get_plain_text(
    stream: io.StringIO, environ: dict[str, str], expected: bool
) -> None:
    assert wanted(stream, environ) is expected


def test_each_stream_is_painted_for_itself() -> None:
    out, err = io.StringIO(), io.StringIO()
    streams = Streams(out, err, paint_err=painted)

    streams.result("[X] 1_a.sql")
    streams.talk("error[E1]: a")

    assert out.getvalue() == "[X] 1_a.sql\n"
    assert err.getvalue() == "\x1b[1;31merror[E1]:\x1b[0m a\n"


def test_a_script_is_never_painted() -> None:
    out = io.StringIO()

    Streams(out, out, paint_out=painted).raw(["[X] select 1;\n"])

    assert out.getvalue() == "[X] select 1;\n"
