"""Scripts that psql has run, as the SQL that it sent: commands that only showed something gone, variables replaced."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dbmigrate.importing.scripts import psql_command
from dbmigrate.importing.texts import statements
from dbmigrate.importing.values import Judgement
from dbmigrate.sql import placed_words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dbmigrate.importing.texts import Statement, Text

# commands that change what psql shows, and never what the server does
_SHOWS = re.compile(
    r"\\(?:echo|qecho|warn|timing|pset|x|conninfo|encoding\s+['\"]?utf-?8['\"]?\s*\Z"
    r"|(?:un)?set\s+(?:ON_ERROR_STOP|QUIET|VERBOSITY|SHOW_CONTEXT|ECHO|ECHO_HIDDEN))(?!\S)",
    re.IGNORECASE,
)
_RUNS_MORE = re.compile(r"`|\\\\")  # a shell command, or a further command on the line
_NAME = re.compile(r"[A-Za-z_0-9\x80-\U0010ffff]+")  # what psqlscan.l takes for a variable
_QUOTED = re.compile(r"""(['"])([A-Za-z_0-9\x80-\U0010ffff]+)\1""")


def as_sent(text: Text, values: Mapping[str, str]) -> tuple[Text, tuple[Judgement, ...]]:
    """The SQL of a psql script, and questions for the variables that have no value.

    Raises MigrationFileError E281 for a command that does more than show something.
    """
    judgements = []
    sql = text.text
    commands = [each for each in statements(text) if each.is_command]
    for command in reversed(commands):
        if not _SHOWS.match(command.sql) or _RUNS_MORE.search(command.sql, 1):
            raise psql_command(text, next(each for each in commands if _does_more(each)))
        sql = sql[: command.offset] + sql[command.offset + len(command.sql) :]
    if commands:
        names = ", ".join(dict.fromkeys(each.sql.split()[0] for each in commands))
        judgements.append(
            Judgement(f"psql commands that show things are left out: {names}", text.place(commands[0].line))
        )
    sent = text.with_text(sql)
    sent, questions = _replaced(sent, values)
    return sent, (*judgements, *questions)


def _does_more(command: Statement) -> bool:
    return _SHOWS.match(command.sql) is None or _RUNS_MORE.search(command.sql, 1) is not None


def _replaced(text: Text, values: Mapping[str, str]) -> tuple[Text, tuple[Judgement, ...]]:
    """``:name``, ``:'name'`` and ``:"name"`` outside of quotes; psql leaves a name that it does not know as it is."""
    found = [each for statement in statements(text) for each in _variables(statement)]
    questions = {}
    sql = text.text
    for begin, end, name, quote in reversed(found):
        if name in values:
            sql = sql[:begin] + _written(values[name], quote) + sql[end:]
        else:
            place = text.place(text.line_of(begin))
            hint = f"give it: --placeholder {name}=VALUE"
            questions[name] = Judgement(f"the psql variable {name} has no value", place, hint, asks=True)
    return text.with_text(sql), tuple(reversed(questions.values()))


def _variables(statement: Statement) -> Iterator[tuple[int, int, str, str]]:
    """Begin and end in the text, name, and the quote. Between brackets a colon is that of an array slice."""
    depth = 0
    at = 0
    for word in placed_words(statement.sql):
        depth += (word.text == "[") - (word.text == "]")
        if word.text != ":" or depth or word.start < at:
            continue
        name = _QUOTED.match(statement.sql, word.end) or _NAME.match(statement.sql, word.end)
        if name is not None:
            at = name.end()
            quote, bare = (name[1], name[2]) if name.re is _QUOTED else ("", name[0])
            yield statement.offset + word.start, statement.offset + at, bare, quote


def _written(value: str, quote: str) -> str:
    return quote + value.replace(quote, quote * 2) + quote if quote else value
