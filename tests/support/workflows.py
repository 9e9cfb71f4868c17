"""Runs the shell steps of a GitHub workflow or composite action as a runner does, on this machine."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

_EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")


@dataclass(slots=True)
class Runner:
    """A job's state. `values` says what the expressions between ``${{`` and ``}}`` are worth."""

    directory: Path
    temp: Path
    environ: dict[str, str]
    values: Mapping[str, str]
    outputs: dict[str, dict[str, str]] = field(default_factory=dict)
    ran: list[str] = field(default_factory=list)
    log: str = ""

    @property
    def summary(self) -> str:
        path = self.temp / "summary"
        return path.read_text() if path.exists() else ""

    def run(self, step: Mapping[str, Any]) -> int:
        """One step; its exit code. What it wrote to GITHUB_ENV and GITHUB_OUTPUT counts for the next ones."""
        files = {name: self.temp / name.lower() for name in ("GITHUB_ENV", "GITHUB_OUTPUT")}
        for path in files.values():
            path.write_text("")
        environ = {
            **self.environ,
            **{name: self.evaluated(str(value)) for name, value in step.get("env", {}).items()},
            **{name: str(path) for name, path in files.items()},
            "GITHUB_STEP_SUMMARY": str(self.temp / "summary"),
            "RUNNER_TEMP": str(self.temp),
        }
        # the very call of a runner for `shell: bash`
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
        done = subprocess.run(command, env=environ, cwd=self.directory, capture_output=True, text=True, timeout=60)
        self.ran.append(step["name"])
        self.log += done.stdout + done.stderr
        self.environ |= _pairs(files["GITHUB_ENV"])
        self.outputs[step.get("id", step["name"])] = _pairs(files["GITHUB_OUTPUT"])
        return done.returncode

    def evaluated(self, text: str) -> str:
        return _EXPRESSION.sub(lambda found: self._value(found[1]), text)

    def _value(self, expression: str) -> str:
        output = re.fullmatch(r"steps\.([\w-]+)\.outputs\.([\w-]+)", expression)
        if output:
            return self.outputs.get(output[1], {}).get(output[2], "")
        return self.values[expression]


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def shell_steps(steps: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The steps that run in a shell, but for the one that installs a release."""
    return [step for step in steps if "run" in step and step["name"] != "Install"]


def _pairs(path: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in path.read_text().splitlines() if "=" in line)
