"""`log_events`: what happens during a run, in Python's own logs."""

from __future__ import annotations

import logging

import pytest

from dbmigrate import Error, Migrator, Options, log_events


def migrator(url, project, service=None):
    options = Options(directories=(str(project.migrations),))
    return Migrator(url, options, on_event=log_events(service))


def test_a_service_finds_its_lines_under_its_name(database_url, project, caplog):
    project.migration("001_add_availability_columns", up="create table a (id int);")
    project.migration("002_add_ranking_config", up="create table b (id int);")
    caplog.set_level(logging.INFO, logger="dbmigrate")

    migrator(database_url, project, "discovery-svc").up()

    assert [record.getMessage() for record in caplog.records][1:] == [
        "Found 2 pending migrations",
        "Applying migration 001_add_availability_columns",
        "Successfully applied migration 001_add_availability_columns",
        "Applying migration 002_add_ranking_config",
        "Successfully applied migration 002_add_ranking_config",
        "All migrations completed successfully",
    ]
    assert caplog.records[0].getMessage().startswith("Starting: ")
    assert {record.name for record in caplog.records} == {"dbmigrate.discovery-svc"}
    assert caplog.records[3].dbmigrate["version"] == "001"


def test_a_failure_is_logged_as_an_error_and_nothing_completes(database_url, project, caplog):
    project.migration("1_a", up="select 1 from missing;")
    caplog.set_level(logging.INFO, logger="dbmigrate")

    with pytest.raises(Error):
        migrator(database_url, project).up()

    assert caplog.records[-1].levelno == logging.ERROR
    assert caplog.records[-1].getMessage() == "Failed migration 1_a"
    assert {record.name for record in caplog.records} == {"dbmigrate"}
