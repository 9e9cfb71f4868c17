"""squawk beside our rules: the real program, and what becomes of what it says."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from dbmigrate.lint import RULES, LintConfig
from dbmigrate.lint.squawk import find_program
from dbmigrate.lint.squawk_rules import SQUAWK_RULES, Treatment
from dbmigrate.model import Severity
from tests.unit.lint.linting import codes, problems

needs_squawk = pytest.mark.skipif(find_program() is None, reason="squawk is not installed")
WITH = LintConfig(enabled=frozenset({"squawk:ban-char-field", "squawk:prefer-bigint-over-int"}))


def places(directory: Path, text: str, config: LintConfig = WITH) -> list[tuple[str, int, int]]:
    return [
        (each.code, each.place.line, each.place.column)
        for each in problems(directory, text, config=config)
        if each.place
    ]


@needs_squawk
def test_places_are_those_of_the_file(tmp_path: Path) -> None:
    text = '-- head\n\n-- migrate:up\n/* é😀 */ create table "ü😀" (é char(3));\n-- migrate:down irreversible:true\n'

    assert places(tmp_path, text) == [("squawk:ban-char-field", 4, text.split("\n")[3].index("char(3)") + 1)]


@needs_squawk
def test_down_sections_data_and_wrappers_are_not_shown(tmp_path: Path) -> None:
    text = (
        "-- migrate:up\nBEGIN;\nCOPY t FROM stdin;\n1\tchar(3); select from from;\n\\.\nCOMMIT;\n"
        "-- migrate:down\ncreate table x (a char(3));\n"
        "-- migrate:up transaction:false\ncreate table y (a char(3));\n-- migrate:down irreversible:true\n"
    )

    assert [place for place in places(tmp_path, text) if place[0].startswith("squawk")] == [
        ("squawk:ban-char-field", 10, 19)
    ]


@needs_squawk
def test_matters_of_taste_and_what_dbmigrate_handles_are_not_reported(tmp_path: Path) -> None:
    up = "create table x (a int primary key, b varchar(3), c timestamp, d serial); alter table t add column e int;"

    assert codes(tmp_path, up, config=LintConfig()) == []


@needs_squawk
@pytest.mark.parametrize(
    ("statement", "lines"),
    [
        ("select * from x\nwhere x between a and b or not f(y)", 1),  # PostgreSQL reads it, squawk 2.70 does not
        ("create tabel x (a int primary key,\nb text not null);\nselct 2", 2),
        ("selct 2", 1),
    ],
)
def test_what_squawk_cannot_read_is_a_note_for_each_statement(statement: str, lines: int, tmp_path: Path) -> None:
    text = f"-- migrate:up\nselect 1;\n{statement};\nselect 3;\n-- migrate:down irreversible:true\n"
    found = problems(tmp_path, text, config=LintConfig())

    assert [(each.code, each.severity) for each in found] == [("squawk:syntax-error", Severity.NOTE)] * lines
    assert all(each.message.startswith("squawk cannot parse this statement") for each in found)


@needs_squawk
def test_a_statement_that_our_rule_explains_is_not_reported_twice(tmp_path: Path) -> None:
    assert codes(tmp_path, "update t set a = 1 where b = 2 limit 3;", config=LintConfig()) == ["L151:2"]


@needs_squawk
def test_both_kinds_of_comments_suppress_what_squawk_says(tmp_path: Path) -> None:
    up = "alter table t alter column a drop not null;"

    assert codes(tmp_path, up, config=LintConfig()) == ["squawk:ban-drop-not-null:2"]
    assert codes(tmp_path, f"-- squawk-ignore ban-drop-not-null\n{up}", config=LintConfig()) == []
    assert codes(tmp_path, f"-- dbmigrate:ignore squawk:ban-drop-not-null: why not\n{up}", config=LintConfig()) == []
    assert codes(tmp_path, f"-- squawk-ignore-file\n{up}", config=LintConfig()) == []


@needs_squawk
def test_every_rule_of_squawk_that_stands_in_our_list_has_its_name(tmp_path: Path) -> None:
    import subprocess

    program = find_program()
    assert program is not None
    wanted = ",".join(name for name in SQUAWK_RULES if name not in ("syntax-error", "unused-ignore"))
    (tmp_path / "x.sql").write_text("select 1;\n")
    done = subprocess.run([program, "-e", wanted, str(tmp_path / "x.sql")], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr


def test_rules_that_are_replaced_say_by_which() -> None:
    replaced = {rule.name for rule in SQUAWK_RULES.values() if rule.treatment is Treatment.REPLACED}

    assert {name for rule in RULES.values() for name in rule.squawk} == replaced


def fake_squawk(directory: Path, script: str) -> None:
    program = directory / "squawk"
    program.write_text(f"#!{sys.executable}\n{script}\n")
    program.chmod(0o755)


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("import sys; sys.exit('no such option')", "W651"),
        ("print('nonsense')", "W651"),
        ("print('{}')", "W651"),
        ("import os; os.kill(os.getpid(), 9)", "W651"),
        ('print(\'[1, {"file": "elsewhere"}]\')', None),
    ],
)
def test_a_squawk_that_cannot_be_understood_is_a_warning(
    script: str, code: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path / "bin"
    directory.mkdir()
    fake_squawk(directory, script)
    monkeypatch.setattr(sys, "executable", os.fspath(directory / "python"))

    assert codes(tmp_path, "drop table t;", config=LintConfig()) == [*([f"{code}:"] if code else []), "L122:2"]


def test_rules_of_tomorrow_are_warnings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = tmp_path / "bin"
    directory.mkdir()
    said = (
        "[dict(file=sys.argv[-1], line=1, column=7, level='Error', message='new', help=None, rule_name='ban-tomorrow')]"
    )
    fake_squawk(directory, f"import json, sys; print(json.dumps({said})); sys.exit(1)")
    monkeypatch.setattr(sys, "executable", os.fspath(directory / "python"))
    found = problems(tmp_path, "-- migrate:up\nselect 1;\n-- migrate:down irreversible:true\n", config=LintConfig())

    assert [(each.code, each.severity, str(each.place).rpartition("/")[2]) for each in found] == [
        ("squawk:ban-tomorrow", Severity.WARNING, "2_add_things.sql:2:8")
    ]


def test_without_squawk_a_note_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", os.fspath(tmp_path / "python"))
    monkeypatch.setenv("PATH", os.fspath(tmp_path))
    found = problems(tmp_path, "-- migrate:up\nselect 1;\n-- migrate:down irreversible:true\n", config=LintConfig())

    assert [(each.code, each.severity) for each in found] == [("W650", Severity.NOTE)]
    assert "dbmigrate[lint]" in str(found[0].hint)
