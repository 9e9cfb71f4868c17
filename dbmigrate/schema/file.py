"""Reading the schema file, and replacing it so that no reader ever sees a half-written one."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from dbmigrate.errors import ConfigError, PlanError
from dbmigrate.model import Place
from dbmigrate.schema import versions

__all__ = ["read", "text", "write_atomically"]

_NEW_MODE = 0o644


def read(path: Path) -> str:
    """The text of a schema file to load or to compare: see `text`. Raises as it, and `PlanError` E259."""
    found = text(path)
    if versions.is_marked(found):
        raise PlanError(
            f"{path} is not generated yet: git has merged two versions of it",
            code="E259",
            place=Place(str(path), 1),
            hint="`dbmigrate dump --from-migrations` makes it from the migrations of both branches",
        )
    return found


def text(path: Path) -> str:
    """The text of a schema file, line ends untouched. Raises `ConfigError` (E207), `PlanError` (E238: not UTF-8)."""
    try:
        data = path.read_bytes()
    except OSError as exc:
        raise ConfigError(f"cannot read {path}: {exc.strerror}", code="E207") from exc
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as exc:
        place = Place(str(path), data.count(b"\n", 0, exc.start) + 1)
        raise PlanError("the schema file is not valid UTF-8", code="E238", place=place) from exc


def write_atomically(path: Path, text: str) -> bool:
    """Make `text` the content of `path`; whether its bytes changed. An identical file is not touched.

    A new file is written beside it, synced and renamed over it, so that after a failure the old one stands. Missing
    directories are made. An existing file keeps its mode, a new one gets 0644 less the umask; a symbolic link is
    followed. Something that is not a regular file (``/dev/stdout``, a pipe) is written to directly.
    Raises `ConfigError` (E207).
    """
    data = text.encode("utf-8")
    try:
        return _write(path, data)
    except OSError as exc:
        raise ConfigError(f"cannot write {path}: {exc.strerror}", code="E207") from exc


def _write(path: Path, data: bytes) -> bool:
    found = path.stat() if path.exists() else None
    if found and not stat.S_ISREG(found.st_mode):
        path.write_bytes(data)
        return True
    if found and found.st_size == len(data) and path.read_bytes() == data:
        return False
    _replace(Path(os.path.realpath(path)), data, found)
    return True


def _replace(target: Path, data: bytes, found: os.stat_result | None) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".dbmigrate-{secrets.token_hex(8)}.tmp")
    try:
        _write_new(temporary, data, found)
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
    sync_directory(target.parent)


def _write_new(path: Path, data: bytes, model: os.stat_result | None) -> None:
    """A new file with the mode of `model`, and for root with its owner: else a container would take it away."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _NEW_MODE)
    with os.fdopen(descriptor, "wb") as file:
        if model:
            if os.geteuid() == 0:
                os.fchown(descriptor, model.st_uid, model.st_gid)
            os.fchmod(descriptor, stat.S_IMODE(model.st_mode))
        file.write(data)
        file.flush()
        os.fsync(descriptor)


def sync_directory(path: Path) -> None:
    """A new name is on the disk when its directory is."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
