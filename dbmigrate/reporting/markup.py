"""Text as HTML and SVG. What comes from files and servers goes through `Pen`: masked, made visible, escaped."""

from __future__ import annotations

import html
import json
import re
from typing import TYPE_CHECKING

from dbmigrate.frozen import frozen
from dbmigrate.output import text as output

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Pen"]

# what HTML cannot hold, or what would show text in another order than it is written in (https://trojansource.codes)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")

Attributes = str | float | None


@frozen
class Pen:
    """Writes elements. `hide` masks secrets, before anything else is done with a text."""

    hide: Callable[[str], str]

    def text(self, text: str) -> str:
        """A text as the content of an element, or as the value of an attribute."""
        return html.escape(self.plain(text), quote=True)

    def plain(self, text: str) -> str:
        """A text that is escaped elsewhere."""
        return _CONTROL.sub(_escape, self.hide(text.replace("\r\n", "\n")))

    def label(self, text: str, width: int) -> str:
        """A text in one line of at most `width` characters, as wide ones count; it is escaped elsewhere."""
        shown = output.one_line(self.plain(text))
        return shown if output.cells(shown) <= width else f"{output.cut(shown, width - 1)}…"

    def element(self, name: str, content: str = "", /, **attributes: Attributes) -> str:
        """``<name a="..">content</name>``; `content` is markup already. An attribute that is None is left out.

        ``class_`` stands for class, and ``data_a`` for data-a.
        """
        return f"{self.start(name, **attributes)}{content}</{name}>"

    def start(self, name: str, /, **attributes: Attributes) -> str:
        """The start of an element."""
        given = ((key.rstrip("_").replace("_", "-"), value) for key, value in attributes.items())
        written = (f' {key}="{self._value(value)}"' for key, value in given if value is not None)
        return f"<{name}{''.join(written)}>"

    def code(self, text: str) -> str:
        """A name or a statement, as it is."""
        return f"<code>{self.text(text)}</code>"

    def data(self, value: object) -> str:
        """JSON inside of a script element. Its texts have to be `plain`."""
        written = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        return written.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")

    def _value(self, value: str | float) -> str:
        return self.text(value) if isinstance(value, str) else f"{round(value, 1):g}"


def _escape(found: re.Match[str]) -> str:
    number = ord(found[0])
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"
