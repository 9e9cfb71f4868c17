"""The real dbmate, to compare with: its released program, fetched from npm once and kept in the tests' cache."""

from __future__ import annotations

import fcntl
import platform
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.support import environment
from tests.support.archives import unpack
from tests.support.commands import CompletedRun, Processes
from tests.support.servers import UnavailableError

VERSION = "2.36.0"
_MACHINES = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}


@dataclass(frozen=True, slots=True)
class Dbmate:
    """Runs dbmate in `cwd`, with an empty home directory, in the same clean environment as `commands.Runner`."""

    path: Path
    cwd: Path
    home: Path
    environ: Mapping[str, str]
    started: Processes = field(default_factory=list)

    def run(
        self,
        *arguments: str | Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        timeout: float = 60,
    ) -> CompletedRun:
        """Run to the end. `env` is added to the clean environment. Raises TimeoutExpired after `timeout` seconds."""
        words = tuple(str(word) for word in arguments)
        done = subprocess.run(
            [self.path, *words],
            env=self._environment(env),
            cwd=cwd or self.cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
        )
        return CompletedRun(words, done.returncode, done.stdout.decode(), done.stderr.decode())

    def start(
        self, *arguments: str | Path, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> subprocess.Popen[str]:
        """Start and go on; stdout and stderr are pipes of text. `commands.end_all` ends what is in `started`."""
        process = subprocess.Popen(
            [self.path, *(str(word) for word in arguments)],
            env=self._environment(env),
            cwd=cwd or self.cwd,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        self.started.append(process)
        return process

    def _environment(self, env: Mapping[str, str] | None) -> dict[str, str]:
        return environment.clean(self.environ, home=self.home) | dict(env or {})


def binary(*, cache: Path) -> Path:
    """dbmate's program, fetched when it is not in `cache` yet. Raises `UnavailableError`."""
    cache.mkdir(parents=True, exist_ok=True)
    root = cache / f"dbmate-{VERSION}"
    with open(cache / "dbmate.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several test processes may want it at once
        if not root.is_dir():
            _fetch(root)
    return root / "package" / "bin" / "dbmate"


def _fetch(root: Path) -> None:
    new = root.with_name(f"{root.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir()
    _npm_pack(f"{_package()}@{VERSION}", cwd=new)
    archive = next(new.glob("*.tgz"))
    with tarfile.open(archive) as tar:
        unpack(tar, new)
    archive.unlink()
    new.rename(root)


def _package() -> str:
    return f"@dbmate/{sys.platform}-{_MACHINES.get(platform.machine(), platform.machine())}"


def _npm_pack(package: str, *, cwd: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise UnavailableError("npm is not installed")
    try:
        done = subprocess.run([npm, "pack", "--silent", package], cwd=cwd, capture_output=True, text=True, timeout=120)
    except subprocess.TimeoutExpired as exc:
        raise UnavailableError(f"npm could not fetch {package} in time") from exc
    if done.returncode != 0:
        raise UnavailableError(f"npm could not fetch {package}: {done.stderr.strip()[-300:]}")
