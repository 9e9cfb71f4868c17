"""The example project, unpacked into a directory with its own embedded PostgreSQL."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from dbmigrate.errors import ConfigError, Refused

if TYPE_CHECKING:
    from collections.abc import Iterable

URL = "embedded:.dbmigrate/postgres"
_MIGRATIONS = Path("db/migrations")
_ENV_TEXT = f"""\
# The target database of this directory: an embedded PostgreSQL, started for each command.
DATABASE_URL="{URL}"
"""


def unpack(folder: Path) -> bool:
    """Put the example's migrations and an ``.env`` into `folder`, where they are missing; whether files were written.

    A folder that already has the example stays as it is. Raises Refused E706 for one with other migrations,
    ConfigError E207.
    """
    target = folder / _MIGRATIONS
    example = sorted(_example().glob("*.sql"))
    try:
        if target.exists():
            _refuse_others(target, {path.name for path in example})
            return _write_env(folder)
        target.mkdir(parents=True)
        for path in example:
            shutil.copyfile(path, target / path.name)
        _write_env(folder)
    except OSError as exc:
        raise ConfigError(f"cannot write the example to {folder}: {exc.strerror}", code="E207") from exc
    return True


def _refuse_others(target: Path, names: Iterable[str]) -> None:
    """The demo must not run the migrations of a user, nor overwrite their schema file."""
    others = {path.name for path in target.glob("*.sql")} - set(names)
    if others:
        raise Refused(
            f"{target} has migrations that are not the example's: {min(others)}",
            code="E706",
            hint="run the demo in an empty directory",
        )


def _write_env(folder: Path) -> bool:
    path = folder / ".env"
    if path.exists():
        return False
    path.write_text(_ENV_TEXT, encoding="utf-8")
    return True


def _example() -> Path:
    """An installed package has the example in it; in a checkout it is the repository's own ``db``."""
    here = Path(__file__).resolve().parents[1]
    installed = here / "example" / "migrations"
    return installed if installed.is_dir() else here.parent / _MIGRATIONS


def program(argv0: str) -> str:
    """How the user calls dbmigrate: by its name if the PATH finds it, else by the path that was used now."""
    found = shutil.which("dbmigrate")
    if found is not None and os.path.exists(argv0) and os.path.samefile(found, argv0):
        return "dbmigrate"
    return os.path.relpath(argv0) if argv0.endswith("dbmigrate") else "dbmigrate"
