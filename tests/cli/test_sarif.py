"""``--format sarif``: what code scanning takes, and what would make it refuse a file or open an alert twice."""

from __future__ import annotations

import json
import shutil
from urllib.parse import unquote

import pytest

from tests.support import sarif
from tests.support.git import Repository
from tests.support.projects import Project
from tests.support.unavailable import UnavailableError

INDEX = "create index i on t (a);"
NAMES = ("1_add_i", "2_ä b%23#'")
SHOP = "services/shop"


@pytest.fixture
def project(tmp_path, tmp_path_factory):
    """A service in a directory of a repository."""
    Repository.made(tmp_path, tmp_path_factory.mktemp("home"))
    made = Project(tmp_path / SHOP)
    made.migrations.mkdir(parents=True)
    (made.root / "dbmigrate.toml").write_text("[lint]\nsquawk = false\n")
    return made


@pytest.fixture
def scan(run, project, server):
    """Runs a command in the service's directory, as a job does."""

    def run_it(*arguments, cwd=project.root):
        env = {"DBMIGRATE_SCRATCH_URL": server.url("postgres")}
        return run(*arguments, "--format", "sarif", env=env, cwd=cwd)

    return run_it


@pytest.fixture
def scanned(scan):
    """The only run of the log that a command prints."""

    def run_it(*arguments, code=1, cwd=None):
        done = scan(*arguments, **({"cwd": cwd} if cwd else {}))
        assert done.exit_code == code, done.stderr
        (only,) = json.loads(done.stdout)["runs"]
        return only

    return run_it


def faulty(project):
    project.migration(NAMES[0], up=INDEX)
    project.migration(NAMES[1], up='drop table x; alter table "Größe\u202e" drop column a;', down="select 1;")
    project.write("3_broken.sql", "-- migrate:up\nselect 'x;\n")


def location(result):
    (place,) = result["locations"]
    return place["physicalLocation"]


def uris(found):
    return [location(each)["artifactLocation"]["uri"] for each in found["results"]]


def fingerprints(found):
    return [each["partialFingerprints"]["dbmigrate/v1"] for each in found["results"]]


@pytest.mark.parametrize("command", [("lint",), ("check", "--no-dump-schema")])
def test_the_schema_of_the_standard_takes_it(scan, project, tmp_path, command):
    faulty(project)
    written = tmp_path / "out.sarif"

    done = scan(*command)
    written.write_text(done.stdout)

    assert done.exit_code == 1
    assert len(json.loads(done.stdout)["runs"][0]["results"]) > 3
    try:
        assert sarif.schema_faults(written) == ""
    except UnavailableError as exc:
        pytest.skip(str(exc))


def test_the_schema_refuses_a_key_that_it_does_not_know(scan, project, tmp_path):
    faulty(project)
    log = json.loads(scan("lint").stdout)
    log["runs"][0]["results"][0]["hint"] = "x"
    (tmp_path / "out.sarif").write_text(json.dumps(log))

    try:
        assert "hint" in sarif.schema_faults(tmp_path / "out.sarif")
    except UnavailableError as exc:
        pytest.skip(str(exc))


@pytest.mark.matrix
@pytest.mark.slow
def test_the_validator_finds_nothing_by_the_rules_of_github(scan, project, tmp_path_factory):
    faulty(project)
    directory = tmp_path_factory.mktemp("validated")
    log = json.loads(scan("lint").stdout)
    (directory / "out.sarif").write_text(json.dumps(log))
    log["runs"][0]["results"][0]["locations"] = []
    (directory / "placeless.sarif").write_text(json.dumps(log))

    try:
        found = sarif.validator_findings(directory / "out.sarif", directory / "found.sarif")
        placeless = sarif.validator_findings(directory / "placeless.sarif", directory / "placeless_found.sarif")
    except UnavailableError as exc:
        pytest.skip(str(exc))

    assert found == []
    assert "GH1015" in {each["ruleId"] for each in placeless}  # so it does look


def test_every_result_has_a_location_of_the_repository(scanned, project):
    faulty(project)

    found = scanned("lint")

    for result in found["results"]:
        place = location(result)
        assert place["artifactLocation"]["uriBaseId"] == "%SRCROOT%"
        assert place["region"]["startLine"] >= 1
        assert place["region"]["startColumn"] >= 1
    files = {f"{SHOP}/db/migrations/{name}.sql" for name in (*NAMES, "3_broken")}
    assert {unquote(uri) for uri in uris(found)} == files
    assert all(uri.isascii() and not set(uri) & set(" #?") for uri in uris(found))


def test_what_is_about_no_file_is_shown_at_a_file(scanned, project):
    """Without a location GitHub refuses the whole file."""
    project.migration("1_a", up="create table a ();", down="drop table a;")
    project.migration("2_b", up="select nonsense;", down_options="irreversible:true")
    project.migration("3_c", up="create table c ();", down="drop table c;")

    found = scanned("check", "--no-lint", "--no-dump-schema")

    (left_out,) = (each for each in found["results"] if each["ruleId"] == "C114")
    assert location(left_out)["artifactLocation"]["uri"] == f"{SHOP}/db/migrations/3_c.sql"
    assert location(left_out)["region"] == {"startLine": 1, "startColumn": 1}
    assert left_out["level"] == "note"


def test_a_directory_given_from_the_root_has_the_paths_of_the_repository(scanned, project):
    faulty(project)

    given = scanned("-d", project.migrations, "lint")

    assert uris(given) == uris(scanned("lint"))


def test_a_file_outside_of_the_repository_is_named_in_the_text(scanned, project, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    (outside / "1_add_i.sql").write_text(f"-- migrate:up\n{INDEX}\n-- migrate:down\ndrop index i;\n")

    (result,) = scanned("-d", outside, "lint")["results"]

    assert location(result)["artifactLocation"]["uri"] == f"{SHOP}/dbmigrate.toml"
    assert "1_add_i.sql:2:1: CREATE INDEX" in result["message"]["text"]


def test_a_fingerprint_stays_when_lines_and_blanks_move(scanned, project):
    project.migration("1_add_i", up=INDEX, down="drop index i;")
    before = scanned("lint")
    project.migration("1_add_i", up=f"-- why\n\n   {INDEX.replace(' on ', '   on  ')}", down="drop index i;")
    after = scanned("lint")

    assert location(before["results"][0])["region"] != location(after["results"][0])["region"]
    assert fingerprints(before) == fingerprints(after)


def test_two_of_the_same_are_two_and_another_file_is_another(scanned, project):
    project.migration("1_add_i", up=f"{INDEX}\n{INDEX}", down="drop index i;")
    project.migration("2_add_i", up=INDEX, down="drop index i;")

    found = fingerprints(scanned("lint"))

    assert len(found) == len(set(found)) == 3


def test_nothing_found_is_a_result_too(scanned, project):
    """It closes the alerts of the upload before."""
    project.migration("1_create_a", up="create table a (id bigint primary key);", down="drop table a;")

    found = scanned("lint", code=0)

    assert found["results"] == found["tool"]["driver"]["rules"] == []


def test_each_command_and_service_has_its_own_results(scanned, project):
    project.migration("1_create_a", up="create table a (id bigint primary key);", down="drop table a;")

    found = scanned("lint", code=0), scanned("check", "--no-dump-schema", code=0)
    ids = [each["automationDetails"]["id"] for each in found]

    assert ids == [f"dbmigrate/{command}/{SHOP}/db/migrations/" for command in ("lint", "check")]


def test_each_result_has_its_rule_with_a_page(scanned, project):
    faulty(project)

    found = scanned("lint")

    rules = found["tool"]["driver"]["rules"]
    for result in found["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in ("error", "warning", "note")
    by_code = {rule["id"]: rule for rule in rules}
    assert by_code["L101"]["help"]["markdown"].startswith("**CREATE INDEX without CONCURRENTLY.**\n\nThe build reads")
    assert "concurrently" in by_code["L101"]["help"]["text"]
    assert all(rule["fullDescription"]["text"].endswith(".") for rule in rules)


def test_outside_of_a_repository_paths_begin_in_the_current_directory(scanned, project, tmp_path):
    shutil.rmtree(tmp_path / ".git")
    project.migration("1_add_i", up=INDEX, down="drop index i;")

    found = scanned("lint")

    assert uris(found) == ["db/migrations/1_add_i.sql"]
    assert found["automationDetails"]["id"] == "dbmigrate/lint/db/migrations/"


def test_a_password_in_a_file_is_not_in_it(scan, project):
    project.migration("1_a", up="create role app login password 's3cret-word';", down="drop role app;")

    done = scan("lint")

    assert "L161" in done.stdout
    assert "s3cret-word" not in done.stdout


def test_check_of_branches_prints_it_too(scanned, project, tmp_path, tmp_path_factory):
    project.migration("1_create_a", up="create table a (id bigint primary key);", down="drop table a;")
    Repository(tmp_path, tmp_path_factory.mktemp("committer")).commit()

    (note,) = scanned("check", "--branch", "HEAD", code=0)["results"]

    assert note["ruleId"] == "C133"
    assert location(note)["artifactLocation"]["uri"] == f"{SHOP}/db/migrations/1_create_a.sql"
