"""What a CI runner would do with a log: GitHub's, by its ActionCommand.cs."""

from __future__ import annotations

import re

# https://github.com/actions/runner/blob/main/src/Runner.Common/ActionCommand.cs
_V1 = re.compile(r"##\[(\w[\w-]*)[^\]]*\]")
_V2 = re.compile(r"\s*::(\w[\w-]*)(?: [^:]*)?::")


def commands(log: str) -> list[str]:
    """The names of the commands that the runner obeys in these lines; none between ``stop-commands`` and its token."""
    found: list[str] = []
    resume: str | None = None
    for line in log.splitlines():
        match = _V2.match(line) or _V1.search(line)
        name = match[1] if match else None
        if resume is not None:
            resume = None if name == resume else resume
        elif name is not None:
            found.append(name)
            resume = line.partition("::stop-commands::")[2].strip() or None
    return found
