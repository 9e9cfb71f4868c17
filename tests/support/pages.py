"""A report as a reader without a browser sees it: its words, its pictures' objects, what it would load."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

_SIGNS = ("add", "del", "chg")
_VOID = ("meta", "input", "br", "link", "img")


@dataclass
class Page(HTMLParser):
    """Parsed by the standard library; `objects` has the classes of every element with an id."""

    source: str = ""
    words: list[str] = field(default_factory=list)
    headings: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    objects: dict[str, list[str]] = field(default_factory=dict)
    loaded: list[str] = field(default_factory=list)
    handlers: list[str] = field(default_factory=list)
    scripts: list[str] = field(default_factory=list)
    policy: str = ""
    _open: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, source: str) -> Page:
        page = cls(source=source)
        HTMLParser.__init__(page)
        page.feed(source)
        page.close()
        return page

    @classmethod
    def read(cls, path: Path) -> Page:
        return cls.of(path.read_text(encoding="utf-8"))

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag not in _VOID:
            self._open.append(tag)
        if "id" in given:
            assert given["id"] not in self.objects, f"{given['id']} is there twice"
            self.objects[given["id"]] = given.get("class", "").split()
        self.loaded += [value for name, value in given.items() if name in ("src", "href", "srcset", "data", "action")]
        self.handlers += [name for name in given if name.startswith("on")]
        if given.get("http-equiv") == "Content-Security-Policy":
            self.policy = given["content"]

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        if self._open[-1:] == ["script"]:
            self.scripts.append(data)
        elif self._open[-1:] != ["style"]:
            self.words.append(data)
            if self._open[-1:] == ["h2"]:
                self.headings.append(data)
            if self._open[-2:] == ["h3", "code"]:
                self.files.append(data)

    def states(self, picture: str) -> dict[str, str]:
        """The objects of a picture that are added, removed or changed, as it shows them."""
        found = {}
        for name, classes in self.objects.items():
            signs = [each for each in classes if each in _SIGNS]
            if name.startswith(f"{picture}/") and signs:
                found[" ".join(map(unquote, name.split("/")[1:]))] = signs[0]
        return found

    def has_object(self, picture: str, name: str) -> bool:
        return name in {
            " ".join(map(unquote, each.split("/")[1:])) for each in self.objects if each.startswith(picture)
        }
