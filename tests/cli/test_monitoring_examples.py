"""The alerts and the dashboard of `examples`, with Prometheus itself."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.support import prometheus
from tests.support.moments import closed_window
from tests.support.servers import cache_directory
from tests.support.unavailable import UnavailableError

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
DASHBOARD = EXAMPLES / "grafana-dashboard.json"


@pytest.fixture(scope="session")
def programs():
    """Where promtool and the others are; a skip with the reason where they cannot be had."""
    import os

    try:
        return prometheus.programs(cache=cache_directory(os.environ))
    except UnavailableError as exc:
        pytest.skip(f"Prometheus: {exc}")


def queries():
    board = json.loads(DASHBOARD.read_text())
    return [target["expr"] for panel in board["panels"] for target in panel["targets"]]


def names(text):
    return set(re.findall(r"\bdbmigrate_\w+", text))


@pytest.fixture
def written(run, database_url, project):
    """The metrics file after all that it can tell."""
    project.migration("1_a", up="create table a (id int);", down="drop table a;")
    path = project.root / "textfiles" / "production.prom"
    path.parent.mkdir()
    window = f'[environments.production]\nwindow = "{closed_window()}"\n'
    (project.root / "dbmigrate.toml").write_text(window)
    environ = {"PRODUCTION_DATABASE_URL": database_url, "DBMIGRATE_NO_DUMP_SCHEMA": "true"}
    for command in (("up",), ("rollback",), ("up",)):
        options = ("--yes", "--outside-window", "test", "--metrics-file", str(path))
        done = run("-e", "production", *command, *options, env=environ)
        assert done.exit_code == 0, done.stderr
    return path


def test_alerts_and_dashboard_ask_for_metrics_that_exist(written):
    known = set(re.findall(r"^(dbmigrate_\w+)\{", written.read_text(), re.MULTILINE))

    assert names((EXAMPLES / "alerts.yml").read_text()) - {"dbmigrate_rollbacks_total"} <= known
    assert names(" ".join(queries())) == known


def test_every_alert_has_a_test():
    rules = yaml.safe_load((EXAMPLES / "alerts.yml").read_text())["groups"][0]["rules"]
    tests = yaml.safe_load((EXAMPLES / "alerts_test.yml").read_text())["tests"]
    fired = {each["alertname"] for test in tests for each in test["alert_rule_test"] if each["exp_alerts"]}

    assert {rule["alert"] for rule in rules} == fired
    assert sorted(rule["labels"]["severity"] for rule in rules) == ["critical", "critical", "warning", "warning"]


def test_the_file_is_read_by_the_parser_of_prometheus_own_client(written):
    parser = pytest.importorskip("prometheus_client.parser", reason="prometheus_client is not installed")

    families = {family.name: family for family in parser.text_string_to_metric_families(written.read_text())}

    assert families["dbmigrate_runs"].type == "counter"
    assert len(families["dbmigrate_runs"].samples) == 9
    assert all(family.documentation for family in families.values())
    assert all(sample.timestamp is None for family in families.values() for sample in family.samples)


@pytest.mark.matrix
def test_promtool_finds_nothing_in_the_file(programs, written):
    checked = subprocess.run(
        [programs / "promtool", "check", "metrics"], input=written.read_bytes(), capture_output=True, timeout=60
    )

    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


@pytest.mark.matrix
def test_the_alerts_fire_when_they_should(programs, tmp_path):
    done = promtool_tests(programs, EXAMPLES)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.matrix
@pytest.mark.parametrize(
    ("right", "wrong"), [("< 3600", "< 360000"), ("> 300", "> 3000"), ("== 0", "== 1"), ('="production"', '=~".*"')]
)
def test_the_tests_of_the_alerts_notice_a_wrong_one(programs, tmp_path, right, wrong):
    for name in ("alerts.yml", "alerts_test.yml"):
        shutil.copy(EXAMPLES / name, tmp_path)
    rules = tmp_path / "alerts.yml"
    assert right in rules.read_text()
    rules.write_text(rules.read_text().replace(right, wrong))

    assert promtool_tests(programs, tmp_path).returncode != 0


def promtool_tests(programs, folder):
    return subprocess.run(
        [programs / "promtool", "test", "rules", "alerts_test.yml"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.matrix
def test_every_query_of_the_dashboard_returns_a_series(programs, written, tmp_path):
    folder = tmp_path / "prometheus"
    folder.mkdir()
    with prometheus.scraping(programs, written.parent, folder) as address:
        for query in queries():
            asked = query.replace("$environment", ".*").replace("$database", ".*")
            found = prometheus.answer(address, asked)
            assert found, f"{asked}\n{(folder / 'log').read_text()[-2000:]}"
            assert "NaN" not in json.dumps(found)
        assert prometheus.answer(address, "node_textfile_scrape_error == 0")
