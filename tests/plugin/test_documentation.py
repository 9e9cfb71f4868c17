"""The how-to of the plugin for pytest says what the plugin does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import dbmigrate
from tests.plugin.conftest import Sessions

TEXT = (Path(dbmigrate.__file__).parent.parent / "docs" / "how-to" / "test-with-pytest.md").read_text()


def test_its_example_runs(sessions: Sessions) -> None:
    for file in (sessions.root / "db" / "migrations").iterdir():
        file.unlink()
    (sessions.root / "pytest.ini").unlink()
    (sessions.root / "tests").mkdir()
    for title, text in re.findall(r'```\w+ title="([^"]+)"\n(.*?)```', TEXT, re.DOTALL):
        (sessions.root / title).write_text(text)

    outcome = sessions.run("-p", "no:cacheprovider")

    assert (outcome.code, outcome.counts) == (0, {"passed": 4}), outcome.output


def test_it_has_every_option_setting_and_fixture(pytestconfig: pytest.Config) -> None:
    plugin = pytestconfig.pluginmanager.get_plugin("dbmigrate")
    fixtures = {name for name in vars(plugin) if name.startswith("dbmigrate_")}
    settings = {name for name in pytestconfig._parser._inidict if name.startswith("dbmigrate_")}
    groups = [group for group in pytestconfig._parser._groups if group.name == "dbmigrate"]
    options = {name for group in groups for option in group.options for name in option.names()}

    assert set(re.findall(r"^\| `([^`]+)` \|", TEXT, re.MULTILINE)) >= fixtures | settings | options
    assert (len(fixtures), len(settings), len(options)) == (6, 5, 2)
