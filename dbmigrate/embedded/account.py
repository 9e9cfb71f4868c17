"""Who runs the server.

``postgres`` and ``initdb`` refuse to run as root. Root therefore starts them as ``postgres``, or as ``nobody`` where
that account is missing. No account is made, no permission of a directory that is not ours is changed.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

from dbmigrate import errors
from dbmigrate.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dbmigrate.connection.programs import ServerPrograms

COPIES = Path("/var/tmp")

# Nothing of the caller's environment reaches the server: no PG*, no locale, no time zone of this machine.
ENVIRONMENT = {"LC_ALL": "C", "TZ": "UTC", "PATH": "/usr/local/bin:/usr/bin:/bin"}


@frozen
class Account:
    """The account that server programs run as; with None in both fields they run as ourselves."""

    uid: int | None = None
    gid: int | None = None

    @property
    def is_other(self) -> bool:
        return self.uid is not None

    @property
    def directory_mode(self) -> int:
        """For directories that hold the server's: the other account has to pass through, and may not look around."""
        return 0o711 if self.is_other else 0o700

    def own(self, *paths: Path | str) -> None:
        """Make the account the owner of files that we made."""
        if self.uid is not None and self.gid is not None:
            for path in paths:
                os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def own_tree(self, top: Path) -> None:
        if self.is_other:
            self.own(top)
            for directory, directories, files in os.walk(top):
                self.own(*(os.path.join(directory, name) for name in (*directories, *files)))

    def spawn(self, command: Sequence[str | Path], *, output: IO[bytes]) -> subprocess.Popen[bytes]:
        """Start a program as this account, out of reach of the terminal's Ctrl-C. Raises OSError."""
        return subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd="/",
            env=ENVIRONMENT,
            start_new_session=True,
            user=self.uid,
            group=self.gid,
            extra_groups=[] if self.is_other else None,
        )

    def can(self, command: Sequence[str | Path]) -> bool:
        """Whether the account can run the program, and it succeeds."""
        with open(os.devnull, "wb") as nowhere:
            try:
                return self.spawn(command, output=nowhere).wait(timeout=10) == 0
            except PermissionError:
                return False


def server_account() -> Account:
    """Ourselves, or for root ``postgres``, else ``nobody``. Raises `errors.ToolMissing` when root has neither."""
    if os.geteuid() != 0:
        return Account()
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(entry.pw_uid, entry.pw_gid)
    raise errors.ToolMissing(
        "a PostgreSQL server cannot run as root, and there is no account 'postgres' or 'nobody' to run it as",
        code="E206",
        hint="run dbmigrate as an ordinary user, or set DATABASE_URL",
    )


def owner_of(path: Path) -> Account:
    """For root: the account that owns `path`, so that ``sudo`` can use an ordinary user's data. Else ourselves."""
    status = path.stat()
    return Account(status.st_uid, status.st_gid) if os.geteuid() == 0 and status.st_uid else server_account()


def reachable_bindir(binaries: ServerPrograms, account: Account) -> Path:
    """The directory of programs that `account` can run: the given one, or a copy of it.

    A virtual environment below root's home (mode 0700) is out of reach for any other account. Its PostgreSQL (42 MB)
    is then copied, once per version, to ``/var/tmp/dbmigrate-pg-*``, owned by root. Raises `errors.ToolMissing`
    (E206) for an installation that cannot be copied, OSError when there is no room.
    """
    if not account.is_other or account.can([binaries.bindir / "postgres", "--version"]):
        return binaries.bindir
    if not (binaries.bindir.parent / "share").is_dir():
        raise errors.ToolMissing(
            f"root cannot run the PostgreSQL in {binaries.bindir}: the account that has to run it cannot reach it",
            code="E206",
            hint="install PostgreSQL where every account can execute it, or run dbmigrate as an ordinary user",
        )
    package = binaries.bindir.parent.parent
    copy = _copy_of(package, binaries)
    return copy / package.name / binaries.bindir.relative_to(package)


def _copy_of(package: Path, binaries: ServerPrograms) -> Path:
    built = (binaries.bindir / "postgres").stat().st_mtime_ns
    key = hashlib.sha256(f"{binaries.bindir}\0{built}".encode(errors="surrogateescape")).hexdigest()[:16]
    copy = COPIES / f"dbmigrate-pg-{binaries.version}-{key}"
    if not copy.exists():
        _copy_package(package, binaries.bindir.parent, copy)
    status = copy.lstat()
    if status.st_uid != os.geteuid() or status.st_mode & 0o022 or copy.is_symlink():
        raise errors.ConfigError(
            f"{copy} was not made by root and is not to be trusted", code="E207", hint="remove it, then try again"
        )
    return copy


def _copy_package(package: Path, installation: Path, copy: Path) -> None:
    """Copy beside the target, then rename: whoever sees the copy sees all of it."""
    with tempfile.TemporaryDirectory(dir=copy.parent, prefix="dbmigrate-pg-new-") as directory:
        new = Path(directory) / "new"
        shutil.copytree(installation, new / package.name / installation.relative_to(package), symlinks=True)
        libraries = package.with_name(f"{package.name}.libs")  # auditwheel's place; the programs' RPATH is relative
        if libraries.is_dir():
            shutil.copytree(libraries, new / libraries.name, symlinks=True)
        for made in (new, new / package.name):
            made.chmod(0o755)
        if not copy.exists():
            new.rename(copy)
