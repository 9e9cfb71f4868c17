"""Migration files that do not begin empty, or that are not numbered by time."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from dbmigrate.connection.database import whoami
from dbmigrate.errors import ConfigError
from dbmigrate.frozen import frozen
from dbmigrate.migrations import find, numbering, templates
from dbmigrate.planning import selection

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dbmigrate.model import MigrationFile
    from dbmigrate.settings.load import Settings

__all__ = ["Wanted", "make"]


@frozen
class Wanted:
    """What was asked for: a name, a template or a version to take back, and the kind of version."""

    name: str
    template: str | None = None
    revert: str | None = None
    is_numbered: bool = False


def make(settings: Settings, wanted: Wanted) -> str:
    """Make the file; its path. Raises ConfigError E200, PlanError E232, E233, E237, and what reading a file raises."""
    name, text_of = wanted.name, partial(_given, find.TEMPLATE)
    if wanted.revert is not None:
        if wanted.template is not None:
            raise ConfigError("--revert and --template exclude each other", code="E200", hint="give one of them")
        file = _of_version(_present(settings), wanted.revert)
        name = name or f"revert {file.name.removesuffix('.sql')[len(file.version) :]}"
        text_of = partial(_given, templates.reverting(file))
    elif chosen := wanted.template or settings.template:
        text_of = partial(_filled, *templates.template(chosen, settings.migrations_dirs), name)
    return find.create_as(settings.migrations_dirs, name, _versions(settings, wanted), text_of)


def _given(text: str, version: str) -> str:
    return text


def _filled(text: str, path: str, name: str, version: str) -> str:
    now = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    slug = find.slug_of(name)
    values = {"title": " ".join(name.split()), "name": slug, "version": version, "created": now}
    return templates.of_file(text, path, {**values, "author": whoami().partition("@")[0]})


def _versions(settings: Settings, wanted: Wanted) -> Iterator[str]:
    return numbering.following(_present(settings)) if wanted.is_numbered else find.seconds(datetime.now(UTC))


def _present(settings: Settings) -> Sequence[MigrationFile]:
    """The files that are there; none where the directory is not made yet."""
    there = [each for each in settings.migrations_dirs if os.path.isdir(each or ".")]
    return find.find(there, settings.version_order)


def _of_version(files: Sequence[MigrationFile], version: str) -> MigrationFile:
    for file in files:
        if version in (file.version, file.name):
            return file
    known = [file.version for file in files]
    raise selection.unknown_version(version, known, f"no migration file has version {version}")
