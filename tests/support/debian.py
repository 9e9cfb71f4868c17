"""Debian's newest PostgreSQL 15, downloaded and unpacked, not installed: a server that keeps notes of its own.

From 15.20 (November 2026) on it writes ``pg_attver=<number>`` into the options of every column; no wheel and no npm
package has such a server yet.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

from dbmigrate.embedded.account import server_account
from tests.support.unavailable import UnavailableError

NAME = "15-debian"
MAJOR = 15
_PACKAGES = (f"postgresql-{MAJOR}", f"postgresql-client-{MAJOR}")
_PROGRAMS = ("postgres", "initdb", "pg_dump")
_REACHABLE = Path("/var/tmp")


def bindir(*, cache: Path) -> Path:
    """The server's programs, fetched once. Raises `UnavailableError`, with the reason in one line."""
    cache.mkdir(parents=True, exist_ok=True)
    with open(cache / f"{NAME}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several test processes may want it at once
        root = cache / NAME
        if not root.is_dir():
            _fetch(root, *_PACKAGES)
        found = _reachable(root) / "usr" / "lib" / "postgresql" / str(MAJOR) / "bin"
    for program in _PROGRAMS:
        _run(str(found / program), "--version")  # it takes its libraries from this machine
    return found


# What /bin/sh, a program and the server need of a Debian: without Python.
_BARE = ("libc6", "dash", "coreutils", "libselinux1", "libpcre2-8-0", "libacl1", "libattr1", "libgmp10", "zlib1g")
_ACCOUNTS = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n"


def bare_system(target: Path, *, cache: Path) -> None:
    """A directory to be the root of a system with hardly anything in it. Raises `UnavailableError`."""
    cache.mkdir(parents=True, exist_ok=True)
    with open(cache / "bare.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (cache / "bare").is_dir():
            _fetch(cache / "bare", *_BARE)
    shutil.copytree(cache / "bare", target, symlinks=True)
    for name in ("bin", "sbin", "lib", "lib64"):  # Debian 13 has them in /usr alone
        if not (target / name).exists():
            (target / name).symlink_to(Path("usr", name))
    for name in ("dev", "proc", "root", "etc", "tmp", "var/tmp", "opt", "project"):
        (target / name).mkdir(parents=True, exist_ok=True)
    for name in ("tmp", "var/tmp"):
        (target / name).chmod(0o1777)
    (target / "etc" / "passwd").write_text(_ACCOUNTS)


def _fetch(root: Path, *packages: str) -> None:
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise UnavailableError(f"{tool} is not here, this is no Debian")
    new = root.with_name(f"{root.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    (new / "lists" / "partial").mkdir(parents=True)
    (new / "archives" / "partial").mkdir(parents=True)
    # lists of its own: the machine's may be old, and stay as they are; and no root is needed for it
    options = ("-qq", "-o", f"Dir::State::Lists={new}/lists", "-o", f"Dir::Cache={new}", "-o", "APT::Sandbox::User=")
    _run("apt-get", *options, "update", cwd=new)
    _run("apt-get", *options, "download", *packages, cwd=new)
    for package in new.glob("*.deb"):
        _run("dpkg-deb", "-x", str(package), str(new / "root"))
    (new / "root").rename(root)
    shutil.rmtree(new)


def _reachable(root: Path) -> Path:
    """`root`, or for root a copy outside of the home that the server's account cannot enter."""
    account = server_account()
    program = Path("usr", "lib", "postgresql", str(MAJOR), "bin", "postgres")
    if not account.is_other or account.can([root / program, "--version"]):
        return root
    copy = _REACHABLE / f"dbmigrate-tests-{NAME}-{(root / program).stat().st_mtime_ns}"
    if copy.is_dir() and copy.stat().st_uid == os.geteuid():
        return copy
    new = copy.with_name(f"{copy.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(mode=0o755)
    shutil.copytree(root / "usr", new / "usr", symlinks=True)
    new.rename(copy)
    return copy


def _run(*command: str, cwd: Path | None = None) -> None:
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300, check=False)
    except subprocess.TimeoutExpired as exc:
        raise UnavailableError(f"{Path(command[0]).name} took too long") from exc
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        raise UnavailableError(f"{Path(command[0]).name} failed: {last[0]}")
