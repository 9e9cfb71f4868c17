"""Annotations: line comments ``-- migrate:KEY VALUE`` outside of SQL, by which a file says something about itself.

dbmate takes every such line for a comment, so old files may hold any text in this form: one whose value does not fit
its key stays a comment, with a warning. What the annotations mean is for `planning` to say.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from dbmigrate.frozen import frozen
from dbmigrate.model import Annotation, Direction, Problem, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dbmigrate.migrations.source import Cursor, Origin
    from dbmigrate.model import Migration

__all__ = ["BREAKING_MARK", "KEYS", "KEYS_OF_REPEATABLES", "Collector", "Where", "is_near"]

_FORM = re.compile(r"--[ \t\f]*migrate:([a-z]+)(?:[ \t\f]+(.*))?", re.DOTALL)
# what a person may have meant by it: other letter case, a blank or colon too many
_LIKE = re.compile(r"--+[ \t\f]*migrate[ \t]*:[ \t]*([a-z_-]+)(?:[ \t\f:=]+(.*))?", re.DOTALL | re.IGNORECASE)
_ANY = re.compile(r"--[ \t\f]*migrate:")
_GOES_ON = "--   "
_FARTHEST = 2  # edits between a key and its misspelling; no more than one for each three letters

BREAKING_MARK = "BREAKING CHANGE"  # what a comment has to hold to be looked at
# the warning sign is often written without the selector (U+FE0F) that makes it an emoji
_BREAKING = re.compile("\u26a0\ufe0f?[ \t]*BREAKING CHANGE[ \t:.!-]*(.*?)[ \t\r]*(?:\\*/|$)", re.MULTILINE)

_VERSION = r"(?:[a-z][\w-]*:)?[0-9]+"


@frozen
class _Key:
    """What may stand behind a key: `fits` says whether a text does, `takes` says it to people."""

    fits: Callable[[str], object]
    takes: str
    is_per_section: bool = False
    farthest: int = _FARTHEST


def _list_of(item: str) -> Callable[[str], object]:
    return re.compile(rf"{item}(?:[ \t]*,\s*{item})*", re.ASCII).fullmatch


_IS_QUERY = re.compile(r"select\b.*", re.DOTALL | re.IGNORECASE).fullmatch

KEYS: dict[str, _Key] = {
    "env": _Key(_list_of(r"[A-Za-z0-9_][\w.-]*"), "names of environments: `dev, staging`"),
    "depends": _Key(_list_of(_VERSION), "versions: `001, 003`"),
    "breaking": _Key(lambda value: True, "a text", is_per_section=True, farthest=1),  # every comment's text fits
    "require": _Key(_IS_QUERY, "a query: `SELECT ...`", is_per_section=True),
    "check": _Key(_IS_QUERY, "a query: `SELECT ...`", is_per_section=True),
    "vars": _Key(_list_of(r"[A-Za-z_]\w*"), "names of variables: `schema, owner`"),
    "replaces": _Key(_list_of(r"[0-9]+(?:[ \t]*-[ \t]*[0-9]+)?"), "versions: `001-050`"),
    "repeatable": _Key(lambda value: not value, "no value"),
}
_NAME = r"\w[\w.-]*"
# a repeatable one says by its first line what it is, and may depend on another one, by its file name
KEYS_OF_REPEATABLES: dict[str, _Key] = {
    **{key: meaning for key, meaning in KEYS.items() if key != "repeatable"},
    "depends": _Key(
        re.compile(rf"{_NAME}(?:[ \t]*,\s*{_NAME})*").fullmatch, "names of repeatables, or versions: `views_base, 003`"
    ),
}
_ALSO_DOWN = frozenset(("require", "check"))  # the others say something about the migration as it is applied


@frozen
class Where:
    """The section that a comment belongs to, from 0, and its direction; `fault`: why no annotation may stand there.

    Above the first header the section is -1.
    """

    section: int = -1
    direction: Direction = Direction.UP
    fault: str = ""


@dataclass(slots=True)
class _Open:
    """A comment that further lines may continue."""

    lines: list[str]
    at: tuple[int, int]
    last_line: int
    where: Where

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


@dataclass(slots=True)
class Collector:
    """Collects the annotations of one file: what fits, what is meant and wrong (`faults`), and warnings."""

    origin: Origin
    annotations: list[Annotation] = field(default_factory=list)
    faults: list[Problem] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    keys: Mapping[str, _Key] = field(default_factory=lambda: KEYS)
    _open: _Open | None = None
    _seen: dict[tuple[str, int], int] = field(default_factory=dict)

    @property
    def is_open(self) -> bool:
        """Whether the next comment may continue an annotation."""
        return self._open is not None

    def add(self, comment: str, at: tuple[int, int], where: Where) -> None:
        """The next line comment of the file, at this line and column."""
        text, (line, column) = comment.rstrip(), at
        if self._open is not None:
            if line == self._open.last_line + 1 and column == 1 and text.startswith(_GOES_ON):
                self._open.lines.append(text.removeprefix(_GOES_ON).strip())
                self._open.last_line = line
                return
            self.finish()
        if _LIKE.fullmatch(text) or _ANY.match(text):
            self._open = _Open([text], at, line, where)

    def added_to(self, migration: Migration) -> Migration:
        """The migration with what the comments of its file say."""
        self.finish()
        return replace(
            migration,
            problems=(*migration.problems, *self.problems),
            annotations=tuple(self.annotations),
            annotation_faults=tuple(self.faults),
        )

    def mark(self, comments: str, begin: Cursor, where: Where) -> None:
        """Comments, with blanks between them, that may hold the warning sign: anywhere, and more than once."""
        for found in _BREAKING.finditer(comments if where.direction is Direction.UP else ""):
            place = self.origin.place(begin.after(comments[: found.start()]))
            self.annotations.append(Annotation("breaking", found[1], place, Direction.UP))

    def finish(self) -> None:
        """No further line continues the last comment."""
        found, self._open = self._open, None
        if found is None:
            return
        form = _FORM.fullmatch(found.text)
        key, value = (form[1], (form[2] or "").strip()) if form else ("", "")
        if key in self.keys and self.keys[key].fits(value):
            self._accept(key, value, found)
        elif (meant := _meant(found.text, self.keys)) and key not in self.keys:
            self._fault("E290", f"`{found.lines[0]}` is not an annotation", f"did you mean `{meant}`?", found)
        elif found.at[1] == 1 and _ANY.match(found.text):
            self._comment(key, found)

    def _accept(self, key: str, value: str, found: _Open) -> None:
        where, fault = found.where, found.where.fault
        if found.at[1] != 1:
            fault = "it has to stand at the beginning of its line"
        elif not fault and where.direction is Direction.DOWN and key not in _ALSO_DOWN:
            fault = "it belongs to what is applied: above the first header, or directly below `-- migrate:up`"
        if fault:
            self._fault("E291", f"`migrate:{key}` stands where it means nothing", fault, found)
            return
        scope = key, max(where.section, 0) if self.keys[key].is_per_section else 0
        if scope in self._seen:
            self._fault("E291", f"`migrate:{key}` is given twice, first on line {self._seen[scope]}", _ONE, found)
            return
        self._seen[scope] = found.at[0]
        self.annotations.append(Annotation(key, value, self.origin.place(found.at), where.direction, where.section))

    def _comment(self, key: str, found: _Open) -> None:
        what = f"`{key}` takes {self.keys[key].takes}" if key in self.keys else "it is not an annotation"
        meant = None if key in self.keys else _meant(found.text, self.keys, _anyhow)
        self.problems.append(
            Problem(
                "W205",
                f"`{found.lines[0]}` is a comment: {what}",
                place=self.origin.place(found.at),
                hint=f"{f'if `{meant}` is meant, write that; else ' if meant else ''}{_PLAIN}",
            )
        )

    def _fault(self, code: str, message: str, hint: str, found: _Open) -> None:
        error = self.origin.error(code, message, found.at, hint=hint, width=len(found.lines[0]))
        self.faults.append(Problem(code, message, Severity.ERROR, error.place, hint, error.excerpt))


_ONE = "keep one of them"
_PLAIN = "write a comment without `migrate:`"


def _tolerance(key: str, known: str) -> int:
    """How many edits make a misspelling. Of short keys few: ``end`` and ``cars`` are words, not `env` and `vars`."""
    return min(KEYS[known].farthest, len(key) // 3, len(known) // 3)


def is_near(word: str, key: str) -> bool:
    """Whether a word is a key, or a misspelling of it."""
    return _edits(word.lower(), key) <= _tolerance(word, key)


def _anyhow(key: str, known: str) -> int:
    """How many edits are worth a hint, however short the key is."""
    return _FARTHEST


def _meant(text: str, keys: Mapping[str, _Key], tolerance: Callable[[str, str], int] = _tolerance) -> str | None:
    """The annotation that a comment was probably meant to be: a known key is near, and the value fits it."""
    like = _LIKE.fullmatch(text)
    if like is None:
        return None
    key, value = like[1].lower(), (like[2] or "").strip()
    fitting = (known for known in keys if keys[known].fits(value))
    near = [(edits, known) for known in fitting if (edits := _edits(key, known)) <= tolerance(key, known)]
    return f"-- migrate:{min(near)[1]} {value}".rstrip() if near else None


def _edits(one: str, other: str) -> int:
    """How many letters have to be inserted or deleted, or neighbours swapped; another letter in place of one is two."""
    rows = [list(range(len(other) + 1))]
    for row, letter in enumerate(one, 1):
        now = [row]
        for column, wanted in enumerate(other, 1):
            edits = min(rows[-1][column] + 1, now[-1] + 1, rows[-1][column - 1] + 2 * (letter != wanted))
            if row > 1 and column > 1 and letter == other[column - 2] and one[row - 2] == wanted:
                edits = min(edits, rows[-2][column - 2] + 1)
            now.append(edits)
        rows.append(now)
    return rows[-1][-1]
