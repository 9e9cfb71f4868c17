"""Text for psql scripts: variables that hold SQL, connection strings, statements that psql must not interpret.

https://www.postgresql.org/docs/current/app-psql.html
"""

from __future__ import annotations

import re
from itertools import count

from dbmigrate.errors import ConfigError
from dbmigrate.sql import reads_alike

# a quoted name, or a literal as `write_log.literal` writes it
_QUOTED = re.compile(r'"[^"]*(?:""[^"]*)*"' + r"|( E)?'([^']*(?:''[^']*)*)'")
_WIDTH = 100
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
