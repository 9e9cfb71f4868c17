"""The catalogue of a repository's migrations in Markdown: the same files, the same bytes. Pure.

Its second line holds the sums of the files that it is made from, and of its own text: by these somebody who has no
server sees that it is stale.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections import defaultdict
from typing import TYPE_CHECKING

from dbmigrate.catalog import Change
from dbmigrate.frozen import frozen
from dbmigrate.output import text
from dbmigrate.output.impact import code, row
from dbmigrate.reporting import choice, mermaid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from dbmigrate.catalog import Difference
    from dbmigrate.reporting.schema import Schema
    from dbmigrate.reports import Description

__all__ = ["Catalogue", "Entry", "Sums", "sum_of_files", "sums_in", "write"]

_SUMS = re.compile(r"<!-- dbmigrate report --markdown · files sha256:([0-9a-f]{64}) · text sha256:([0-9a-f]{64}) -->")
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|!~])")
_HEADS = {Change.EXTRA: "Creates", Change.CHANGED: "Changes", Change.MOVED: "Changes", Change.MISSING: "Removes"}
_LARGEST = 60  # tables of one diagram


@frozen
class Entry:
    """One file: what it says of itself, what it changes (None: not known, because of `unknown`).

    `link` leads to it from the catalogue; `depends` are names of files; `rollback` says what undoes it.
    """

    file: str
    link: str
    rollback: str
    description: Description | None = None
    depends: tuple[str, ...] = ()
    is_transactional: bool = True
    env: str | None = None
    differences: tuple[Difference, ...] | None = None
    unknown: str | None = None


@frozen
class Catalogue:
    """All of it. `about` are paragraphs below the title, such as who owns it; `graph` is Mermaid's text."""

    entries: tuple[Entry, ...]
    schema: Schema | None = None
    graph: tuple[str, ...] = ()
    about: tuple[str, ...] = ()


@frozen
class Sums:
    """The SHA-256 sums in a catalogue: of the files that it is made from, of its own text."""

    files: str
    text: str


def write(catalogue: Catalogue, files: str, *, hide: Callable[[str], str] = str) -> str:
    """The catalogue. `files` is the sum of the files; `hide` masks secrets."""
    body = "\n".join(_lines(catalogue, hide)).rstrip("\n") + "\n"
    sums = f"files sha256:{files} · text sha256:{_sum(body)}"
    return f"# Migrations\n<!-- dbmigrate report --markdown · {sums} -->\n\n{body}"


def sums_in(written: str) -> tuple[Sums, bool] | None:
    """What a catalogue is made from, and whether it is as it was made; None if it is not one."""
    found = _SUMS.search(written.replace("\r\n", "\n"))
    if found is None:
        return None
    body = written.replace("\r\n", "\n")[found.end() :].removeprefix("\n\n")
    return Sums(found[1], found[2]), _sum(body) == found[2]


def sum_of_files(files: Iterable[tuple[str, str]]) -> str:
    """One sum of files, given by name and path; line ends do not count, as git converts them."""
    whole = hashlib.sha256()
    for name, path in files:
        one = hashlib.sha256()
        with open(path, "rb") as opened:
            for line in opened:
                one.update(line.replace(b"\r\n", b"\n"))
        whole.update(f"{name}\0{one.hexdigest()}\n".encode(errors="surrogateescape"))
    return whole.hexdigest()


def link(path: str, catalogue: str) -> str:
    """The way from a catalogue to a file."""
    return os.path.relpath(path, os.path.dirname(catalogue) or ".").replace(os.sep, "/")


def _sum(body: str) -> str:
    return hashlib.sha256(body.encode(errors="backslashreplace")).hexdigest()


# ---------------------------------------------------------------------------------------------------------------- lines


def _lines(catalogue: Catalogue, hide: Callable[[str], str]) -> Iterator[str]:
    for paragraph in catalogue.about:
        yield from (_escaped(hide(paragraph)), "")
    number = text.count(len(catalogue.entries), "file")
    yield f"{number}. Made by `dbmigrate report --markdown`: edit the files, and make it again."
    yield ""
    yield from ("| migration | purpose | tickets |", "|---|---|---|")
    for entry in catalogue.entries:
        said = entry.description
        tickets = ", ".join(said.tickets) if said else ""
        purpose = text.cut(said.text, 200) if said else ""
        yield row(_linked(entry), _escaped(hide(purpose)), _escaped(hide(tickets)))
    for entry in catalogue.entries:
        yield ""
        yield from _entry(entry, hide)
    yield from _diagrams(catalogue)


def _linked(entry: Entry) -> str:
    return f"[{_escaped(entry.file)}](<{_target(entry.link)}>)"


def _target(given: str) -> str:
    """The target of a link, in angle brackets: neither these nor line ends."""
    return re.sub(r"[<>\n\\]", lambda found: f"%{ord(found[0]):02X}", given)


def _entry(entry: Entry, hide: Callable[[str], str]) -> Iterator[str]:
    yield f"## {_escaped(entry.file)}"
    yield ""
    said = entry.description
    if said is not None and said.text:
        yield from (_escaped(hide(said.text)), "")
    yield from (f"- {name}: {value}" for name, value in _facts(entry, hide) if value)


def _facts(entry: Entry, hide: Callable[[str], str]) -> Iterator[tuple[str, str]]:
    said = entry.description
    if said is not None:
        yield "Tickets", ", ".join(_escaped(hide(each)) for each in said.tickets)
        yield "Links", " ".join(f"<{_target(hide(each))}>" for each in said.links)
        yield from ((_escaped(name), _escaped(hide(value))) for name, value in said.fields if value != said.text)
    yield "Only for", _escaped(entry.env or "")
    yield "Depends on", ", ".join(map(_escaped, entry.depends))
    if entry.differences is None:
        yield "Creates and changes", f"not known: {_escaped(entry.unknown or '')}"
    else:
        listed = _by_head(entry.differences)
        yield from ((head, ", ".join(code(hide(each)) for each in names)) for head, names in listed.items())
        if not listed:
            yield "Changes", "nothing in the schema"
    if not entry.is_transactional:
        yield "Transaction", "none: a failure leaves what ran before it"
    yield "Undone by", _escaped(entry.rollback)


def _by_head(differences: Sequence[Difference]) -> Mapping[str, Sequence[str]]:
    """What is created, changed and removed, each object once; values are left out, as servers word them differently."""
    found: defaultdict[str, dict[str, None]] = defaultdict(dict)
    for each in differences:
        head = _HEADS[each.change]
        about = each.subject if each.aspect in (None, "text", "definition") else f"{each.aspect} of {each.subject}"
        found[head][about] = None
        for inside in each.inside:
            found[head][inside] = None
    return {head: tuple(found[head]) for head in ("Creates", "Changes", "Removes") if head in found}


def _escaped(given: str) -> str:
    """Text that stays text in Markdown, in one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.one_line(given.replace("\n", " ")).split()))


def _diagrams(catalogue: Catalogue) -> Iterator[str]:
    if catalogue.graph:
        yield from ("", "## Dependencies", "", "```mermaid", *catalogue.graph, "```")
    schema = catalogue.schema
    if schema is None or not schema.tables:
        return
    yield from ("", "## Tables", "")
    if len(schema.tables) <= _LARGEST:
        yield from ("```mermaid", *mermaid.er_diagram(schema, tuple(schema.tables)), "```")
        return
    for group in choice.groups(schema):
        yield from (f"### {_escaped(group.name)}: {text.count(len(group.tables), 'table')}", "", "```mermaid")
        yield from (*mermaid.er_diagram(schema, group.tables), "```", "")
