"""A breaking change is shown in red on a terminal, in a warning and in `status`."""

from __future__ import annotations

from dbmigrate.model import Problem
from dbmigrate.output import text
from dbmigrate.output.colour import coloured


def test_its_warning_is_red_and_others_are_not():
    lines = [next(text.problem_lines(Problem(code, "message"))) for code in ("W700", "W301")]

    assert [coloured(line)[:7] for line in lines] == ["\x1b[1;31m", "\x1b[33mwa"]
