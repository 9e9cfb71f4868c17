"""The pull request that a job of GitHub Actions is for, from the variables that the runner sets.

https://docs.github.com/actions/reference/workflows-and-actions/variables
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from dbmigrate.errors import ConfigError, Refused
from dbmigrate.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["TOKEN", "PullRequest", "from_actions"]

TOKEN = "GITHUB_TOKEN"
_API = "https://api.github.com"
_NAME = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)
_PRINTABLE = re.compile(r"[!-~]+")
_HINTS = {
    TOKEN: "give the step `env: GITHUB_TOKEN: ${{ github.token }}`, and the job `permissions: pull-requests: write`",
}
_IN_ACTIONS = "--comment works in a job of GitHub Actions, which sets this variable"


@frozen
class PullRequest:
    """Where comments on a pull request are. `token` is a secret, and belongs in no output."""

    api: str
    repository: str
    number: int
    token: str

    @property
    def comments(self) -> str:
        """The URL of its comments."""
        return f"{self.api}/repos/{self.repository}/issues/{self.number}/comments"

    def comment(self, number: int) -> str:
        """The URL of one of them."""
        return f"{self.api}/repos/{self.repository}/issues/comments/{number}"


def from_actions(environ: Mapping[str, str]) -> PullRequest | None:
    """The pull request of the event that started the job; None for another event, such as a push.

    Raises ConfigError E297 where something is missing or wrong, Refused E786 for ``pull_request_target``.
    """
    if environ.get("GITHUB_EVENT_NAME") == "pull_request_target":
        raise Refused(
            "`pull_request_target` runs with the rights of the repository, and check runs the SQL of the pull request",
            code="E786",
            hint="start the workflow on `pull_request`",
        )
    number = _number(_given(environ, "GITHUB_EVENT_PATH"))
    repository = _given(environ, "GITHUB_REPOSITORY")
    token = _given(environ, TOKEN)
    if not _NAME.fullmatch(repository):
        raise ConfigError(f"GITHUB_REPOSITORY: {repository!r} is not of the form owner/name", code="E297")
    if not _PRINTABLE.fullmatch(token):
        raise ConfigError("GITHUB_TOKEN holds blanks or characters that no token has", code="E297", hint=_HINTS[TOKEN])
    return None if number is None else PullRequest(_api(environ), repository, number, token)


def _given(environ: Mapping[str, str], name: str) -> str:
    found = environ.get(name, "").strip()
    if not found:
        raise ConfigError(f"--comment needs {name}, which is not set", code="E297", hint=_HINTS.get(name, _IN_ACTIONS))
    return found


def _api(environ: Mapping[str, str]) -> str:
    url = environ.get("GITHUB_API_URL", "").strip().rstrip("/") or _API
    try:
        parts = urlsplit(url)
        is_sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and "@" not in url
    except ValueError:
        is_sound = False
    if not is_sound or not _PRINTABLE.fullmatch(url):
        raise ConfigError("GITHUB_API_URL is not a URL of the form https://host/path", code="E297")
    return url


def _number(path: str) -> int | None:
    """The number of the pull request in the file of the event."""
    try:
        with open(path, encoding="utf-8") as file:
            event = json.load(file)
    except OSError as exc:
        raise ConfigError(f"GITHUB_EVENT_PATH: cannot read {path}: {exc.strerror}", code="E297") from exc
    except (ValueError, RecursionError) as exc:
        raise ConfigError(f"GITHUB_EVENT_PATH: {path} is not JSON", code="E297") from exc
    request = event.get("pull_request") if isinstance(event, dict) else None
    number = request.get("number") if isinstance(request, dict) else None
    return number if isinstance(number, int) and number > 0 else None
