"""Migration files on disk: which there are, in which order, and how a new one is made."""

from __future__ import annotations

import os
import re
import unicodedata
from contextlib import ExitStack
from datetime import timedelta
from typing import TYPE_CHECKING

from dbmigrate.errors import ConfigError, PlanError
from dbmigrate.model import MigrationFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from dbmigrate.order import Order

# dbmate's rule (db.go): leading ASCII digits are the version, the rest of the name is free
_NAME = re.compile(r"([0-9]+).*\.sql", re.DOTALL)
_TEMPLATE = "-- migrate:up\n\n\n-- migrate:down\n\n"
_UNDECODED = re.compile("[\ud800-\udfff]")  # how os.fsdecode() carries bytes that are no text
_SLUG = re.compile(r"[\W_]+")
_LONGEST_SLUG = 200  # bytes; file systems take names of 255


def find(directories: Sequence[str], order: Order) -> tuple[MigrationFile, ...]:
    """The migration files of all `directories`, in `order`.

    Directories are not searched recursively. Files whose names do not begin with digits and end in ``.sql`` are not
    migrations; a directory that is named twice is read once. Raises PlanError E235 (no such directory), E221 (two files
    with one version); ConfigError E207.
    """
    places = {os.path.realpath(directory): directory for directory in reversed(directories)}.values()
    found = sorted((file for directory in places for file in _list(directory)), key=lambda f: order.key(f.name))
    _refuse_twins(found)
    return tuple(found)


def is_migration_name(name: str) -> bool:
    """Whether a file of this name, in a migrations directory, is a migration."""
    return _NAME.fullmatch(name) is not None


def _list(directory: str) -> Iterable[MigrationFile]:
    try:
        entries = list(os.scandir(directory))
    except (FileNotFoundError, NotADirectoryError) as exc:
        raise PlanError(
            f"could not find migrations directory `{directory}`",
            code="E235",
            hint="create one with `dbmigrate new NAME`, or name another with --migrations-dir",
        ) from exc
    except OSError as exc:
        raise ConfigError(f"cannot read directory `{directory}`: {exc.strerror}", code="E207") from exc
    for entry in entries:
        match = _NAME.fullmatch(entry.name)
        if match and _is_file(entry):
            _refuse_undecodable(entry)
            yield MigrationFile(match[1], entry.name, os.path.normpath(entry.path))


def _is_file(entry: os.DirEntry[str]) -> bool:
    """Links count, as in dbmate; a dangling one is an error, because skipping it would silently skip a migration."""
    if entry.is_symlink() and not os.path.exists(entry.path):
        raise ConfigError(f"{entry.path} is a link to nothing", code="E207", hint="restore its target, or remove it")
    return entry.is_file()


def _refuse_undecodable(entry: os.DirEntry[str]) -> None:
    """The name becomes a text in the database's log; bytes that are none have no place there."""
    if _UNDECODED.search(entry.name):
        raise ConfigError(f"the name of {entry.path!a} is not valid UTF-8", code="E207", hint="rename the file")


def _refuse_twins(found: Sequence[MigrationFile]) -> None:
    seen: dict[str, MigrationFile] = {}
    for file in found:
        twin = seen.setdefault(file.version, file)
        if twin is not file:
            raise PlanError(
                f"two migrations have version {file.version}: {twin.path} and {file.path}",
                code="E221",
                hint="rename one of them: give it a newer timestamp if it has not been applied anywhere",
            )


def create(directories: Sequence[str], name: str, now: datetime) -> str:
    """Make an empty migration file in the first directory, named after `now` (UTC) and `name`; return its path.

    Where a migration of that second exists in any of the directories, the next free second is taken. The name becomes
    lower-case words joined by ``_``, so that it can neither leave the directory nor need quoting. The first directory
    is made if it is missing. The file is there whole or not at all. Raises PlanError E237 (nothing usable in the name);
    ConfigError E207.
    """
    slug = _slug(name)
    path = os.path.normpath(os.path.join(directories[0], f"{now:%Y%m%d%H%M%S}_{slug}.sql"))
    try:
        os.makedirs(directories[0] or ".", mode=0o755, exist_ok=True)
        while True:
            version = f"{now:%Y%m%d%H%M%S}"
            path = os.path.normpath(os.path.join(directories[0], f"{version}_{slug}.sql"))
            if _write_new(path, version, directories):
                return path
            now += timedelta(seconds=1)
    except OSError as exc:
        raise ConfigError(f"cannot write {path}: {exc.strerror}", code="E207") from exc


def _slug(name: str) -> str:
    slug = _SLUG.sub("_", unicodedata.normalize("NFC", name).lower()).strip("_")
    if not slug:
        raise PlanError(
            "please specify a name for the new migration",
            code="E237",
            hint='letters and digits are needed, for example: dbmigrate new "create users"',
        )
    return slug.encode()[:_LONGEST_SLUG].decode(errors="ignore")


def _write_new(path: str, version: str, directories: Sequence[str]) -> bool:
    """Write the file unless its version is taken. The temporary file is named after the version and made exclusively:
    of two processes that want one version the second one sees it, or else the finished file of the first one.
    """
    claim = os.path.join(os.path.dirname(path), f".dbmigrate-new-{version}.tmp")
    try:
        descriptor = os.open(claim, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    except FileExistsError:
        return False
    with ExitStack() as undo:
        undo.callback(os.unlink, claim)
        with os.fdopen(descriptor, "wb") as file:
            if _is_taken(version, directories):
                return False
            file.write(_TEMPLATE.encode())
            file.flush()
            os.fsync(descriptor)  # a full disk or quota may be told no earlier
        os.rename(claim, path)
        undo.pop_all()
    return True


def _is_taken(version: str, directories: Sequence[str]) -> bool:
    """`find` would refuse two files of one version; a dangling link is one too."""
    present = (name for each in directories if os.path.isdir(each or ".") for name in os.listdir(each or "."))
    matches = map(_NAME.fullmatch, present)
    return any(match is not None and match[1] == version for match in matches)
