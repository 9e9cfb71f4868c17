"""Notices as requests: the signature, what receivers would read as a command, what stays out."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json

import pytest

from dbmigrate.notify import messages, notices, sending
from dbmigrate.notify.notices import Notice, Occasion
from dbmigrate.reports import RunResult, StepResult

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
FAILED = RunResult(
    "up",
    "production",
    "shop",
    steps=(StepResult("1", "1_a.sql", "up", 0.5), StepResult("2", "2_b.sql", "up", 2.0, is_done=False)),
    seconds=3.25,
    exit_code=4,
    has_begun=True,
    run_id="7d4e",
    git_commit="abc",
    line=7,
    sqlstate="42P07",
)


def test_the_signature_is_that_of_the_vector_of_standard_webhooks() -> None:
    signed = messages.signature(
        messages.key(SECRET), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
    )

    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize("secret", ["whsec_", "", "whsec_not base64!", "whsec_abc"])
def test_a_secret_that_is_none_is_refused_without_being_shown(secret: str) -> None:
    with pytest.raises(ValueError, match=r"^the secret is") as caught:
        messages.key(secret)

    assert "abc" not in str(caught.value)


def test_json_says_what_happened_and_can_be_verified() -> None:
    sent = messages.message(Notice(Occasion.FAILED, FAILED, ci_url="https://ci/1"), "json", messages.key(SECRET))

    value = json.loads(sent.body)
    assert value["type"] == "dbmigrate.run.failed"
    assert value["timestamp"].endswith("Z")
    assert value["data"] == {
        "level": "critical",
        "run_id": "7d4e",
        "environment": "production",
        "database": "shop",
        "service": None,
        "command": "up",
        "applied": [{"version": "1", "file": "1_a.sql", "duration_ms": 500.0}],
        "rolled_back": [],
        "failed": {"version": "2", "file": "2_b.sql", "line": 7, "sqlstate": "42P07"},
        "slow": None,
        "duration_ms": 3250,
        "exit_code": 4,
        "ci_url": "https://ci/1",
        "git_commit": "abc",
    }
    identity, stamp = sent.headers["webhook-id"], sent.headers["webhook-timestamp"]
    content = f"{identity}.{stamp}.".encode() + sent.body
    expected = hmac.new(base64.b64decode(SECRET[6:]), content, hashlib.sha256).digest()
    assert sent.headers["webhook-signature"] == f"v1,{base64.b64encode(expected).decode()}"


def test_without_a_secret_it_is_not_signed() -> None:
    sent = messages.message(Notice(Occasion.STARTED, FAILED), "json", None)

    assert "webhook-signature" not in sent.headers
    assert json.loads(sent.body)["data"]["exit_code"] is None


@pytest.mark.parametrize(
    ("occasion", "level"),
    [
        (Occasion.FAILED, "critical"),
        (Occasion.ROLLED_BACK, "critical"),
        (Occasion.SLOW, "warning"),
        (Occasion.OUTSIDE_WINDOW, "warning"),
        (Occasion.STARTED, "info"),
        (Occasion.SUCCEEDED, "info"),
    ],
)
def test_every_occasion_has_a_level_and_a_type(occasion: Occasion, level: str) -> None:
    value = json.loads(messages.message(Notice(occasion, FAILED), "json", None).body)

    assert value["data"]["level"] == level
    assert value["type"] == f"dbmigrate.run.{occasion.name.lower()}"


def hostile(name: str) -> Notice:
    steps = (StepResult("1", name, "up", 1.0),)
    return Notice(Occasion.SUCCEEDED, RunResult("up", None, "shop", steps=steps, has_begun=True))


def test_a_file_name_rings_nobody_in_slack() -> None:
    value = json.loads(messages.message(hostile("1_<!channel>&<@U1>.sql"), "slack", None).body)

    text = value["blocks"][0]["text"]["text"]
    assert "1_&lt;!channel&gt;&amp;&lt;@U1&gt;.sql" in text
    assert "<" not in json.dumps(value)
    assert value["text"].startswith("dbmigrate up succeeded: shop")


def test_a_text_fits_into_slack_and_teams() -> None:
    long = hostile("1_" + "x" * 40_000 + ".sql")

    slack = json.loads(messages.message(long, "slack", None).body)
    teams = messages.message(long, "teams", None).body

    assert len(slack["blocks"][0]["text"]["text"]) <= 3000
    assert len(teams) < 28_000


def test_teams_gets_a_card_without_links_of_others() -> None:
    value = json.loads(messages.message(hostile("1_[click](http://evil).sql"), "teams", None).body)

    card = value["attachments"][0]
    assert value["type"] == "message"
    assert card["contentType"] == "application/vnd.microsoft.card.adaptive"
    assert card["content"]["version"] == "1.4"
    assert "[" not in "".join(block["text"] for block in card["content"]["body"])


@pytest.mark.parametrize(
    ("host", "form"),
    [
        ("hooks.slack.com", "slack"),
        ("HOOKS.SLACK.COM", "slack"),
        ("x.webhook.office.com", "teams"),
        ("prod-1.westeurope.logic.azure.com", "teams"),
        ("hooks.example.com", "json"),
        ("notslack.com", "json"),
    ],
)
def test_the_host_decides_where_the_project_file_does_not(host: str, form: str) -> None:
    assert messages.format_of(host) == form


@pytest.mark.parametrize(
    "url",
    ["", "hooks.example.com/secret", "ftp://h/secret", "https:///secret", "https://h:port/secret", "https://h/a b"],
)
def test_a_url_that_is_none_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(ValueError, match=r"^it is not a URL") as caught:
        sending.place(url)

    assert "secret" not in str(caught.value)


def test_of_a_url_only_scheme_and_host_are_shown() -> None:
    assert sending.place("https://user:pw@hooks.example.com/T1/B2/secret?k=v") == "https://hooks.example.com"


@pytest.mark.parametrize(
    ("environ", "url"),
    [
        (
            {"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "a/b", "GITHUB_RUN_ID": "7"},
            "https://github.com/a/b/actions/runs/7",
        ),
        ({"CI_JOB_URL": "https://user:pw@gitlab.example/a/-/jobs/7?token=x"}, "https://gitlab.example/a/-/jobs/7"),
        ({"BUILD_URL": "http://jenkins:8080/job/7/"}, "http://jenkins:8080/job/7/"),
        ({"BUILD_URL": "javascript:alert(1)"}, None),
        ({"BUILD_URL": "http://[/"}, None),
        ({}, None),
    ],
)
def test_the_job_of_the_ci_is_named_without_secrets(environ: dict[str, str], url: str | None) -> None:
    assert notices.ci_url(environ) == url
