"""graphile-migrate: ``committed/NNNNNN-slug.sql`` with a header; a hash is made of the body and of the hash before it.

Read in graphile-migrate's migration.ts, header.ts and hash.ts. There are no downs.
"""

from __future__ import annotations

import codecs
import hashlib
import json
import re
from typing import TYPE_CHECKING

from dbmigrate.frozen import frozen
from dbmigrate.importing.texts import file_name, folder, moment, qualified, read_text, statements
from dbmigrate.importing.values import ForeignMigration, Judgement, Part, Reading, Row, State

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dbmigrate.importing.texts import Text
    from dbmigrate.importing.values import Answers, HistoryTable, Query, Source, SourceFile

_NAME = re.compile(r"([0-9]{6,})(?:-([-_a-zA-Z0-9]*))?\.sql")
_HEADER = re.compile(r"--! ([A-Za-z0-9_-]+)(?:: ?(.*?))?\s*")
_NO_TRANSACTION = re.compile(r"--!\s*no-transaction\b[^\n]*(?:\n|$)")
_INCLUDE = re.compile(r"^--!\s*include\b.*", re.MULTILINE)
_CANDIDATE = re.compile(r"(?<![:\w]):([A-Z][A-Z0-9_]+)\b")
_BUILT_IN = (":DATABASE_NAME", ":DATABASE_OWNER")
_COMMITTED = "committed"
_FROM_ENVIRONMENT = "!ENV"


class GraphileMigrate:
    """See `values.Tool`."""

    name = "graphile-migrate"

    def recognises(self, source: Source) -> bool:
        """By the first line of a committed file."""
        files = (file for file in source.files if _NAME.fullmatch(file_name(file.path)))
        return any(file.content.removeprefix(codecs.BOM_UTF8).startswith(b"--! Previous:") for file in files)

    def read(self, source: Source, answers: Answers) -> Reading:
        """The migrations. Raises MigrationFileError."""
        settings = _settings(source)
        values = _Placeholders(settings.placeholders if settings else None, answers.placeholders)
        committed: list[_Committed] = []
        left_out: dict[str, str] = {}
        for file in sorted(source.files, key=lambda file: file_name(file.path)):
            if not file.path.endswith(".sql"):
                continue
            reason = _why_not(source, file, answers)
            if reason:
                left_out[file.path] = reason
            else:
                committed.append(_committed(source, file))
        if not answers.skip:
            _refuse_broken_chain(committed)
        judgements: tuple[Judgement, ...] = ()
        if settings and settings.actions:
            judgements = (Judgement(f"{settings.path}: its actions are left out: {', '.join(settings.actions)}"),)
        return Reading(tuple(_migration(each, values) for each in committed), left_out, judgements)

    def owns(self, table: HistoryTable, neighbours: frozenset[str]) -> bool:
        return table.columns[:3] == ("hash", "previous_hash", "filename")

    def history(self, query: Query, table: HistoryTable, answers: Answers) -> tuple[Row, ...]:
        """All rows are applied."""
        rows = query(f"select filename, hash, date from {qualified(table)} order by filename")
        return tuple(Row(str(name), State.APPLIED, moment(date), checksum=str(hash_)) for name, hash_, date in rows)

    def matches(self, migration: ForeignMigration, row: Row) -> bool:
        """The table has the name without its slug."""
        return row.key in (f"{migration.version}.sql", file_name(migration.path))

    def verifies(self, migration: ForeignMigration, row: Row) -> bool | None:
        """Whether the hash is that of the body and the hash before it; AllowInvalidHash says that it need not be."""
        if row.checksum is None or row.checksum == migration.sums.get("allowed"):
            return None
        return row.checksum in (migration.sums.get("sha1"), migration.sums.get("sha1 (LF)"))


TOOL = GraphileMigrate()


@frozen
class _Committed:
    """A committed file: its headers, and the text behind the empty line."""

    file: SourceFile
    text: Text
    body: Text
    headers: Mapping[str, str]

    @property
    def previous(self) -> str | None:
        said = self.headers["Previous"]
        return None if said in ("", "-") else said


def _why_not(source: Source, file: SourceFile, answers: Answers) -> str:
    places = f"/{source.directory}/{file.path}".split("/")[:-1]
    if file.path in answers.skip:
        return "left out, as asked"
    if "current" in places or file_name(file.path) == "current.sql":
        return "unfinished work (current), which is not a migration yet: commit it first, or write it by hand"
    if not _NAME.fullmatch(file_name(file.path)):
        return "its name has no number"
    return "" if _COMMITTED in places or not folder(file.path) else "not in the folder committed"


def _committed(source: Source, file: SourceFile) -> _Committed:
    text = read_text(source, file)
    headers: dict[str, str] = {}
    at = 0
    for line in re.findall(r"[^\n]*\n|[^\n]+$", text.text):
        if not line.strip():
            at += len(line)
            break
        header = _HEADER.fullmatch(line)
        if header is None:
            raise text.error("an empty line has to stand between header and body", text.line_of(at))
        headers[header[1]] = header[2] or ""
        at += len(line)
    for wanted in ("Previous", "Hash"):
        if wanted not in headers:
            raise text.error(f"a committed migration without '--! {wanted}:'", 1)
    return _Committed(file, text, text.piece(at, len(text.text)), headers)


def _refuse_broken_chain(committed: list[_Committed]) -> None:
    before: str | None = None
    for each in committed:
        if each.previous != before:
            raise each.text.error(
                f"its previous hash is not that of the file before it ({before or 'there is none'})",
                1,
                hint="graphile-migrate itself would refuse these files",
            )
        before = each.headers["Hash"]


def _migration(committed: _Committed, values: _Placeholders) -> ForeignMigration:
    match = _NAME.fullmatch(file_name(committed.file.path))
    assert match is not None
    body = committed.body
    include = _INCLUDE.search(body.text)
    if include:
        raise body.error("an include that was not put in", body.line_of(include.start()))
    filled = body.with_text(values.filled(body.text))
    mark = _NO_TRANSACTION.match(filled.text)
    sql = filled.piece(mark.end(), len(filled.text)) if mark else filled
    statements(sql)  # a quote without an end is found now
    allowed = {"allowed": committed.headers["Hash"]} if "AllowInvalidHash" in committed.headers else {}
    return ForeignMigration(
        version=match[1],
        name=committed.headers.get("Message") or (match[2] or "").replace("-", " ") or match[1],
        path=committed.file.path,
        ups=(Part(sql.text, transaction=mark is None),),
        downs=None,
        sort_key=(match[1],),
        sums={
            "sha1": _hash(body.text, committed.previous),
            "sha1 (LF)": _hash(body.text.replace("\r\n", "\n"), committed.previous),
            **allowed,
        },
        judgements=tuple(values.judgements(committed.file.path, body)),
    )


def _hash(body: str, previous: str | None) -> str:
    text = f"{previous or ''}\n{body.strip()}".strip() + "\n"
    return "sha1:" + hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


# ------------------------------------------------------------------------------------------------- .gmrc, placeholders


@frozen
class _Settings:
    """What ``.gmrc`` says: placeholders by their names with the colon, and the names of actions."""

    path: str
    placeholders: Mapping[str, str]
    actions: tuple[str, ...]


def _settings(source: Source) -> _Settings | None:
    """JSON with comments. None where there is no such file, or it is code (``.gmrc.js``)."""
    file = next((file for file in source.files if file_name(file.path) == ".gmrc"), None)
    if file is None:
        return None
    text = read_text(source, file)
    plain = re.sub(r'("(?:[^"\\]|\\.)*")|//[^\n]*|/\*.*?\*/', lambda found: found[1] or "", text.text, flags=re.DOTALL)
    try:
        said = json.loads(re.sub(r'("(?:[^"\\]|\\.)*")|,(?=\s*[}\]])', lambda found: found[1] or "", plain))
    except json.JSONDecodeError as exc:
        raise text.error(f"not valid JSON: {exc.msg}", exc.lineno, column=exc.colno) from exc
    settings = said if isinstance(said, dict) else {}
    placeholders = settings.get("placeholders") or {}
    actions = tuple(name for name, value in settings.items() if name.startswith(("before", "after")) and value)
    return _Settings(file.path, {str(name): str(value) for name, value in placeholders.items()}, actions)


class _Placeholders:
    """Replaced everywhere, also in strings, at the ends of words."""

    def __init__(self, configured: Mapping[str, str] | None, given: Mapping[str, str]) -> None:
        self._is_known = configured is not None
        self._names = {*(configured or {}), *_BUILT_IN}
        found = {name: value for name, value in (configured or {}).items() if value != _FROM_ENVIRONMENT}
        self._values = {**found, **{f":{name.lstrip(':')}": value for name, value in given.items()}}

    def filled(self, text: str) -> str:
        """The text with the values that are known."""
        if not self._values:
            return text
        names = "|".join(re.escape(name) for name in self._values)
        return re.sub(rf"(?:{names})\b", lambda found: self._values[found[0]], text)

    def judgements(self, path: str, body: Text) -> Iterator[Judgement]:
        """What was put in, and what has no value: without a ``.gmrc``, everything that looks like a placeholder."""
        named: set[str] = set()
        for found in _CANDIDATE.finditer(body.text):
            name, place = found[1], body.place(body.line_of(found.start()))
            if found[0] in named:
                continue
            named.add(found[0])
            if found[0] in self._values:
                yield Judgement(f"{path}: :{name} is replaced by its value", place)
            elif found[0] in self._names or not self._is_known:
                hint = f"give its value: --placeholder {name}=VALUE (--placeholder {name}=:{name} if it is text)"
                yield Judgement(f"{path}: no value for :{name}", place, hint, asks=True)
