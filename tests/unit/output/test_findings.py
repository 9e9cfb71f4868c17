"""Findings in every format, also where names, messages and SQL try to break it."""

from __future__ import annotations

import json
import re

import pytest

from dbmigrate.model import Excerpt, Place, Problem, Severity
from dbmigrate.output import findings, reports

LINE = Excerpt(((4, "create index i on t (a);"),), 8, 5)
ONE = Problem("L101", "blocks writes", Severity.WARNING, Place("db/1_a.sql", 4, 8), "do it otherwise", LINE)
HOSTILE = (
    "\x1b[31m::error file=x::y\r\n::stop-commands::t | a | b `c` ```` </details> <script> @team #1 [x](http://y) "
    "_z_ * %0A \u2028 é😀"
)
EVIL = Problem(
    "squawk:x", HOSTILE, Severity.ERROR, Place(f"db/{HOSTILE}.sql", 2, 3), HOSTILE, Excerpt(((2, HOSTILE),), 3)
)


def many(severity: Severity, number: int) -> list[Problem]:
    return [Problem("L101", f"number {each}", severity, Place("a.sql", each + 1)) for each in range(number)]


def test_people_get_a_block_for_each_and_a_closing_line() -> None:
    assert list(map(str, findings.human([ONE], files=6))) == [
        "warning[L101]: blocks writes",
        "  --> db/1_a.sql:4:8",
        "  4 | create index i on t (a);",
        "    |        ^^^^^",
        "hint: do it otherwise",
        "",
        "1 warning in 1 of 6 files · explain one: dbmigrate explain L101",
    ]
    assert list(findings.human([], files=1)) == ["no findings in 1 file"]


def test_the_closing_line_counts_by_severity_and_names_the_worst() -> None:
    problems = [*many(Severity.NOTE, 1), ONE, *many(Severity.ERROR, 2)]

    assert findings.closing_line(problems, files=9).startswith("2 errors, 1 warning, 1 note in 2 of 9 files")
    assert findings.worst_first([ONE, EVIL]) == [EVIL, ONE]


def test_the_closing_line_never_counts_more_files_than_there_are() -> None:
    schema_file = Problem("C105", "is not recorded", Severity.ERROR, Place("./db/schema.sql", 1))

    assert findings.closing_line([ONE, schema_file], files=1).startswith("1 error, 1 warning in 2 files · ")


def test_no_line_for_people_holds_a_control_character() -> None:
    lines = list(map(str, findings.human([EVIL], files=1)))

    assert not re.search(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]", "".join(lines))


@pytest.mark.parametrize(
    ("severity", "threshold", "expected"),
    [("note", "warning", False), ("note", "note", True), ("warning", "error", False), ("error", "warning", True)],
)
def test_what_fails_depends_on_the_threshold(severity: str, threshold: str, expected: bool) -> None:
    assert findings.is_bad(many(Severity(severity), 1), Severity(threshold)) is expected
    assert not findings.is_bad([], Severity(threshold))


def test_programs_get_numbers_and_all_fields() -> None:
    value = json.loads(json.dumps(findings.value([ONE, EVIL], files=2)))

    assert (value["files"], value["errors"], value["warnings"], value["notes"]) == (2, 1, 1, 0)
    assert value["findings"][0] == {
        "code": "L101",
        "severity": "warning",
        "message": "blocks writes",
        "hint": "do it otherwise",
        "path": "db/1_a.sql",
        "line": 4,
        "column": 8,
    }


# -------------------------------------------------------------------------------------------------------------- GitHub


def test_an_annotation_is_one_command() -> None:
    lines = list(reports.github([ONE], files=1))

    assert lines[0] == "::warning file=db/1_a.sql,line=4,col=8,title=L101::blocks writes%0Ado it otherwise"
    assert lines[1].startswith("1 warning")


def test_paths_begin_as_the_repository_names_them() -> None:
    problem = Problem("C105", "is not recorded", Severity.ERROR, Place("./db/schema.sql", 1))

    assert "file=db/schema.sql," in next(reports.github([problem], files=1))
    assert json.loads(reports.gitlab([problem]))[0]["location"]["path"] == "db/schema.sql"


def test_nothing_gets_out_of_an_annotation() -> None:
    first, *rest = reports.github([EVIL], files=1)
    properties, message = re.fullmatch(r"::error ([^\r\n]*?)::([^\r\n]*)", first).groups()  # type: ignore[union-attr]

    assert [part.partition("=")[0] for part in properties.split(",")] == ["file", "line", "col", "title"]
    assert ":" not in properties
    assert "%0A\\x3a:stop-commands" in message
    assert not any(line.startswith("::") for line in rest)


def test_ten_of_a_kind_are_shown_the_worst_first() -> None:
    problems = [*many(Severity.NOTE, 11), *many(Severity.WARNING, 12), *many(Severity.ERROR, 13)]
    lines = list(reports.github(problems, files=1))

    assert [line.split()[0] for line in lines[:30]] == ["::error"] * 10 + ["::warning"] * 10 + ["::notice"] * 10
    assert lines[30] == "and 6 more in the summary"


# -------------------------------------------------------------------------------------------------------------- GitLab


def test_a_code_quality_report_has_what_gitlab_asks_for() -> None:
    (entry,) = json.loads(reports.gitlab([ONE]))

    assert entry["severity"] == "minor"
    assert entry["location"] == {"path": "db/1_a.sql", "lines": {"begin": 4}}
    assert re.fullmatch("[0-9a-f]{64}", entry["fingerprint"])
    assert json.loads(reports.gitlab([])) == []
    assert reports.gitlab([EVIL]).isascii()


def test_a_fingerprint_survives_lines_above_it_and_tells_twins_apart() -> None:
    moved = Problem(
        ONE.code, ONE.message, ONE.severity, Place("db/1_a.sql", 9, 8), ONE.hint, Excerpt(((9, LINE.lines[0][1]),), 8)
    )
    first, twin = (entry["fingerprint"] for entry in json.loads(reports.gitlab([ONE, ONE])))

    assert json.loads(reports.gitlab([moved]))[0]["fingerprint"] == first
    assert twin != first


# ------------------------------------------------------------------------------------------------------------- summary


def test_a_summary_has_a_table_and_the_lines() -> None:
    text = reports.summary([ONE], title="Lint", files=2)

    assert text.startswith("## Lint: 1 warning\n")
    assert "| warning | L101 | db/1&#95;a.sql:4:8 | blocks writes |\n" in text
    assert "```sql\ncreate index i on t (a);\n```" in text
    assert "no findings" in reports.summary([], title="Lint", files=2)


def test_nothing_gets_out_of_its_cell_or_block() -> None:
    text = reports.summary([EVIL], title="Lint", files=1)
    rows = [line for line in text.splitlines() if line.startswith("| error")]
    fence = re.search(r"^(`{4,})sql$", text, re.MULTILINE)

    assert len(rows) == 1
    assert rows[0].count("|") == 5
    assert not re.search(r"[`<>@#*_\[\]](?!\d+;)", rows[0].replace("&#", ""))
    assert fence is not None
    assert len(fence[1]) > 4
    assert text.count("</details>") == 2  # the one of the block, and the one that is only text in the code
    assert "\x1b" not in text


def test_a_summary_is_cut_between_findings() -> None:
    long = [Problem("L101", "x" * 5000, Severity.NOTE, Place(f"{each}.sql", 1)) for each in range(400)]
    text = reports.summary(long, title="Lint", files=400)

    assert len(text.encode()) <= reports.LARGEST_SUMMARY
    assert text.count("<details>") == text.count("</details>")
    assert text.endswith("... and more: the rest is in the log.\n")


def test_annotations_of_a_project_in_a_repository_name_paths_from_its_top():
    problem = Problem("L101", "odd", place=Place("./db/migrations/1_a.sql", 3))

    (line, _) = reports.github(reports.below("services/shop/", [problem]), files=1)

    assert "file=services/shop/db/migrations/1_a.sql,line=3" in line
