"""Placeholders of other tools that have no value, as variables of ours: ``'${x}'`` becomes ``:'x'``. Pure.

Other tools put text in anywhere; ours puts in one literal or one name. So a placeholder becomes a variable only where
it is all of a literal or all of a name; elsewhere the import asks for its value. Until that is decided, a mark stands
in its place: letters alone, so that every reader of SQL takes it for a name, or for text of a string.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from dbmigrate.errors import MigrationFileError
from dbmigrate.importing.texts import Text, statements
from dbmigrate.importing.values import Judgement, Kind, Part
from dbmigrate.model import Place
from dbmigrate.sql import placeholders
from dbmigrate.sql.token_groups import Group, Token, grouped
from dbmigrate.variables import environment_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from dbmigrate.importing.values import ForeignMigration, Reading

__all__ = ["mark", "settled", "unmarked"]

_MARK = re.compile("\ue000([0-9a-f]+)\ue001")
_POSSIBLE = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*").fullmatch
_NOT_OURS = re.compile("[.-]")
# words before a name that can be nothing else; of a value such as CURRENT_USER the note says that it becomes a name
_BEFORE_NAME = re.compile(
    r"(?:SCHEMA|ROLE|DATABASE|TABLESPACE|AUTHORIZATION|(?:CREATE|ALTER|DROP) USER|OWNER TO"
    r"|(?:SCHEMA|ROLE|USER|DATABASE) IF (?:NOT )?EXISTS)"
)
_WHY = {
    Group.COMMENT: "stands in a comment",
    Group.BODY: "is inside a dollar-quoted body",
    Group.STRING: "is inside a longer string",
    Group.NAME: "is a part of a longer name",
    Group.WORD: "is a part of a longer name",
}
_ANYTHING = "stands where its value may be a name, a number or any SQL"
_ASIDE = "stands in a comment, or in data of COPY"


class _Unset(NamedTuple):
    """A placeholder without a value: its name, how it is written, and where."""

    name: str
    shown: str
    path: str
    line: int

    @property
    def variable(self) -> str:
        return _NOT_OURS.sub("_", self.name)

    @property
    def place(self) -> Place:
        return Place(self.path, self.line)


class _Spot(NamedTuple):
    """What one place says: the text that takes it, or why there can be none. `folds` is a name without quotes."""

    unset: _Unset
    begin: int
    end: int
    text: str = ""
    why: str = ""
    folds: bool = False


def mark(name: str, shown: str, place: Place) -> str | None:
    """What stands for a placeholder until `settled` decides; None where no variable can have this name."""
    if not _POSSIBLE(name):
        return None
    return f"\ue000{json.dumps([name, shown, place.path, place.line]).encode().hex()}\ue001"


def unmarked(text: str, value_of: Callable[[str], str | None] = lambda _: None) -> str:
    """The text with the values of variables; a placeholder of which there is none is as it was written."""

    def written(found: re.Match[str]) -> str:
        unset = _of(found)
        value = value_of(unset.variable)
        return unset.shown if value is None else value

    return _MARK.sub(written, text)


def settled(reading: Reading) -> Reading:
    """Every marked placeholder as a variable, or as a question."""
    taken: dict[str, str] = {}
    return replace(reading, migrations=tuple(_settled(each, taken) for each in reading.migrations))


def _of(found: re.Match[str]) -> _Unset:
    return _Unset(*json.loads(bytes.fromhex(found[1])))


def _settled(migration: ForeignMigration, taken: dict[str, str]) -> ForeignMigration:
    """`taken` are the placeholders by the environment variables that they need."""
    parts = (*migration.ups, *(migration.downs or ()))
    if not any(_MARK.search(part.sql) for part in parts):
        return migration
    every = [spot for part in parts for spot in _spots(part.sql)]
    refused: dict[str, _Spot] = {}
    for spot in every:
        if why := _why_not(migration, spot, taken):
            refused.setdefault(spot.unset.name, spot._replace(why=why))
    names = dict.fromkeys(spot.unset.variable for spot in every if spot.unset.name not in refused)
    return replace(
        migration,
        ups=tuple(_filled(part, refused) for part in migration.ups),
        downs=None if migration.downs is None else tuple(_filled(part, refused) for part in migration.downs),
        judgements=(*migration.judgements, *_judgements(every, refused)),
        variables=tuple(names),
    )


def _why_not(migration: ForeignMigration, spot: _Spot, taken: dict[str, str]) -> str:
    if migration.kind is Kind.REPEATABLE:
        return "is in a repeatable migration, which has no variables"
    other = taken.setdefault(environment_name(spot.unset.variable), spot.unset.name)
    return spot.why if other == spot.unset.name else f"would be the same variable as {other}"


def _filled(part: Part, refused: Mapping[str, _Spot]) -> Part:
    chosen = [spot for spot in _spots(part.sql) if spot.unset.name not in refused]
    return replace(part, sql=unmarked(_with(part.sql, chosen)))


def _with(sql: str, spots: Iterable[_Spot]) -> str:
    """The text with our placeholders."""
    parts: list[str] = []
    at = 0
    for spot in spots:
        parts += (sql[at : spot.begin], spot.text)
        at = spot.end
    return "".join((*parts, sql[at:]))


def _judgements(every: Sequence[_Spot], refused: Mapping[str, _Spot]) -> Iterator[Judgement]:
    for name, spot in refused.items():
        message = f"{spot.unset.shown} has no value, and {spot.why}"
        yield Judgement(message, spot.unset.place, f"--placeholder {name}=VALUE", asks=True)
    seen = set()
    for spot in every:
        unset = spot.unset
        if unset.name in refused or (unset.name, spot.folds) in seen:
            continue
        seen.add((unset.name, spot.folds))
        message = f"{unset.shown} becomes the variable {spot.text}: set {environment_name(unset.variable)}"
        if spot.folds:
            message += " to the name as it is in the database, for it is quoted now, and its letter case counts"
        yield Judgement(message, unset.place, f"--placeholder {unset.name}=VALUE puts a value in for good")


# -------------------------------------------------------------------------------------------------------------- places


def _spots(sql: str) -> list[_Spot]:
    """What each mark of a text becomes, in their order."""
    try:
        found = dict(_in_statements(sql))
    except MigrationFileError as exc:
        found = {}
        return [_spot(match, why=f"the file is not understood: {exc.message}") for match in _MARK.finditer(sql)]
    spots = [found.get(match.start()) or _spot(match, why=_ASIDE) for match in _MARK.finditer(sql)]
    return spots if _are_seen(sql, spots) else [each._replace(why=each.why or _ANYTHING) for each in spots]


def _spot(match: re.Match[str], why: str) -> _Spot:
    return _Spot(_of(match), match.start(), match.end(), why=why)


def _in_statements(sql: str) -> Iterator[tuple[int, _Spot]]:
    for statement in statements(Text("", sql, sql)):
        tokens = list(grouped(statement.sql))
        for number, token in enumerate(tokens):
            for match in _MARK.finditer(statement.sql, token.begin, token.end):
                spot = _in_token(statement.sql, match, tokens[max(number - 4, 0) : number], tokens[number : number + 2])
                offset = statement.offset
                yield offset + match.start(), spot._replace(begin=offset + spot.begin, end=offset + spot.end)


def _in_token(sql: str, match: re.Match[str], before: Sequence[Token], onwards: Sequence[Token]) -> _Spot:
    """What a mark becomes in the first of the tokens `onwards`, behind those `before`."""
    group, begin, end = onwards[0]
    unset, token = _of(match), sql[begin:end]
    # strings that stand beside each other on two lines are one
    is_continued = any(each.group is Group.STRING for each in (*before[-1:], *onwards[1:]))
    if token == f"'{match[0]}'" and not is_continued:
        return _Spot(unset, begin, end, f":'{unset.variable}'")
    if token == f'"{match[0]}"':
        return _Spot(unset, begin, end, f':"{unset.variable}"')
    if token == match[0] and _is_name([sql[a:b].upper() for _, a, b in before], sql[end : end + 1]):
        return _Spot(unset, begin, end, f':"{unset.variable}"', folds=True)
    why = _ANYTHING if token == match[0] else _WHY.get(group, _ANYTHING)
    return _Spot(unset, match.start(), match.end(), why=why)


def _is_name(before: Sequence[str], after: str) -> bool:
    """Whether a word without quotes is a name for certain: a part of a qualified one, or nothing else may stand there.

    ``SET SCHEMA 'x'`` takes a string, but ``ALTER TABLE t SET SCHEMA x`` a name.
    """
    if "." in (*before[-1:], after):
        return True
    return any(_BEFORE_NAME.fullmatch(" ".join(before[-number:])) for number in range(1, len(before) + 1))


def _are_seen(sql: str, spots: Iterable[_Spot]) -> bool:
    """Whether each of them is a placeholder to us as well: a colon in a subscript or in JSON_OBJECT is one of SQL."""
    chosen = [each for each in spots if not each.why]
    values = {each.unset.variable: "x" for each in chosen}
    filled = (placeholders.fill(each.sql, values) for each in statements(Text("", _with(sql, chosen), sql)))
    return sum(len(each.patches) for each in filled if each) == len(chosen)
