"""What `dbmigrate explain` knows: a page for every code, without a network.

A page is the section of a code in one of the Markdown files below a directory ``pages`` of this package, or, for errors
and warnings, in docs/reference/errors.md, which an installed package carries along. squawk's rules have short pages of
their own, made from the list of them.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from dbmigrate.errors import CODES, WARNINGS, ConfigError
from dbmigrate.frozen import frozen
from dbmigrate.lint.registry import RULES
from dbmigrate.lint.squawk_rules import SQUAWK_RULES, link

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["Page", "every_title", "explain", "pages"]

_PACKAGE = Path(__file__).parents[1]
_HEADING = re.compile(r"^### ([A-Z]\d{3})\n", re.MULTILINE)
_ANY_HEADING = re.compile(r"^#{1,3} ", re.MULTILINE)
_TITLE = re.compile(r"\*\*(.+?)\*\*", re.DOTALL)
_SQUAWK = "squawk:"
_RELATIVE_LINK = re.compile(r"\[([^\]]+)\]\((?!https?:)[^)]*\)")


@frozen
class Page:
    """What there is to say about a code. `text` is Markdown, without the heading."""

    code: str
    title: str
    text: str

    @property
    def body(self) -> str:
        """`text` for a terminal: without the title above it, and without links that lead nowhere there."""
        return _RELATIVE_LINK.sub(r"\1", self.text.removeprefix(f"**{self.title}**")).strip()


def explain(code: str) -> Page:
    """The page of a code, whatever its letter case; ``squawk:`` may be left out. Raises ConfigError E251."""
    known = pages()
    wanted = code.strip()
    for name in (wanted.upper(), wanted.lower(), f"{_SQUAWK}{wanted.lower()}"):
        if name in known:
            return known[name]
    close = get_close_matches(wanted.upper(), known, 1) or get_close_matches(f"{_SQUAWK}{wanted.lower()}", known, 1)
    hint = f"did you mean {close[0]}?" if close else "`dbmigrate explain` lists all codes"
    raise ConfigError(f"unknown code {wanted!r}", code="E251", hint=hint)


def every_title() -> Iterator[tuple[str, str]]:
    """Every code with its title, in the order of the codes."""
    for _, page in sorted(pages().items()):
        yield page.code, page.title


def pages() -> Mapping[str, Page]:
    """Every page by its code: of the linter and of check, of errors and warnings, of squawk."""
    found: dict[str, Page] = {}
    for path in sorted(_PACKAGE.glob("**/pages/*.md")):
        found |= {page.code: page for page in _sections(path)}
    errors = next((path for path in _error_pages() if path.is_file()), None)
    written = {page.code: page for page in _sections(errors)} if errors else {}
    for code, title in {**CODES, **WARNINGS}.items():
        found[code] = written.get(code) or Page(code, title, f"**{title}**")
    return found | {page.code: page for page in _squawk_pages()}


def _error_pages() -> tuple[Path, ...]:
    """In an installed package; in a checkout."""
    return _PACKAGE / "docs" / "errors.md", _PACKAGE.parent / "docs" / "reference" / "errors.md"


def _sections(path: Path) -> Iterator[Page]:
    parts = _HEADING.split(path.read_text(encoding="utf-8"))
    for code, body in zip(parts[1::2], parts[2::2], strict=True):
        said = _ANY_HEADING.split(body)[0].strip()
        title = _TITLE.search(said)
        yield Page(code, RULES[code].title if code in RULES else title[1] if title else "", said)


def _squawk_pages() -> Iterator[Page]:
    for rule in SQUAWK_RULES.values():
        ours = [own.code for own in RULES.values() if rule.name in own.squawk]
        instead = f" See {' and '.join(ours)}." if ours else ""
        said = f"**{rule.meaning}**\n\nA rule of squawk, {rule.treatment.value}.{instead} More: <{link(rule.name)}>"
        yield Page(f"{_SQUAWK}{rule.name}", rule.meaning, said)
