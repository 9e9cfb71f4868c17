"""SQL that a person has given for a file that is code or a template: ``--sql FILE=SQLFILE``."""

from __future__ import annotations

from posixpath import join
from typing import TYPE_CHECKING

from dbmigrate.errors import ConfigError
from dbmigrate.importing.texts import read_text

if TYPE_CHECKING:
    from dbmigrate.importing.texts import Text
    from dbmigrate.importing.values import Answers, Source


def given_sql(source: Source, answers: Answers, path: str) -> Text | None:
    """The text that stands for the file `path`; None where nothing was given. It is found in `source` by its own name.

    Raises ConfigError E205: SQLFILE was not read.
    """
    name = answers.sql_of.get(path)
    if name is None:
        return None
    names = (name, name.removeprefix(join(source.directory, "")))
    file = next((file for file in source.files if file.path in names), None)
    if file is None:
        raise ConfigError(f"--sql {path}={name}: {name} was not found", code="E205", hint="name a file that is there")
    return read_text(source, file)
