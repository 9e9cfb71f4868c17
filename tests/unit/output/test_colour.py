"""Colours: on terminals only, and never part of what a line says."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable

import pytest

from dbmigrate.errors import MigrationFailed
from dbmigrate.model import Excerpt, Place, Problem, Severity
from dbmigrate.output import findings, text
from dbmigrate.output.colour import Line, Style, coloured, plain, wanted
from dbmigrate.output.renderer import Streams

_ESCAPE = re.compile(r"\x1b\[[\d;]*m")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def styled(lines: Iterable[Line | str]) -> list[str]:
    """What stands out in the lines, which say the same without it."""
    shown = [coloured(line) for line in lines]
    assert [_ESCAPE.sub("", each) for each in shown] == [plain(line) for line in lines]
    return re.findall(r"\x1b\[[\d;]+m(.*?)\x1b\[0m", "\n".join(shown))


def test_an_error_has_a_label_for_each_of_its_parts() -> None:
    error = MigrationFailed(
        "no such column",
        code="E401",
        hint="a hint",
        place=Place("a.sql", 3, 8),
        excerpt=Excerpt(((3, "select hint: x"),), 8, 4),
        details=(("DETAIL", "error[E999]: not ours"),),
    )
    error.state = "nothing was changed"

    assert styled(tuple(text.error_lines(error))) == ["error[E401]:", "-->", "^^^^", "DETAIL:", "state:", "hint:"]


@pytest.mark.parametrize("severity", Severity)
def test_a_problem_and_its_hint_have_labels(severity: Severity) -> None:
    problem = Problem("W1", "odd", severity, hint="mend it")

    assert styled(tuple(text.problem_lines(problem))) == [f"{severity}[W1]:", "hint:"]
    assert styled(tuple(findings.human([problem], files=1)))[:2] == [f"{severity}[W1]:", "hint:"]


def test_control_characters_in_a_label_do_not_move_the_style() -> None:
    assert styled([text.labelled(Style.ERROR, "error[\x1b[0m]:", "\x1b a")]) == ["error[\\x1b[0m]:"]


@pytest.mark.parametrize("line", ["Applied: 3", "error[E401]: in a text of somebody's", "hint: a text", "[X] 1_a.sql"])
def test_text_without_a_style_stays_plain(line: str) -> None:
    assert coloured(line) == coloured(Line(line)) == line


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
    streams = Streams(out, err, show_err=coloured)

    streams.result(text.labelled(Style.SUCCESS, "[X]", "1_a.sql"))
    streams.message(text.labelled(Style.ERROR, "error[E1]:", "a"))

    assert out.getvalue() == "[X] 1_a.sql\n"
    assert err.getvalue() == "\x1b[1;31merror[E1]:\x1b[0m a\n"


def test_a_script_is_never_painted() -> None:
    out = io.StringIO()

    Streams(out, out, show_out=coloured).raw(["[X] select 1;\n"])

    assert out.getvalue() == "[X] select 1;\n"
