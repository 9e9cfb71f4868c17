"""Texts as psql takes them: variables that hold SQL, connection strings, statements that must not be read by psql.

https://www.postgresql.org/docs/current/app-psql.html
"""

from __future__ import annotations

import re
from itertools import count

from dbmigrate.errors import ConfigError
from dbmigrate.sql import reads_alike

# a quoted name, or a literal as `journal.literal` writes it
_QUOTED = re.compile(r'"[^"]*(?:""[^"]*)*"' + r"|( E)?'([^']*(?:''[^']*)*)'")
_WIDTH = 100
_SHORT = {"\n": "\\n", "\r": "\\r"}


def variable(name: str, commands: str) -> str:
    """The lines that make a psql variable of SQL of our own, whose lines are short.

    Where ``:name`` stands, psql reads the SQL as if it stood there.
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
    """In single quotes, where psql knows backslash escapes; with a blank, because pieces are joined without one."""
    return "'{} '".format(text.replace("\\", "\\\\").replace("'", "''"))


def connect(name: str) -> str:
    """The command that goes on in another database.

    A name alone is taken for a connection string when it holds a = or begins like a URL. Raises ConfigError E271.
    https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING
    """
    if not name.isprintable():
        raise ConfigError(
            f"the dry run cannot be a script: psql cannot connect to a database of the name {name!r}",
            code="E271",
            hint="create the database by `dbmigrate create`, and make the script then",
        )
    value = name.replace("\\", "\\\\").replace("'", "\\'")
    quoted = f"dbname='{value}'".replace('"', '""')
    return f'\\connect -reuse-previous=on "{quoted}"\n'


def statement(sql: str) -> str:
    """A statement with its end: as the file has it, or as a text where psql could read it otherwise than the server.

    ``\\gexec`` sends the text without reading it; what follows on its line would be arguments.
    """
    if reads_alike(sql):
        return sql if sql.endswith(";") else f"{sql}\n;"
    tag = next(tag for number in count() if (tag := f"$sql{number or ''}$") not in sql)
    note = "-- psql would read this statement otherwise than the server does: it is sent as a text\n"
    return f"{note}SELECT {tag}{sql}{tag} \\gexec\n"


def one_line(record: str) -> str:
    """SQL of our own, with the line breaks of its literals written as escapes: a line for each statement."""
    return _QUOTED.sub(_escaped, record)


def _escaped(match: re.Match[str]) -> str:
    prefix, text = match.groups()
    if text is None or ("\n" not in text and "\r" not in text):
        return match[0]
    text = text if prefix else text.replace("\\", "\\\\")
    return " E'{}'".format(re.sub("[\n\r]", lambda found: _SHORT[found[0]], text))
