"""Changes of Liquibase as migrations: their SQL, their rollback, their sums, and what has to be asked about them."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from dbmigrate.importing.liquibase_conditions import marks, required
from dbmigrate.importing.liquibase_delimiters import with_semicolons
from dbmigrate.importing.liquibase_filter import holds, is_for_postgresql
from dbmigrate.importing.liquibase_printed import in_printed_order, printed_changes
from dbmigrate.importing.liquibase_sql import Change, option
from dbmigrate.importing.texts import Text, as_one_message, statements
from dbmigrate.importing.values import ForeignMigration, Judgement, Kind, Part
from dbmigrate.importing.variables import mark, unmarked

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dbmigrate.importing.liquibase_sql import Line, SqlFile
    from dbmigrate.importing.values import Answers

__all__ = ["Project", "migrations_of"]

_PLACEHOLDER = re.compile(r"\$\{([^:}\s][^}\s]*)\}")
_BLANK = re.compile(r"[ \t\r\n]")
_EXPRESSION = r'".*?"|\S*'
_OTHER = re.compile(r"changesetid:(\S+)", re.IGNORECASE), re.compile(r"changesetauthor:(\S+)", re.IGNORECASE)
_NO_ROLLBACK = ("not required", "empty")
_ALL = "all"


class Project:
    """The changes that were read so far, by their keys in the old table, and the values of placeholders."""

    def __init__(self, answers: Answers, properties: Mapping[str, str]) -> None:
        self.answers = answers
        self.properties = properties
        self.changes: dict[str, tuple[str, Text, Change]] = {}
        self.left_out: dict[str, str] = {}
        self.without_sum: set[str] = set()
        self.printed: list[str] = []  # keys, in the order in which `liquibase update-sql` has them

    def add_printed(self, path: str, text: Text) -> None:
        """The changes of one changelog that is not SQL, as `liquibase update-sql` printed them."""
        for place, change in printed_changes(text):
            key = f"{place.lstrip('/')}::{change.id}::{change.author}"
            self.printed.append(key)
            if f"/{place}".endswith(f"/{path}") or f"/{path}".endswith(f"/{place}"):
                self.changes.setdefault(key, (path, text, change))
                self.without_sum.add(key)

    def add(self, path: str, text: Text, found: SqlFile) -> None:
        """The changes of one file. Raises MigrationFileError for one that is there twice."""
        logical = option(found.head, "logicalFilePath", r"\S*")
        for change in found.changes:
            named = option(change.options, "logicalFilePath", r"\S*") or logical or path
            key = f"{named.removeprefix('classpath:').lstrip('/')}::{change.id}::{change.author}"
            if key in self.changes:
                raise text.error(f"the change {key} is there twice", change.line)
            self.changes[key] = (path, text, change)

    def listed(self, name: str) -> frozenset[str] | None:
        """The names of ``--option NAME=a,b``; None where it was not given."""
        given = self.answers.options.get(name)
        return None if given is None else frozenset(each.strip() for each in given.split(",") if each.strip())

    def is_answered(self, key: str) -> bool:
        """Whether a person has said that this change is to be converted as a plain migration."""
        return bool({key, _ALL} & (self.listed("run") or frozenset()))


def migrations_of(project: Project) -> tuple[ForeignMigration, ...]:
    """All of them, in their order, but those that Liquibase does not run on PostgreSQL or that are left out."""
    made = []
    for position, key in enumerate(in_printed_order(list(project.changes), project.printed)):
        reason = _why_not(project, key)
        if reason:
            project.left_out[key] = reason
        else:
            made.append(_migration(project, key, position))
    return tuple(made)


def _why_not(project: Project, key: str) -> str:
    options = project.changes[key][2].options
    if key in (project.listed("skip") or ()) or key in project.answers.skip:
        return "left out, as asked"
    if (option(options, "ignore") or "").lower() == "true":
        return "ignore:true"
    if not is_for_postgresql(option(options, "dbms", r"[\w!,]+")):
        return "not for PostgreSQL (dbms)"
    contexts, given = _contexts(options), project.listed("contexts")
    if contexts and given and not holds(contexts, given):
        return f"context:{contexts} is not among {', '.join(sorted(given))}"
    labels, wanted = option(options, "labels", _EXPRESSION), project.answers.options.get("labels")
    if labels and wanted and not holds(wanted, [label.strip() for label in labels.split(",")]):
        return f"labels:{labels} is not among {wanted}"
    return ""


def _contexts(options: str) -> str | None:
    return option(options, "contextFilter", _EXPRESSION) or option(options, "context", _EXPRESSION)


def _migration(project: Project, key: str, position: int) -> ForeignMigration:
    path, text, change = project.changes[key]
    body = _expanded(project, _text_of(text, change.sql))
    up = body.with_text(_split(change, body))
    _refuse_commands(up)
    is_transactional = (option(change.options, "runInTransaction") or "true").lower() == "true"
    if key in project.without_sum:  # what was printed does not say it
        is_transactional = as_one_message(up).transaction
    downs = _downs(project, key)
    reruns = _reruns(change)
    return ForeignMigration(
        version=key,
        name=f"{change.author} {change.id}",
        path=path,
        ups=(Part(up.text, is_transactional),),
        downs=None if downs is None else tuple(Part(down.text, is_transactional) for down in downs),
        sort_key=(position,),
        kind=Kind.REPEATABLE if reruns else Kind.VERSIONED,
        sums={} if key in project.without_sum else _sums(project, body.text, change),
        judgements=tuple(_judgements(project, key, [up, *(downs or ())])),
        require=None if reruns else _required(project, text, change),
    )


def _text_of(text: Text, lines: Sequence[Line]) -> Text:
    """Lines joined and trimmed, as Liquibase does; their places are those of the first one."""
    kept = list(lines)
    while kept and not kept[0].text.strip():
        kept.pop(0)
    while kept and not kept[-1].text.strip():
        kept.pop()
    joined = "".join(f"{line.text}\n" for line in kept)
    return Text(text.path, joined, text.whole, kept[0].number if kept else 1)


def _expanded(project: Project, text: Text) -> Text:
    """With the values of placeholders. Liquibase leaves one that it has no value for as it is."""

    def value_of(found: re.Match[str]) -> str:
        if found[1] in project.properties:
            return project.properties[found[1]]
        return mark(found[1], found[0], text.place(text.line_of(found.start()))) or found[0]

    return text.with_text(_PLACEHOLDER.sub(value_of, text.text))


def _required(project: Project, text: Text, change: Change) -> str | None:
    """A query holds no variables: what has no value stays as it is written, and is asked for."""
    return required(change, text, lambda check: unmarked(_expanded(project, text.with_text(check)).text))


def _sums(project: Project, sql: str, change: Change) -> dict[str, str]:
    """Taken after placeholders, so that one without a value leaves none that could be compared."""
    written = unmarked(sql, project.answers.value_of)
    if written != sql and _PLACEHOLDER.search(written):
        return {}
    return {"md5 (9)": _sum(written), **{f"validCheckSum {each}": each for each in change.valid_sums}}


def _sum(sql: str) -> str:
    """Version 9: of the text without blanks; options and rollbacks do not count (AbstractSQLChange, ChangeSet)."""
    inner = "9:" + _md5(_BLANK.sub("", sql.strip()))
    return "9:" + _md5(f"{inner}:")


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


# ------------------------------------------------------------------------------------------------------------ rollback


def _downs(project: Project, key: str) -> tuple[Text, ...] | None:
    path, text, change = project.changes[key]
    if change.rollback is None:
        return None
    rollback = _text_of(text, change.rollback)
    said = rollback.text.strip().lower()
    if not said:
        return None
    if said.startswith(_NO_ROLLBACK):
        return ()
    if "changesetid" in said:
        return (_other(project, path, rollback),)
    expanded = _expanded(project, rollback)
    if (option(change.options, "rollbackSplitStatements") or "true").lower() == "false":
        _refuse_commands(expanded)
        return (expanded,)
    own = option(change.options, "rollbackEndDelimiter", r"\S*")
    delimiter = own or option(change.options, "endDelimiter", r"\S*")
    down = expanded.with_text(with_semicolons(expanded, delimiter, at_line_end=True))
    _refuse_commands(down)
    return (down,)


def _other(project: Project, path: str, rollback: Text) -> Text:
    """The SQL of another change, which undoes this one."""
    ident, author = (pattern.search(rollback.text) for pattern in _OTHER)
    if ident is None or author is None:
        raise rollback.error(
            "a rollback by another change needs changesetId: and changesetAuthor:", rollback.first_line
        )
    ending = f"::{ident[1]}::{author[1]}"
    keys = [key for key, (other, _, _) in project.changes.items() if key.endswith(ending) and other == path]
    keys = keys or [key for key in project.changes if key.endswith(ending)]
    if not keys:
        raise rollback.error(f"there is no change {ident[1]} of {author[1]}", rollback.first_line)
    _, text, change = project.changes[keys[0]]
    body = _expanded(project, _text_of(text, change.sql))
    return body.with_text(_split(change, body))


def _split(change: Change, body: Text) -> str:
    """With splitStatements:false Liquibase looks for no ends: a line ``/`` may be a division."""
    if (option(change.options, "splitStatements") or "true").lower() == "false":
        return body.text
    return with_semicolons(body, option(change.options, "endDelimiter", r"\S*"))


def _refuse_commands(text: Text) -> None:
    for each in statements(text):
        if each.is_command:
            word = each.sql.split()[0]
            raise text.error(f"the psql command {word} cannot be converted", each.line, hint="leave the change out")


# ----------------------------------------------------------------------------------------------------------- questions


def _judgements(project: Project, key: str, texts: Sequence[Text]) -> Iterator[Judgement]:
    _, text, change = project.changes[key]
    place = text.place(change.line)
    asked = "".join((*(each.text for each in texts), _required(project, text, change) or ""))
    for name in dict.fromkeys(_PLACEHOLDER.findall(asked)):
        if name not in project.properties:
            hint = f"give its value: --placeholder {name}=VALUE (--placeholder '{name}=${{{name}}}' if it is text)"
            yield Judgement(f"{key}: no value for ${{{name}}}", place, hint, asks=True)
    either = f"--option run={key} converts it, --option skip={key} leaves it out"
    is_open = not project.is_answered(key)
    if conditions := tuple(_conditions(project, change)):
        message = f"{key}: {'; '.join(reason for reason, _ in conditions)}"
        hint = "".join(hint for _, hint in conditions) + either
        yield Judgement(message, place, hint if is_open else None, asks=is_open, settled_by_row=True)
    if (option(change.options, "runAlways") or "").lower() == "true":
        message = f"{key}: runAlways runs it at every update; here it is repeatable, and runs when it was changed"
        yield Judgement(message, place, either if is_open else None, asks=is_open)
    if change.checks and not marks(change):
        is_said = not _reruns(change) and _required(project, text, change) is not None
        what = "become `-- migrate:require`" if is_said else "are left out"
        yield Judgement(f"{key}: its preconditions {what}: {_checks(change)}", place)


def _conditions(project: Project, change: Change) -> Iterator[tuple[str, str]]:
    """Why Liquibase may have no row for a change, or one without having run it; and what else answers it."""
    contexts = _contexts(change.options)
    if contexts and project.listed("contexts") is None:
        yield f"it depends on context:{contexts}", "--option contexts=NAMES says which ones were given; "
    labels = option(change.options, "labels", _EXPRESSION)
    if labels and "labels" not in project.answers.options:
        yield f"it depends on labels:{labels}", "--option labels=EXPRESSION says which ones were asked for; "
    if (option(change.options, "failOnError") or "").lower() == "false":
        yield "it may have failed without a word (failOnError:false)", ""
    runner = option(change.options, "runWith", r"\S+") or "jdbc"
    if runner.lower() != "jdbc":
        yield f"{runner} runs it, and not Liquibase (runWith)", ""
    if marks(change):
        yield f"its preconditions decide whether it runs: {_checks(change)}", ""


def _reruns(change: Change) -> bool:
    return any((option(change.options, name) or "").lower() == "true" for name in ("runOnChange", "runAlways"))


def _checks(change: Change) -> str:
    return "; ".join(f"{kind} {text}" for kind, text, _ in change.checks)
