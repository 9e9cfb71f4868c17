"""Debian's newest PostgreSQL 15, downloaded and unpacked, not installed: a server that keeps notes of its own.

From 15.20 (November 2026) on it writes ``pg_attver=<number>`` into the options of every column; no wheel and no npm
package has such a server yet.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from pathlib import Path

from dbmigrate.embedded.account import server_account
from tests.support import apt

NAME = "15-debian"
MAJOR = 15
_PACKAGES = (f"postgresql-{MAJOR}", f"postgresql-client-{MAJOR}")
_PROGRAMS = ("postgres", "initdb", "pg_dump")
_REACHABLE = Path("/var/tmp")


def unpacked(name: str, packages: tuple[str, ...], *, cache: Path) -> Path:
    """The files of Debian's packages, fetched once. Raises `UnavailableError`, with the reason in one line."""
    cache.mkdir(parents=True, exist_ok=True)
    with open(cache / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several test processes may want it at once
        root = cache / name
        if not root.is_dir():
            apt.unpack(root, *packages)
        return root


def bindir(*, cache: Path) -> Path:
    """The server's programs, fetched once. Raises `UnavailableError`, with the reason in one line."""
    root = unpacked(NAME, _PACKAGES, cache=cache)
    with open(cache / f"{NAME}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = _reachable(root) / "usr" / "lib" / "postgresql" / str(MAJOR) / "bin"
    for program in _PROGRAMS:
        apt.run(str(found / program), "--version")  # it takes its libraries from this machine
    return found


# What /bin/sh, a program and the server need of a Debian: without Python.
_BARE = ("libc6", "dash", "coreutils", "libselinux1", "libpcre2-8-0", "libacl1", "libattr1", "libgmp10", "zlib1g")
_ACCOUNTS = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n"


def bare_system(target: Path, *, cache: Path) -> None:
    """A directory to be the root of a system with hardly anything in it. Raises `UnavailableError`."""
    shutil.copytree(unpacked("bare", _BARE, cache=cache), target, symlinks=True)
    for name in ("bin", "sbin", "lib", "lib64"):  # Debian 13 has them in /usr alone
        if not (target / name).exists():
            (target / name).symlink_to(Path("usr", name))
    for name in ("dev", "proc", "root", "etc", "tmp", "var/tmp", "opt", "project"):
        (target / name).mkdir(parents=True, exist_ok=True)
    for name in ("tmp", "var/tmp"):
        (target / name).chmod(0o1777)
    (target / "etc" / "passwd").write_text(_ACCOUNTS)


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
