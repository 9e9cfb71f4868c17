"""``check --comment``: one comment on the pull request of the job, kept up to date; what it cannot say there goes into
the job's summary.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from dbmigrate.cli.scanning import in_repository
from dbmigrate.errors import Error
from dbmigrate.model import Problem, Severity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dbmigrate.check import ChangedSchema, Report
    from dbmigrate.cli.call import Call
    from dbmigrate.impact import Priced
    from dbmigrate.pull_requests import PullRequest
    from dbmigrate.reporting.comment import Target
    from dbmigrate.reporting.schema import Schema

CommentOption = Annotated[
    bool, typer.Option("--comment", help="In GitHub Actions: keep a comment on the pull request up to date.")
]
_URL = re.compile(r"https?://[A-Za-z0-9._~:/-]+")
_NO_PULL_REQUEST = "this job is not about a pull request: there is nothing to comment on"


class Commenting:
    """Knows the pull request before the check begins, so that a wrong set-up is an error at once; then comments."""

    def __init__(self, call: Call, pull_request: PullRequest | None) -> None:
        from dbmigrate.check import ChangedSchema

        self.changed: ChangedSchema = ChangedSchema()
        self._call = call
        self._pull_request = pull_request

    def publish(self, report: Report, locks: Sequence[Priced], summary: str | None) -> None:
        """Comment. The text is in the summary of the job where nobody comments, and where no `summary` is asked for.

        Whatever happens is a warning: the check has its own result.
        """
        from dbmigrate.output import checking
        from dbmigrate.pull_requests import Comment, keep
        from dbmigrate.reporting import comment

        change = comment.Change(
            report.problems,
            checking.headline(replace(report, where="")),
            [result.migration.name for result in report.results],
            locks,
            self._target(),
            self._schema(),
            _run_url(self._call),
        )
        made = Comment(self._marker(), self._call.hide(comment.markdown(change)), change.is_empty)
        if self._pull_request is None:
            problem: Problem | None = Problem("W777", _NO_PULL_REQUEST, Severity.NOTE)
        else:
            problem = keep(self._pull_request, made)
        if problem is not None or summary is None:
            problem = self._summarise(made.text) or problem
        if problem is not None:
            self._call.warn([problem])

    def _marker(self) -> str:
        from dbmigrate.reporting import comment

        settings = self._call.settings()
        service = settings.service.name if settings.service else ""
        environment = settings.environment if self._call.environments else None
        return comment.marker(service, in_repository(settings.migrations_dirs[0]), environment or "")

    def _target(self) -> Target | None:
        """What is pending in the environment that ``-e`` names, as ``up --dry-run`` says it."""
        from dbmigrate.reporting.comment import Target

        name = self._call.settings().environment
        if not self._call.environments or not name:
            return None
        try:
            with self._call.migrator() as migrator:
                return Target(name, migrator.plan_up())
        except Error as exc:
            return Target(name, unknown=exc.message)

    def _schema(self) -> Schema | None:
        from dbmigrate.reporting import schema

        before, after = self.changed.before, self.changed.after
        return None if before is None or after is None else schema.of(before, after)

    def _summarise(self, text: str) -> Problem | None:
        path = self._call.environ.get("GITHUB_STEP_SUMMARY")
        if not path:
            return None
        try:
            with open(path, "a", encoding="utf-8") as file:
                file.write(f"{text}\n")
        except OSError as exc:
            return Problem("W776", f"the summary of the job cannot be written: {path}: {exc.strerror}")
        return None


def begin(call: Call) -> Commenting:
    """Find the pull request. The token is taken out of the environment: no program that the check starts gets it.

    Raises ConfigError E297, Refused E786.
    """
    from dbmigrate.pull_requests import from_actions, github

    commenting = Commenting(call, from_actions(call.environ))
    call.withhold(github.TOKEN)
    return commenting


def _run_url(call: Call) -> str:
    names = ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")
    server, repository, run = (call.environ.get(name, "") for name in names)
    url = f"{server}/{repository}/actions/runs/{run}"
    return url if run and _URL.fullmatch(url) else ""
