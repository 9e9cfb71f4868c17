"""Making a database cluster: initdb, or a copy of one that initdb made before."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from dbmigrate import errors
from dbmigrate.frozen import frozen

if TYPE_CHECKING:
    from dbmigrate.embedded.account import Account
    from dbmigrate.embedded.binaries import Binaries
    from dbmigrate.embedded.watchdog import Watchdog

SUPERUSER = "postgres"


class Durability(Enum):
    """What the data is worth."""

    THROWAWAY = "throw-away"
    KEPT = "kept"


@frozen
class Programs:
    """Server programs together with the account that runs them from `bindir`, and the watchdog that ends them."""

    binaries: Binaries
    bindir: Path
    account: Account
    dog: Watchdog


def create(programs: Programs, data: Path, durability: Durability) -> None:
    """Run initdb into `data`, which must not exist.

    The locale never comes from the machine: sort order and dumps would differ from one developer to the next.
    Raises `errors.ConfigError` (E207) with initdb's own words.
    """
    data.mkdir(mode=0o700)
    programs.account.own(data)
    log = programs.dog.directory / "initdb.log"
    command: list[str | Path] = [programs.bindir / "initdb", "-D", data, *_options(programs.binaries.major, durability)]
    with open(log, "wb") as output:
        process = programs.account.spawn(command, output=output)
        with programs.dog.watching(process, lambda: _end_initdb(process)):
            process.wait()
    if process.returncode != 0:
        raise errors.ConfigError(
            f"initdb could not make a database cluster in {data}", code="E207", details=(("log", log_tail(log)),)
        )


def create_from_cache(programs: Programs, data: Path, cache: Path) -> None:
    """A throw-away cluster in `data`, copied from `cache`, where initdb's work is kept once per server build.

    Several processes may do this at the same time. Raises `errors.ConfigError` (E207).
    """
    template = cache / f"cluster-{programs.binaries.version}-{_template_key(programs.binaries)}"
    if not template.is_dir():
        _make_template(programs, template)
    _copy_tree(template, data)
    data.chmod(0o700)
    programs.account.own_tree(data)


def log_tail(log: Path, *, size: int = 2000) -> str:
    """The end of a log file, for an error message."""
    return log.read_text(encoding="utf-8", errors="replace")[-size:].strip() if log.exists() else ""


def _end_initdb(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:  # only when the wait for it was interrupted
        process.terminate()
        process.wait()


def _make_template(programs: Programs, template: Path) -> None:
    cluster = programs.dog.directory / "template"
    create(programs, cluster, Durability.THROWAWAY)
    template.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=template.parent, prefix="new-") as directory:
        new = Path(directory) / "cluster"
        _copy_tree(cluster, new)
        if not template.exists():
            os.rename(new, template)
    shutil.rmtree(cluster)


def _copy_tree(source: Path, target: Path) -> None:
    """cp does for 974 small files in 50 ms what shutil.copytree does in several hundred."""
    command = ["cp", "-R", str(source), str(target)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
    if done.returncode != 0:
        raise errors.ConfigError(f"cannot copy a database cluster: {done.stderr.strip()[-500:]}", code="E207")


def _template_key(binaries: Binaries) -> str:
    built = (binaries.bindir / "postgres").stat().st_mtime_ns
    parts = (str(binaries.bindir), str(built), *_options(binaries.major, Durability.THROWAWAY))
    return hashlib.sha256("\0".join(parts).encode(errors="surrogateescape")).hexdigest()[:16]


def _options(major: int, durability: Durability) -> list[str]:
    """Options by version: 14 learned --no-instructions, 17 the builtin locale provider, 18 has checksums by default.

    The socket lies in a directory that only we may enter, so it needs no password; TCP does.
    """
    options = ["-U", SUPERUSER, "--auth-local=trust", "--auth-host=scram-sha-256", "-E", "UTF8", "--wal-segsize=1"]
    if major >= 17:
        options += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--lc-collate=C", "--lc-ctype=C"]
    else:
        options += ["--no-locale"]
    if major >= 14:
        options += ["--no-instructions"]
    if durability is Durability.THROWAWAY:
        options += ["--no-sync"]
        options += ["--no-data-checksums"] if major >= 18 else []
    return options
