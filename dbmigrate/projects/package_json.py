"""Scripts added to a ``package.json``; those that are there stay as they are."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from dbmigrate.errors import Refused, unchanged
from dbmigrate.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dbmigrate.errors import Error

__all__ = ["NAME", "Scripts", "with_scripts"]

NAME = "package.json"


@frozen
class Scripts:
    """The new text, and the names of the scripts that are new in it."""

    text: str
    added: tuple[str, ...]


def with_scripts(data: bytes | None, wanted: Mapping[str, str]) -> Scripts:
    """Add the scripts that are missing, in the indentation of the file, as npm itself would write it.

    `data` None makes a new file. Raises Refused E747 for one that is not a JSON object.
    """
    document, text = _read(data)
    scripts = document.setdefault("scripts", {})
    if not isinstance(scripts, dict):
        raise _refused("its scripts are not an object")
    added = tuple(name for name in wanted if name not in scripts)
    scripts.update({name: wanted[name] for name in added})
    indent = re.search(r"\n([ \t]+)\S", text)
    new = json.dumps(document, indent=indent[1] if indent else 2, ensure_ascii=False)
    ending = "\r\n" if "\r\n" in text else "\n"
    return Scripts(f"{new}\n".replace("\n", ending), added)


def _read(data: bytes | None) -> tuple[dict[str, object], str]:
    if data is None:
        return {"private": True}, ""
    try:
        text = data.decode("utf-8-sig")
        document = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError) as exc:
        raise _refused(f"it is not JSON ({exc})") from exc
    if not isinstance(document, dict):
        raise _refused("it is not a JSON object")
    return document, text


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """An object; a key that stands in it twice would be lost."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is given twice")
    return found


def _refused(reason: str) -> Error:
    hint = "mend it, or leave out --npm; the scripts are in the documentation of `init`"
    return unchanged(Refused(f"{NAME} cannot take the scripts: {reason}", code="E747", hint=hint))
