"""What a notice says, in words and as data. Pure: no SQL, no rows, no user, no host, no variables."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from dbmigrate.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dbmigrate.reports import RunResult, StepResult

__all__ = ["Notice", "Occasion", "ci_url", "data", "words"]


class Occasion(Enum):
    """Why a notice is sent; the value is the name in the project file."""

    STARTED = "started"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    ROLLED_BACK = "rolled-back"
    SLOW = "slow"
    OUTSIDE_WINDOW = "outside-window"

    @property
    def level(self) -> str:
        return {"FAILED": "critical", "ROLLED_BACK": "critical", "SLOW": "warning", "OUTSIDE_WINDOW": "warning"}.get(
            self.name, "info"
        )


_SAYS = {
    Occasion.STARTED: "started",
    Occasion.SUCCEEDED: "succeeded",
    Occasion.FAILED: "FAILED",
    Occasion.ROLLED_BACK: "ROLLED BACK",
    Occasion.SLOW: "is slow",
    Occasion.OUTSIDE_WINDOW: "runs outside the maintenance window",
}
# where a job of the CI is to be seen: GitLab, Jenkins, Buildkite, CircleCI; GitHub says it in three parts
_CI = ("CI_JOB_URL", "BUILD_URL", "BUILDKITE_BUILD_URL", "CIRCLE_BUILD_URL")


@frozen
class Notice:
    """What happened; `slow` is the file of the migration that is meant by it."""

    occasion: Occasion
    result: RunResult
    slow: str | None = None
    ci_url: str | None = None


def data(notice: Notice) -> dict[str, object]:
    """The object for programs. New keys may come; none goes away."""
    result, failed = notice.result, notice.result.failed
    done = [step for step in result.steps if step.is_done]
    is_over = notice.occasion not in (Occasion.STARTED, Occasion.SLOW, Occasion.OUTSIDE_WINDOW)
    return {
        "level": notice.occasion.level,
        "run_id": result.run_id,
        "environment": result.environment,
        "database": result.database,
        "service": result.service,
        "command": result.command,
        "applied": [_step(step) for step in done if step.direction == "up"],
        "rolled_back": [_step(step) for step in done if step.direction == "down"],
        "failed": failed
        and {"version": failed.version, "file": failed.file, "line": result.line, "sqlstate": result.sqlstate},
        "slow": notice.slow,
        "duration_ms": round(result.seconds * 1000) if is_over else None,
        "exit_code": result.exit_code if is_over else None,
        "ci_url": notice.ci_url,
        "git_commit": result.git_commit,
    }


def words(notice: Notice) -> str:
    """The same for people, in a few lines."""
    result, failed = notice.result, notice.result.failed
    where = " · ".join(filter(None, (result.environment, result.service, result.database)))
    lines = [f"dbmigrate {result.command} {_SAYS[notice.occasion]}: {where}"]
    if notice.slow is not None:
        lines.append(f"{notice.slow} takes longer than slow-after; it goes on")
    applied = [step.file for step in result.steps if step.is_done and step.direction == "up"]
    undone = [step.file for step in result.steps if step.is_done and step.direction == "down"]
    for label, names in (("applied", applied), ("rolled back", undone)):
        if names:
            more = f" and {len(names) - 5} more" if len(names) > 5 else ""
            lines.append(f"{label}: {', '.join(names[:5])}{more}")
    if failed is not None and notice.occasion is Occasion.FAILED:
        line = f":{result.line}" if result.line is not None else ""
        lines.append(f"failed: {failed.file}{line}" + (f" (SQLSTATE {result.sqlstate})" if result.sqlstate else ""))
    if notice.occasion in (Occasion.SUCCEEDED, Occasion.FAILED, Occasion.ROLLED_BACK):
        lines.append(f"exit code {result.exit_code} after {result.seconds:.1f} s")
    if notice.ci_url is not None:
        lines.append(notice.ci_url)
    return "\n".join(lines)


def ci_url(environ: Mapping[str, str]) -> str | None:
    """The page of the job that runs this, without login and query: these can be secrets."""
    github = [environ.get(name) for name in ("GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_RUN_ID")]
    found = "{}/{}/actions/runs/{}".format(*github) if all(github) else None
    found = found or next((environ[name] for name in _CI if environ.get(name)), None)
    if found is None:
        return None
    try:
        parts = urlsplit(found)
        place = parts.hostname and (f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname)
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not place:
        return None
    return urlunsplit((parts.scheme, place, parts.path, "", ""))


def _step(step: StepResult) -> dict[str, object]:
    return {"version": step.version, "file": step.file, "duration_ms": round(step.seconds * 1000, 3)}
