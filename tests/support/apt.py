"""Debian's packages, downloaded and unpacked, not installed. Needs no root."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.support.unavailable import UnavailableError


def unpack(root: Path, *packages: str, leave_out: Sequence[str] | None = None) -> None:
    """Make `root` of these packages; with `leave_out` also of all that they need but what begins like that.

    Raises `UnavailableError`, with the reason in one line.
    """
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise UnavailableError(f"{tool} is not here, this is no Debian")
    new = root.with_name(f"{root.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    (new / "lists" / "partial").mkdir(parents=True)
    (new / "archives" / "partial").mkdir(parents=True)
    # lists of its own: the machine's may be old, and stay as they are; and no root is needed for it
    settings = [f"Dir::State::Lists={new}/lists", f"Dir::Cache={new}", "APT::Sandbox::User="]
    command = ["download"]
    if leave_out is not None:
        (new / "status").touch()  # as if nothing was installed here
        settings += [f"Dir::State::status={new}/status", "Debug::NoLocking=1", "APT::Install-Recommends=false"]
        command = ["install", "--download-only", "--yes"]
    options = ["-qq", *(word for each in settings for word in ("-o", each))]
    run("apt-get", *options, "update", cwd=new)
    run("apt-get", *options, *command, *packages, cwd=new)
    for package in sorted(new.rglob("*.deb")):
        if not package.name.startswith(tuple(leave_out or ())):
            run("dpkg-deb", "-x", str(package), str(new / "root"))
    (new / "root").rename(root)
    shutil.rmtree(new)


def run(*command: str, cwd: Path | None = None) -> None:
    """Run a program to its end. Raises `UnavailableError` if it fails."""
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300, check=False)
    except subprocess.TimeoutExpired as exc:
        raise UnavailableError(f"{Path(command[0]).name} took too long") from exc
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        raise UnavailableError(f"{Path(command[0]).name} failed: {last[0]}")
