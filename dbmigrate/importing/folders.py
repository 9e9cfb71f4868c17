"""Projects with a folder per migration, as Diesel and Prisma have them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.frozen import frozen
from dbmigrate.importing.texts import file_name, folder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dbmigrate.importing.values import Answers, Source, SourceFile


@frozen
class Folder:
    """A folder: its path below SOURCE, its name, and its files by their names."""

    path: str
    name: str
    files: Mapping[str, SourceFile]


@frozen
class Folders:
    """The folders that hold a migration, in the order of their names, and those beside them that do not."""

    migrations: tuple[Folder, ...]
    left_out: Mapping[str, str]


def folders_with(source: Source, main: str, answers: Answers) -> Folders:
    """The folders that hold the file `main`. A migration is skipped by the path of its folder or of that file."""
    grouped: dict[str, dict[str, SourceFile]] = {}
    for file in source.files:
        if folder(file.path):
            grouped.setdefault(folder(file.path), {})[file_name(file.path)] = file
    found = [Folder(path, file_name(path), files) for path, files in grouped.items() if main in files]
    parents = {folder(each.path) for each in found}
    left_out = {
        path: f"a folder without {main}"
        for path, files in grouped.items()
        if folder(path) in parents and main not in files and any(name.endswith(".sql") for name in files)
    }
    skipped = [each for each in found if {each.path, f"{each.path}/{main}"} & answers.skip]
    left_out |= {f"{each.path}/{main}": "left out, as asked" for each in skipped}
    kept = sorted((each for each in found if each not in skipped), key=lambda each: (each.name.encode(), each.path))
    return Folders(tuple(kept), left_out)


def has_folders(source: Source, main: str) -> bool:
    return any(file_name(file.path) == main and folder(file.path) for file in source.files)
