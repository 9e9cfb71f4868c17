"""Comments that suppress a finding, and settings that disable a rule."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbmigrate.errors import ConfigError
from dbmigrate.lint import LintConfig
from dbmigrate.model import Severity
from tests.unit.lint.linting import OWN, codes, problems


@pytest.mark.parametrize(
    "up",
    [
        "-- dbmigrate:ignore L122: nobody used it\ndrop table t;",
        "--dbmigrate:ignore L122 : nobody used it\n-- another comment\n\ndrop table t;",
        "drop table t; -- dbmigrate:ignore L122: nobody used it",
        "drop table\n  -- dbmigrate:ignore L122: nobody used it\n  t;",
        "-- dbmigrate:ignore L121, L122 : nobody used them\nalter table u drop column a; drop table t;",
        "drop table t;\n-- dbmigrate:ignore-file L122: nobody used it",
    ],
)
def test_a_comment_with_a_reason_suppresses(up: str, tmp_path: Path) -> None:
    found = [code for code in codes(tmp_path, up) if not code.startswith("W653")]

    assert [code for code in found if code.startswith(("L122", "W"))] == []


def test_a_comment_for_the_file_may_stand_above_its_first_section(tmp_path: Path) -> None:
    text = (
        "-- dbmigrate:ignore-file L122 L121: nobody uses them\r\n\r\n-- migrate:up\r\ndrop table t;\r\n"
        "alter table u drop a;\r\n-- migrate:down irreversible:true\r\n"
    )

    assert problems(tmp_path, text) == ()


def test_a_comment_applies_to_its_statement_alone(tmp_path: Path) -> None:
    assert codes(tmp_path, "-- dbmigrate:ignore L122: unused\ndrop table t;\ndrop table u;") == ["L122:4"]


def test_a_comment_inside_a_string_or_block_comment_does_not_count(tmp_path: Path) -> None:
    up = "select '\n-- dbmigrate:ignore L122: x\n' /*\n-- dbmigrate:ignore L122: x\n*/; drop table t;"

    assert codes(tmp_path, up) == ["L122:6"]


def test_a_finding_about_the_down_section_is_ignored_there(tmp_path: Path) -> None:
    text = "-- migrate:up\nselect 1;\n-- migrate:down\n-- dbmigrate:ignore L141: told in the ticket\n"

    assert problems(tmp_path, text) == ()


def test_a_comment_without_a_reason_works_and_is_reported(tmp_path: Path) -> None:
    assert codes(tmp_path, "-- dbmigrate:ignore L122\ndrop table t;") == ["W652:2"]


def test_a_comment_that_suppresses_nothing_is_a_note(tmp_path: Path) -> None:
    found = problems(
        tmp_path, "-- migrate:up\n-- dbmigrate:ignore L101 L122: x\ndrop table t;\n-- migrate:down irreversible:true\n"
    )

    assert [(each.code, each.severity) for each in found] == [("W653", Severity.NOTE)]
    assert "L101" in found[0].message


@pytest.mark.parametrize(
    "comment", ["dbmigrate:ignore L999: x", "dbmigrate:ignore", "dbmigrate:ignore: why", "dbmigrate: ignore L122: x"]
)
def test_a_comment_that_names_no_rule_is_told(comment: str, tmp_path: Path) -> None:
    found = codes(tmp_path, f"-- {comment}\ndrop table t;")

    assert "W654:2" in found
    assert "L122:3" in found


def test_comments_of_squawk_apply_to_the_rules_that_replace_its_own(tmp_path: Path) -> None:
    assert codes(tmp_path, "-- squawk-ignore ban-drop-table\ndrop table t;") == []
    assert codes(tmp_path, "-- squawk-ignore-file\ndrop table t;") == []
    assert codes(tmp_path, "-- squawk-ignore renaming-column\ndrop table t;") == ["L122:3"]


def test_errors_of_the_parser_cannot_be_ignored(tmp_path: Path) -> None:
    found = problems(tmp_path, "-- dbmigrate:ignore-file E220: x\n-- migrate:up\nvacuum;\n-- migrate:down\n")

    assert [each.code for each in found] == ["E220"]


# ------------------------------------------------------------------------------------------------------------- settings


def test_a_setting_disables_a_rule_or_changes_its_severity(tmp_path: Path) -> None:
    config = LintConfig.from_mapping({"disable": ["L122"], "severity": {"L121": "error"}, "squawk": False})
    found = problems(
        tmp_path,
        "-- migrate:up\ndrop table t;\nalter table u drop column a;\n-- migrate:down irreversible:true\n",
        config=config,
    )

    assert [(each.code, each.severity) for each in found] == [("L121", Severity.ERROR)]


def test_all_settings_are_understood() -> None:
    config = LintConfig.from_mapping(
        {
            "disable": ["L101", "squawk:ban-drop-not-null", "squawk:of-tomorrow"],
            "enable": ["L171"],
            "severity": {"W653": "warning"},
            "squawk": False,
            "pg-version": "15.4",
        }
    )

    assert config.disabled == {"L101", "squawk:ban-drop-not-null", "squawk:of-tomorrow"}
    assert config.enabled == {"L171"}
    assert config.severities == {"W653": Severity.WARNING}
    assert (config.uses_squawk, config.server) == (False, 15)
    assert LintConfig.from_mapping({}) == LintConfig()


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"rules": []}, "unknown key rules"),
        ({"disable": "L101"}, "must be a list of codes"),
        ({"disable": ["L999"]}, "unknown rule L999"),
        ({"enable": [1]}, "must be a list of codes"),
        ({"severity": ["L101"]}, "must be a table"),
        ({"severity": {"L101": "fatal"}}, "unknown severity `fatal`"),
        ({"severity": {"L101": ["error"]}}, "unknown severity"),
        ({"squawk": "no"}, "true or false"),
        ({"pg-version": 12}, "PostgreSQL 12 is not supported"),
        ({"pg-version": True}, "must be a major version of PostgreSQL"),
        ({"pg-version": "x"}, "must be a major version of PostgreSQL"),
    ],
)
def test_a_wrong_setting_is_an_error_that_names_its_key(table: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        LintConfig.from_mapping(table, path="dbmigrate.toml: lint")

    assert caught.value.code == "E250"
    assert said in caught.value.message
    assert caught.value.message.startswith("dbmigrate.toml: lint: ")


def test_squawk_is_not_missed_where_it_is_switched_off(tmp_path: Path) -> None:
    assert codes(tmp_path, "select 1;", config=OWN) == []
