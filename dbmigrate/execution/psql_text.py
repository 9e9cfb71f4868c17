"""Text for psql scripts: variables that hold SQL, connection strings, statements that psql must not interpret.

https://www.postgresql.org/docs/current/app-psql.html
"""

from __future__ import annotations

import re
from itertools import count
from typing import TYPE_CHECKING

from dbmigrate.errors import ConfigError
from dbmigrate.sql import reads_alike
from dbmigrate.sql.placeholders import stands_apart
from dbmigrate.variables import environment_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from dbmigrate.variables import Filled, Use

# a quoted name, or a literal as `write_log.literal` writes it
_QUOTED = re.compile(r'"[^"]*(?:""[^"]*)*"' + r"|( E)?'([^']*(?:''[^']*)*)'")
_WIDTH = 100
_IS_SET = "dbmigrate_is_set"
_PREFIX = "dbmigrate_var_"  # so that no variable has a name that means something to psql
_QUOTERS = (
    "' ', pg_catalog.quote_literal({}), ' '",
    """' "', pg_catalog.replace({}, '"', '""'), '" '""",
)
_SHORT = {"\n": "\\n", "\r": "\\r"}


def variable(name: str, commands: str) -> str:
    """The lines that set a psql variable to SQL of dbmigrate, whose lines are short.

    psql puts the SQL in the place of ``:name``.
    """
    first, *rest = _packed(commands.splitlines())
    lines = [f"\\set {name} {_argument(first)}", *(f"\\set {name} :{name} {_argument(line)}" for line in rest)]
    return "\n".join(lines) + "\n"


def _packed(lines: list[str]) -> list[str]:
    packed = lines[:1]
    for line in lines[1:]:
        if len(packed[-1]) + len(line) < _WIDTH:
            packed[-1] += f" {line}"
        else:
            packed.append(line)
    return packed


def _argument(text: str) -> str:
    """In single quotes, where psql reads backslash escapes; with a blank, because psql joins arguments without one."""
    return "'{} '".format(text.replace("\\", "\\\\").replace("'", "''"))


def connect(name: str) -> str:
    """The command that connects to another database.

    psql takes a name with a = or one that begins like a URL for a connection string. Raises ConfigError E271.
    https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING
    """
    if not name.isprintable():
        raise ConfigError(
            f"the dry run cannot be a script: psql cannot connect to the database {name!r}",
            code="E271",
            hint="run `dbmigrate create` first, then make the script",
        )
    value = name.replace("\\", "\\\\").replace("'", "\\'")
    quoted = f"dbname='{value}'".replace('"', '""')
    return f'\\connect -reuse-previous=on "{quoted}"\n'


def value(name: str) -> str:
    """The value of a migration's variable, as SQL text."""
    return f":'{_PREFIX}{name}'::pg_catalog.text"


def values(names: Iterable[str]) -> Iterator[str]:
    """The lines that set psql variables to the values of a migration's variables, from the environment.

    A shell prints them, because `\\getenv` is not in psql 13 and 14; psql drops one line break at their end.
    """
    for name in names:
        environ = environment_name(name)
        yield f"""\\set {_IS_SET} `test -n "${environ}" && echo on || echo off`\n"""
        yield f"\\if :{_IS_SET}\n\\set {_PREFIX}{name} `printf '%s\\n' \"${environ}\"`\n\\else\n"
        yield f"DO $$ BEGIN RAISE EXCEPTION 'set {environ} in the environment'; END $$;\n\\endif\n"


def filled_statement(filled: Filled) -> str:
    """A statement with its end, in which psql puts the values of variables, as a literal or a name."""
    neutral = filled.neutral  # what psql makes of it: its variables become strings and names
    if reads_alike(neutral) and all(stands_apart(neutral, patch) for patch in filled.patches):
        text = _replaced(filled, lambda use: f":{use.quote}{_PREFIX}{use.name}{use.quote}")
        return text if text.endswith(";") else f"{text}\n;"
    tag = next(tag for number in count() if (tag := f"$sql{number or ''}$") not in filled.source)
    text = _replaced(filled, lambda use: f"{tag}, {_QUOTERS[use.is_identifier].format(value(use.name))}, {tag}")
    note = "-- psql would read this statement differently from the server: it is sent as a string\n"
    return f"{note}SELECT pg_catalog.concat({tag}{text}{tag}) \\gexec\n"


def _replaced(filled: Filled, text: Callable[[Use], str]) -> str:
    parts: list[str] = []
    at = 0
    for patch in filled.patches:
        parts += (filled.source[at : patch.begin], text(patch.use))
        at = patch.end
    return "".join((*parts, filled.source[at:]))


def statement(sql: str) -> str:
    """A statement with its end: as in the file, or as a string where psql could read it differently from the server.

    ``\\gexec`` sends the string without interpreting it; the rest of its line would be arguments.
    """
    if reads_alike(sql):
        return sql if sql.endswith(";") else f"{sql}\n;"
    tag = next(tag for number in count() if (tag := f"$sql{number or ''}$") not in sql)
    note = "-- psql would read this statement differently from the server: it is sent as a string\n"
    return f"{note}SELECT {tag}{sql}{tag} \\gexec\n"


def one_line(record: str) -> str:
    """SQL of dbmigrate with the line breaks in its literals written as escapes: one line for each statement."""
    return _QUOTED.sub(_escaped, record)


def _escaped(match: re.Match[str]) -> str:
    prefix, text = match.groups()
    if text is None or ("\n" not in text and "\r" not in text):
        return match[0]
    text = text if prefix else text.replace("\\", "\\\\")
    return " E'{}'".format(re.sub("[\n\r]", lambda found: _SHORT[found[0]], text))
