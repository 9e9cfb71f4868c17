"""Makes a project in a directory, of which nothing that is there is changed."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, TextIO

from dbmigrate.errors import ConfigError
from dbmigrate.projects import files, package_json
from dbmigrate.projects.values import Made
from dbmigrate.settings import project_file, whole_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbmigrate.model import Problem
    from dbmigrate.projects.values import Choices, File, Layout

__all__ = ["make"]

_KEEP = ".gitkeep"  # git keeps no empty directory


def make(root: str, layout: Layout, choices: Choices) -> Made:
    """Create what is missing in `root`. A second call finds everything there, and changes nothing.

    Raises Refused E747 before anything is written; ConfigError E207 for what cannot be written: what was written before
    it stays, and a second call goes on.
    """
    present = project_file.read(root)
    scripts = _scripts(root) if choices.npm else None
    created: list[str] = []
    kept: list[str] = []
    notes: list[Problem] = []
    for directory in files.directories(layout):
        (created if _make_directory(root, directory) else kept).append(f"{directory.removeprefix('./').rstrip('/')}/")
    for file in files.files(layout, choices):
        if (
            present.path == project_file.PYPROJECT and file.path == project_file.FILE
        ):  # a second project file would hide the table
            kept.append(f"[tool.dbmigrate] in {project_file.PYPROJECT}")
        elif _write_new(root, file.path, file.text):
            created.append(file.path)
        else:
            kept.append(file.path)
            notes += _advice(root, file)
    notes += files.unkept(present, layout)
    if scripts is None:
        return Made(tuple(created), tuple(kept), tuple(notes))
    if scripts.added:
        _put_scripts(root, scripts.text)
    else:
        kept.append(package_json.NAME)
    return Made(tuple(created), tuple(kept), tuple(notes), scripts.added)


def _make_directory(root: str, name: str) -> bool:
    path = os.path.join(root, name)
    if os.path.isdir(path):
        return False
    try:
        os.makedirs(path)
    except OSError as exc:
        raise ConfigError(f"cannot make the directory {name}: {exc.strerror}", code="E207") from exc
    _write_new(root, os.path.join(name, _KEEP), "")
    return True


def _write_new(root: str, name: str, text: str) -> bool:
    """Write a file that is not there; whether it was not. Whatever else has its name stays as it is."""
    path = os.path.join(root, name)
    if os.path.lexists(path):
        return False
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "x", encoding="utf-8", newline="\n") as file:
            _write_or_remove(file, path, text)
    except OSError as exc:
        raise ConfigError(f"cannot write {name}: {exc.strerror}", code="E207") from exc
    return True


def _write_or_remove(file: TextIO, path: str, text: str) -> None:
    """On a full disk nothing stays: the next call would leave a part of a file alone."""
    try:
        file.write(text)
        file.flush()
    except OSError:
        os.unlink(path)
        raise


def _advice(root: str, file: File) -> Iterator[Problem]:
    """What to add to a file that is there; nothing where it seems to be in it."""
    if file.advice is None:
        return
    try:
        with open(os.path.join(root, file.path), encoding="utf-8", errors="replace") as present:
            is_known = any(re.fullmatch(file.sign, line.strip()) for line in present)
    except OSError:
        return
    if not is_known:
        yield file.advice


def _scripts(root: str) -> package_json.Scripts:
    wanted = {f"db:{name}": f"dbmigrate {command}" for name, command in files.SCRIPTS.items()}
    try:
        with open(os.path.join(root, package_json.NAME), "rb") as file:
            return package_json.with_scripts(file.read(), wanted)
    except FileNotFoundError:
        return package_json.with_scripts(None, wanted)
    except OSError as exc:
        raise ConfigError(f"cannot read {package_json.NAME}: {exc.strerror}", code="E207") from exc


def _put_scripts(root: str, text: str) -> None:
    try:
        whole_file.put(os.path.join(root, package_json.NAME), text)
    except OSError as exc:
        raise ConfigError(f"cannot write {package_json.NAME}: {exc.strerror}", code="E207") from exc
