"""Which formatted SQL files a Liquibase project runs, in which order: its root changelog, followed through includes."""

from __future__ import annotations

import re
from posixpath import join, normpath
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from dbmigrate.frozen import frozen
from dbmigrate.importing.liquibase_sql import is_formatted
from dbmigrate.importing.texts import folder, read_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dbmigrate.importing.texts import Text
    from dbmigrate.importing.values import Source

__all__ = ["Order", "order_of"]

_XML = ".xml"
_LISTS = (_XML, ".yaml", ".yml", ".json")
_YAML_ENTRY = re.compile(
    r"(?:^\s*(?:-\s*)?|[{,\[]\s*)[\"']?(include|includeAll|changeSet|property)[\"']?\s*:", re.MULTILINE
)
_YAML_KEY = re.compile(r"[\"']?(file|path|relativeToChangelogFile|name|value)[\"']?\s*:\s*[\"']?([^\"',\n}]+)")


@frozen
class Order:
    """Paths of formatted SQL files in the order in which they run; changelogs with changes that are not SQL."""

    files: tuple[str, ...]
    properties: Mapping[str, str]
    other_changes: tuple[str, ...] = ()
    missing: tuple[tuple[str, str], ...] = ()  # a changelog, and what it includes that is not there
    root: str | None = None


@frozen
class _Entry:
    """What stands in a changelog, in its order."""

    kind: str
    values: Mapping[str, str]


def order_of(source: Source) -> Order:
    """From the root changelog on; all formatted files in the order of their paths where there is none."""
    texts = {file.path: read_text(source, file) for file in source.files if file.path.endswith((*_LISTS, ".sql"))}
    formatted = [path for path in texts if path.endswith(".sql") and is_formatted(texts[path].text)]
    lists = {path: entries for path in texts if (entries := _entries(texts[path], path)) is not None}
    included = {target for path in lists for entry in lists[path] for target in _targets(path, entry, texts)}
    roots = [path for path in lists if path not in included]
    if not roots:
        return Order(tuple(sorted(formatted)), {})
    walk = _Walk(lists, texts, set(formatted))
    for root in sorted(roots):
        walk.follow(root)
    return Order(tuple(walk.files), walk.properties, tuple(walk.other), tuple(walk.missing), ", ".join(sorted(roots)))


class _Walk:
    def __init__(self, lists: Mapping[str, Sequence[_Entry]], texts: Mapping[str, Text], formatted: set[str]) -> None:
        self._lists = lists
        self._texts = texts
        self._formatted = formatted
        self._seen: set[str] = set()
        self.files: list[str] = []
        self.properties: dict[str, str] = {}
        self.other: list[str] = []
        self.missing: list[tuple[str, str]] = []

    def follow(self, path: str) -> None:
        if path in self._seen:
            return
        self._seen.add(path)
        if path in self._formatted:
            self.files.append(path)
        for entry in self._lists.get(path, ()):
            if entry.kind == "changeSet" and path not in self.other:
                self.other.append(path)
            elif entry.kind == "property" and {"name", "value"} <= set(entry.values):
                self.properties.setdefault(entry.values["name"], entry.values["value"])
            elif entry.kind in ("include", "includeAll"):
                self._include(path, entry)

    def _include(self, path: str, entry: _Entry) -> None:
        targets = _targets(path, entry, self._texts)
        if not targets:
            self.missing.append((path, entry.values.get("file") or entry.values.get("path", "")))
        for target in targets:
            self.follow(target)


def _targets(path: str, entry: _Entry, texts: Mapping[str, Text]) -> list[str]:
    """The files that an include names: below SOURCE, or with a beginning of the search path that SOURCE is below of."""
    name = entry.values.get("file" if entry.kind == "include" else "path", "").strip().removeprefix("classpath:")
    if not name:
        return []
    relative = entry.values.get("relativeToChangelogFile", "false").strip().lower() == "true"
    wanted = normpath(join(folder(path), name) if relative else name).strip("/")
    if entry.kind == "include":
        return _find(wanted, list(texts))
    below = _find(wanted, sorted({folder(each) for each in texts}))
    return sorted(each for each in texts if any(each.startswith(f"{parent}/") or not parent for parent in below))


def _find(wanted: str, paths: Sequence[str]) -> list[str]:
    if wanted in paths:
        return [wanted]
    if wanted == "." and "" in paths:
        return [""]
    ends = [path for path in paths if path and (wanted.endswith(f"/{path}") or path.endswith(f"/{wanted}"))]
    return [max(ends, key=len)] if ends else []


def _entries(text: Text, path: str) -> Sequence[_Entry] | None:
    """What stands in a changelog; None for a file that is none."""
    if "databaseChangeLog" not in text.text or not path.endswith(_LISTS):
        return None
    return tuple(_of_xml(text) if path.endswith(_XML) else _of_yaml(text.text))


def _of_xml(text: Text) -> Iterator[_Entry]:
    try:
        root = ElementTree.fromstring(text.text)  # expat 2.4.1 and newer refuse entities that grow without end
    except ElementTree.ParseError as exc:
        line, column = exc.position
        raise text.error(f"not valid XML: {exc.msg}", line, column=column + 1) from exc
    for element in root:
        yield _Entry(str(element.tag).rpartition("}")[2], dict(element.attrib))


def _of_yaml(text: str) -> Iterator[_Entry]:
    """YAML and JSON: the names and values of each entry, which is all that includes need."""
    marks = list(_YAML_ENTRY.finditer(text))
    ends = [*(mark.start() for mark in marks[1:]), len(text)]
    for mark, end in zip(marks, ends, strict=True):
        values = {key: value.strip() for key, value in _YAML_KEY.findall(text[mark.end() : end])}
        yield _Entry(mark[1], values)
