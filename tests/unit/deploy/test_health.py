"""Health checks: what counts as healthy, what is shown of it, and that nothing can hold them up."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager, suppress

import pytest

from dbmigrate.deploy import health
from dbmigrate.deploy.health import CommandCheck, Patience, UrlCheck
from dbmigrate.errors import ConfigError
from tests.support.web import site, status


@contextmanager
def raw_server(answer):
    """A TCP server that does `answer(connection)` for each client, and then hangs up."""

    def answered(connection):
        with connection:
            answer(connection)

    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=answered, args=(connection,), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        finally:
            listener.shutdown(socket.SHUT_RDWR)  # ends its accept()


# ---------------------------------------------------------------------------------------------------------------- URLs


@pytest.mark.parametrize(
    ("code", "is_healthy"),
    [(200, True), (204, True), (299, True), (302, False), (304, False), (404, False), (500, False), (503, False)],
)
def test_only_2xx_is_healthy(code, is_healthy):
    with site(status(code)) as web:
        answer = UrlCheck(web.url).ask()

    assert (answer.is_healthy, answer.result.split(",")[0]) == (is_healthy, str(code))


def test_a_redirect_is_not_followed_and_told_without_its_query():
    with site(status(302, Location="https://bob:pw@login.example.com/sign-in?token=secret"), status(200)) as web:
        answer = UrlCheck(web.url).ask()

    assert not answer.is_healthy
    assert answer.result == "302, which leads to https://login.example.com/sign-in"
    assert len(web.requests) == 1


def test_headers_are_sent():
    with site(status(200)) as web:
        UrlCheck(web.url, (("X-Probe", "yes"), ("User-Agent", "probe/1"))).ask()

    assert {("X-Probe", "yes"), ("User-Agent", "probe/1")} <= set(web.requests[0][1].items())


def _says_nothing(connection):
    with suppress(ConnectionError):
        while connection.recv(4096):
            pass


def _drips(connection):
    with suppress(ConnectionError):  # whoever asked gave up, as it should
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        for _ in range(200):
            connection.sendall(b"X-A: b\r\n")
            time.sleep(0.1)


def _talks_nonsense(connection):
    connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")


def _hangs_up(connection):
    pass


@pytest.mark.parametrize("answer", [_says_nothing, _drips])
def test_a_server_that_is_too_slow_is_not_waited_for(answer):
    with raw_server(answer) as url:
        started = time.monotonic()
        found = UrlCheck(url, seconds=0.4).ask()

    assert time.monotonic() - started < 3
    assert not found.is_healthy
    assert found.result in ("timed out", "no answer within 0.4 s")


@pytest.mark.parametrize("answer", [_talks_nonsense, _hangs_up])
def test_what_is_no_http_is_not_healthy(answer):
    with raw_server(answer) as url:
        found = UrlCheck(url).ask()

    assert not found.is_healthy
    assert found.result


def test_a_name_that_nobody_knows_is_not_healthy():
    assert not UrlCheck("http://nowhere.invalid/health").ask().is_healthy


def test_a_long_answer_is_cut():
    with site(status(500, "x" * 1_000_000)) as web:
        assert len(UrlCheck(web.url).ask().output) == 2000


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://example.com/health", "https://example.com/health"),
        ("https://example.com:8443/health#top", "https://example.com:8443/health"),
        ("https://bob:pw@example.com/health", "https://********@example.com/health"),
        ("https://token@example.com/", "https://********@example.com/"),
        ("https://example.com/health?key=secret&x=1", "https://example.com/health?********"),
        ("http://[::1]:80/", "http://[::1]:80/"),
    ],
)
def test_a_url_is_shown_without_its_secrets(url, shown):
    assert UrlCheck(url).name == shown


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com/health",
        "ftp://example.com/",
        "file:///etc/passwd",
        "http://",
        "http://:80/",
        "http://a b/",
        "http://example.com/ü",
        "http://example.com:99999/",
        "http://example.com/\r\nX: y",
        "http://[::1/",
    ],
)
def test_what_is_no_url_is_refused(url):
    with pytest.raises(ConfigError) as caught:
        UrlCheck(url)

    assert caught.value.code == "E205"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("X-Key: abc", ("X-Key", "abc")),
        ("Authorization:Bearer a:b c", ("Authorization", "Bearer a:b c")),
        ("  Host:   example.com  ", ("Host", "example.com")),
    ],
)
def test_a_header_is_a_name_and_a_value(text, expected):
    assert health.header(text) == expected


@pytest.mark.parametrize("text", ["", "X-Key", ": secret", "X Key: v", "X-Key:", "X: a\r\nY: b", "X-Key: ü", "X\0: a"])
def test_what_is_no_header_is_refused_without_quoting_it(text):
    with pytest.raises(ConfigError) as caught:
        health.header(text)

    assert caught.value.code == "E205"
    assert text not in caught.value.message or not text


# ------------------------------------------------------------------------------------------------------------ commands


@pytest.mark.parametrize(
    ("command", "result"), [("true", "exit 0"), ("exit 3", "exit 3"), ("kill -9 $$", "ended by signal 9")]
)
def test_a_command_is_healthy_if_it_ends_with_0(command, result):
    answer = CommandCheck(command).ask()

    assert (answer.is_healthy, answer.result) == (result == "exit 0", result)


def test_both_streams_of_a_command_are_kept_from_their_end():
    answer = CommandCheck("head -c 1000000 /dev/zero | tr '\\0' x; echo out; echo err >&2; exit 1").ask()

    assert answer.output.endswith("xout\nerr")
    assert len(answer.output) <= 2000


def test_a_command_that_takes_too_long_is_ended_with_its_children(tmp_path):
    started = time.monotonic()

    answer = CommandCheck(f"(sleep 3; touch {tmp_path}/late) & echo begun; wait", seconds=0.5).ask()

    assert time.monotonic() - started < 3
    assert (answer.is_healthy, answer.result, answer.output) == (False, "not done after 0.5 s", "begun")
    time.sleep(3)
    assert not (tmp_path / "late").exists()


def test_a_child_that_keeps_the_output_open_is_not_waited_for():
    started = time.monotonic()

    answer = CommandCheck("sleep 5 & echo done").ask()

    assert time.monotonic() - started < 4
    assert (answer.is_healthy, answer.output) == (True, "done")


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("curl -H 'Authorization: x' https://a", "command curl"),
        ("TOKEN=abc /usr/bin/curl x", "command curl"),
        ("TOKEN=abc", "command sh"),
        ("echo 'not closed", "command sh"),
    ],
)
def test_a_command_is_named_by_its_program_alone(command, name):
    assert CommandCheck(command).name == name


@pytest.mark.parametrize("command", ["", "  ", "a\0b"])
def test_no_command_is_refused(command):
    with pytest.raises(ConfigError):
        CommandCheck(command)


# ------------------------------------------------------------------------------------------------------------ patience


def test_it_is_asked_again_until_it_is_healthy():
    heard = []
    with site(status(503), status(502), status(200)) as web:
        verdict = health.run(UrlCheck(web.url), Patience(5, 0.01), on_retry=heard.append)

    assert (verdict.is_healthy, verdict.tries, verdict.summary) == (True, 3, f"{web.url}: 200 after 3 tries")
    assert [each.answer.result for each in heard] == ["503", "502"]


def test_patience_ends():
    with site(status(503)) as web:
        verdict = health.run(UrlCheck(web.url), Patience(2, 0.01), on_retry=lambda verdict: None)

    assert (verdict.is_healthy, verdict.tries, len(web.requests)) == (False, 3, 3)


def test_without_patience_it_is_asked_once():
    verdict = health.run(CommandCheck("false"), Patience(0, 60), on_retry=lambda verdict: None)

    assert verdict.summary == "command false: exit 1 after 1 try"
