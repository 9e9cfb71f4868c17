"""Pull requests on GitHub, from inside of a job of GitHub Actions.

`github` finds out which pull request a job is for, `comments` keeps one comment on it up to date.
"""

from __future__ import annotations

from dbmigrate.pull_requests.comments import Comment, keep
from dbmigrate.pull_requests.github import PullRequest, from_actions

__all__ = ["Comment", "PullRequest", "from_actions", "keep"]
