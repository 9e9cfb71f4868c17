"""Everything that a watched run writes and sends, searched for what must not be in it."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from tests.support import web

HOOK = "T0KEN-of-the-url"
KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PASSWORD = "p4ssw0rd-of-the-role"
VALUE = "value-of-a-variable"
LITERAL = "literal-of-a-role"
ROW = "row-of-a-customer"
SECRETS = (HOOK, KEY, KEY.removeprefix("whsec_"), PASSWORD, VALUE, LITERAL, ROW)


@pytest.fixture
def with_password(database_url):
    """The URL with a password. The server does not ask for it, and it is a secret all the same."""
    separator = "&" if "?" in database_url else "?"
    return f"{database_url}{separator}password={PASSWORD}"


def migrations(project):
    project.migration(
        "1_role",
        up=f"create table a (id int primary key, name text);\ndo $$begin raise notice 'password={LITERAL}'; end$$;",
    )
    project.write(
        "2_value.sql",
        "-- migrate:vars secret\n-- migrate:up\ninsert into a values (1, :'secret');\n-- migrate:down\n",
    )
    project.migration("3_fails", up=f"insert into a values (2, '{ROW}');\ninsert into a values (2, '{ROW}');")


@pytest.mark.parametrize("form", ["json", "slack", "teams"])
@pytest.mark.parametrize("log", ["json", "logfmt"])
def test_no_secret_is_in_anything_that_is_written_or_sent(run, project, with_password, form, log):
    migrations(project)
    (project.root / "dbmigrate.toml").write_text(
        f'metrics-file = "m.prom"\nslow-after = "1ms"\nlog-format = "{log}"\n'
        f'[notify]\nurl-env = "HOOK_URL"\nsecret-env = "HOOK_SECRET"\nformat = "{form}"\n'
    )
    with web.site(web.status(200)) as site, web.site(web.status(200)) as collector:
        environ = {
            "DATABASE_URL": with_password,
            "DBMIGRATE_NO_DUMP_SCHEMA": "true",
            "DBMIGRATE_VAR_SECRET": VALUE,
            "HOOK_URL": f"{site.url}/{HOOK}?token={HOOK}",
            "HOOK_SECRET": KEY,
            "BUILD_URL": f"https://ci:{PASSWORD}@ci.example.com/job/7?token={HOOK}",
        }
        if find_spec("opentelemetry") is not None:
            environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.url.removesuffix("/health")
        done = run("up", env=environ)

    assert done.exit_code == 4, done.stderr
    sent = b"\n".join((*site.bodies, *collector.bodies)).decode(errors="replace")
    metrics = (project.root / "m.prom").read_text()
    assert len(site.bodies) >= 3
    assert "last_run_success" in metrics
    for secret in SECRETS:
        assert secret not in metrics
        assert secret not in sent
        assert secret not in done.stdout
    # the server's DETAIL and the excerpt of the file may show a row to who runs it, and to nobody else
    for secret in set(SECRETS) - {ROW}:
        assert secret not in done.stderr
    assert "ci.example.com/job/7" in sent
    assert "postgres://" not in metrics + sent


def test_no_secret_is_in_the_warnings(run, project, with_password, unused_port):
    migrations(project)
    (project.root / "dbmigrate.toml").write_text('[notify]\nurl-env = "HOOK_URL"\nsecret-env = "HOOK_SECRET"\n')
    url = f"http://user:{PASSWORD}@127.0.0.1:{unused_port}/{HOOK}"

    for options in ((), ("--debug",), ("--log-format", "json"), ("--json",)):
        environ = {"DATABASE_URL": with_password, "HOOK_URL": url, "HOOK_SECRET": KEY, "DBMIGRATE_VAR_SECRET": VALUE}
        done = run("up", *options, env=environ | {"DBMIGRATE_NO_DUMP_SCHEMA": "true"})

        assert "W781" in done.stderr
        for secret in set(SECRETS) - {ROW, LITERAL}:
            assert secret not in done.stderr + done.stdout


def test_the_settings_do_not_show_them(with_password, project):
    from dbmigrate.settings.load import Flags, load

    (project.root / "dbmigrate.toml").write_text('[notify]\nurl-env = "HOOK_URL"\nsecret-env = "HOOK_SECRET"\n')
    environ = {"DATABASE_URL": with_password, "HOOK_URL": f"https://h/{HOOK}", "HOOK_SECRET": KEY}

    shown = repr(load(Flags(), environ, str(project.root)))

    assert not [secret for secret in SECRETS if secret in shown]
    assert "HOOK_URL" in shown
