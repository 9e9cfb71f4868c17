"""The project file's table for deployments, and how a deployment is told."""

from __future__ import annotations

import pytest

from dbmigrate.deploy.health import CommandCheck, Patience, UrlCheck
from dbmigrate.deploy.settings import DeployConfig, OnFailure
from dbmigrate.errors import ConfigError
from dbmigrate.events import Phase, PhaseDone
from dbmigrate.output import deploying


def test_nothing_said_is_a_backup_and_a_rollback_and_no_check():
    assert DeployConfig.from_mapping({}, origin="dbmigrate.toml") == DeployConfig(
        backup_dir="./backups", patience=Patience(5, 2.0), on_failure=OnFailure.ROLLBACK
    )


def test_every_key_is_read():
    table = {
        "backup": "safe",
        "health-url": ["http://a/", "http://b/"],
        "health-header": "X-Key: abc",
        "health-command": "true",
        "health-retries": 0,
        "health-interval": "500ms",
        "on-failure": "keep",
    }

    config = DeployConfig.from_mapping(table, origin="dbmigrate.toml")

    headers = (("X-Key", "abc"),)
    assert config.checks == (UrlCheck("http://a/", headers), UrlCheck("http://b/", headers), CommandCheck("true"))
    assert (config.backup_dir, config.patience, config.on_failure) == ("safe", Patience(0, 0.5), OnFailure.KEEP)
    assert "abc" not in repr(config)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"health-urls": "http://a/"}, "unknown key deploy.health-urls"),
        ({"x": 1}, "unknown key deploy.x"),
        ({"backup": True}, "deploy.backup must be a directory, or false"),
        ({"backup": ""}, "deploy.backup must be a directory, or false"),
        ({"backup": 3}, "deploy.backup must be a directory, or false"),
        ({"health-url": 3}, "deploy.health-url must be a string or a list of strings"),
        ({"health-url": ["http://a/", 3]}, "deploy.health-url must be a string or a list of strings"),
        ({"health-url": "a"}, "deploy: a health URL is not one of http:// or https://"),
        ({"health-header": "secret"}, "deploy: a health header is not of the form"),
        ({"health-command": " "}, "deploy: a health command is empty"),
        ({"health-retries": -1}, "deploy.health-retries must be a number from 0"),
        ({"health-retries": True}, "deploy.health-retries must be a number from 0"),
        ({"health-retries": 1.5}, "deploy.health-retries must be a number from 0"),
        ({"health-interval": 2}, "deploy.health-interval must be a duration"),
        ({"health-interval": "2"}, 'health-interval: "2" is not a duration'),
        ({"on-failure": "stop"}, "deploy.on-failure must be rollback or keep"),
        ({"on-failure": ["keep"]}, "deploy.on-failure must be rollback or keep"),
    ],
)
def test_a_mistake_names_the_file_and_the_key(table, words):
    with pytest.raises(ConfigError) as caught:
        DeployConfig.from_mapping(table, origin="dbmigrate.toml")

    assert caught.value.code == "E257"
    assert caught.value.message.startswith("dbmigrate.toml: ")
    assert words in caught.value.message


def test_a_misspelt_key_is_guessed():
    with pytest.raises(ConfigError) as caught:
        DeployConfig.from_mapping({"health_url": "http://a/"}, origin="pyproject.toml")

    assert caught.value.hint == "did you mean health-url?"


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (12_345_678, "12.3 MB"),
        (5 * 10**15, "5000.0 TB"),
    ],
)
def test_a_size_has_three_digits_and_a_unit(number, shown):
    assert deploying.size(number) == shown


def test_a_phase_stays_on_its_line():
    assert deploying.line(PhaseDone(Phase.BACKUP, "a\nb\x1b[31m")) == "backup   a\\nb\\x1b[31m"
