"""Whether the name of a migration says what it changes: for whoever makes one, and for the linter (L143)."""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["Fault", "fault"]

_EMPTY = frozenset(
    re.findall(
        r"\w+",
        """
        a adjust adjustments all alter an and apply asdf bugfix change changed changes cleanup database data db ddl demo
        dev do draft edit edits etc final fix fixed fixes foo bar hotfix improve improvements initial2 minor migrate
        migration migrations misc miscellaneous mods modify more my new next other patch quick quickfix refactor release
        schema script several small some sql stuff table tables temp test tests the things tmp todo tweak tweaks up
        update updated updates upgrade various wip work
        """,
    )
)
_VERBS = frozenset(
    re.findall(
        r"\w+",
        """
        add alter backfill change check clean contract convert copy create delete disable drop empty enable
        expand extend fill fix grant import index insert link load lock lower make merge migrate move
        normalise normalize partition populate prepare raise record refactor remove rename replace require
        reset restrict revoke seed set split store switch sync truncate tune unify unlink update upgrade
        validate widen
        """,
    )
)
_RENAME = "name the change: add_email_to_users; but do not rename a file that is applied anywhere"


class Fault(NamedTuple):
    """What is wrong with a name, to be read behind a word for what has it."""

    message: str
    hint: str


def fault(name: str) -> Fault | None:
    """What is wrong with a name, without its version: it says nothing, or it names two changes."""
    words = [word for word in re.split(r"[\W_]+", name.lower()) if word and not word.isdigit()]
    shown = f" `{' '.join(words)}`" if words else ""
    if all(word in _EMPTY for word in words):
        return Fault(f"{shown} does not say what the migration changes", _RENAME)
    if _names_two(words):
        return Fault(f"{shown} names two changes", "write two migrations")
    return None


def _names_two(words: list[str]) -> bool:
    """``add_a_and_drop_b``, ``a_and_b``; but ``create_a_and_b`` is one change of two tables."""
    at = words.index("and") if "and" in words else -1
    return at > 0 and at + 1 < len(words) and (words[at + 1] in _VERBS or words[0] not in _VERBS)
