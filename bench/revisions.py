"""Alembic, to compare with: installed from PyPI on first use, and the same migrations as revision files for it.

It lives in a virtual environment of its own in the tests' cache: the project does not depend on it.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import venv
from collections.abc import Mapping
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path

from tests.support.servers import UnavailableError

VERSION = "1.20.1"

_INI = """\
[alembic]
script_location = %(here)s/alembic
"""
# what `alembic init` makes, without the set-up of logging: one transaction for all migrations of a run
_ENV = """\
import os

from alembic import context
from sqlalchemy import create_engine, pool

url = os.environ["DATABASE_URL"].replace("postgres://", "postgresql+psycopg://", 1)
with create_engine(url, poolclass=pool.NullPool).connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""
_REVISION = """\
from alembic import op

revision = {revision!r}
down_revision = {before!r}


def upgrade():
    op.execute({up})


def downgrade():
    op.execute({down})
"""
_FROM_FILE = "open({path!r}, encoding='utf-8').read()"


def program(*, cache: Path, environ: Mapping[str, str]) -> Path:
    """Alembic's command, installed when it is not in `cache` yet. Raises `UnavailableError`."""
    cache.mkdir(parents=True, exist_ok=True)
    directory = cache / f"alembic-{VERSION}"
    with open(cache / "alembic.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two runs may want it at once
        if not (directory / "complete").exists():
            _install(directory, environ)
    return directory / "bin" / "alembic"


def _install(directory: Path, environ: Mapping[str, str]) -> None:
    venv.create(directory, clear=True, with_pip=True)
    wanted = (f"alembic=={VERSION}", f"psycopg[binary]=={version('psycopg')}")  # the driver that dbmigrate runs on
    pip = [str(directory / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted]
    try:
        done = subprocess.run(pip, env=dict(environ), capture_output=True, text=True, timeout=300)
    except subprocess.TimeoutExpired as exc:
        raise UnavailableError(f"pip could not install Alembic {VERSION} in time") from exc
    if done.returncode != 0:
        raise UnavailableError(f"pip could not install Alembic {VERSION}: {done.stderr.strip()[-300:]}")
    (directory / "complete").touch()


def write(root: Path, *, alembic: Path) -> None:
    """The migrations of ``root/db/migrations`` as revisions in ``root/alembic``, for ``root/alembic.ini``."""
    versions = root / "alembic" / "versions"
    if versions.exists():
        return
    versions.mkdir(parents=True)
    (root / "alembic.ini").write_text(_INI)
    (root / "alembic" / "env.py").write_text(_ENV)
    files = sorted((root / "db" / "migrations").iterdir())
    for before, file in pairwise((None, *files)):
        if file is not None:
            revision = _revision(file, before and _version(before), versions)
            (versions / f"{file.stem}.py").write_text(revision)
    # a program that is run daily has been compiled before
    subprocess.run([alembic.with_name("python"), "-m", "compileall", "-q", root / "alembic"], check=True)


def _revision(file: Path, before: str | None, versions: Path) -> str:
    up, down = (text.strip() for text in file.read_text().removeprefix("-- migrate:up\n").split("-- migrate:down\n"))
    if len(up) < 1 << 16:
        return _REVISION.format(revision=_version(file), before=before, up=repr(up), down=repr(down))
    big = versions / f"{file.stem}.sql"  # as a person would do it: nobody puts it into a Python string
    big.write_text(up, newline="\n")
    read = _FROM_FILE.format(path=os.fspath(big))
    return _REVISION.format(revision=_version(file), before=before, up=read, down=repr(down))


def _version(file: Path) -> str:
    return file.name.partition("_")[0]
