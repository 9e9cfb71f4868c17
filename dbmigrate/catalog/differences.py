"""Differences as sentences for people. Pure."""

from __future__ import annotations

from dbmigrate.catalog.kinds import Change, Kind
from dbmigrate.frozen import frozen
from dbmigrate.schema import line_ends

_LONGEST = 80  # a value that is longer, or has several lines, does not fit into a sentence
_NAMED = 3  # so many of the things that came or went with an object

_SUBJECTS = {
    Kind.GRANT: "grant of {}",
    Kind.DEFAULT_PRIVILEGE: "default privilege of {}",
    Kind.COMMENT: "comment on {}",
    Kind.OWNER: "owner of {}",
    Kind.SECURITY_LABEL: "security label {}",
    Kind.COLUMN_ORDER: "order of the columns of {}",
}
# aspects that say it themselves: "column app.users.email is nullable"
_SPEAKING = ("nullability", "validity", "state")
_UNSET = {
    "collation": "that of the type",
    "compression": "the default",
    "replica identity": "the default",
    "statistics target": "the default",
    "storage": "that of the type",
    "tablespace": "the default",
}


def headline(found: Difference) -> str:
    """In one line, without values."""
    if found.change in (Change.MISSING, Change.EXTRA):
        return f"{_subject(found)} is {found.change}{_together(found.inside)}"
    if found.aspect in _SPEAKING:
        return f"{_subject(found)} is {found.after}"
    alone = " in line ends alone" if found.is_of_line_ends else ""
    return f"{_about(found)} {'differ' if _is_plural(found) else 'differs'}{alone}"


def sentence(found: Difference) -> str:
    """In one line, with the values if they fit."""
    before, after = _value(found.before, found), _value(found.after, found)
    if found.change in (Change.MISSING, Change.EXTRA) or before is None or after is None:
        return headline(found)
    if found.aspect in _SPEAKING:
        return f"{_subject(found)} is {after}, was {before}"
    verb, past = ("are", "were") if _is_plural(found) else ("is", "was")
    return f"{_about(found)} {verb} {after}, {past} {before}"


def _subject(found: Difference) -> str:
    """``table app.users``, ``comment on table app.users``"""
    pattern = _SUBJECTS.get(found.kind)
    return pattern.format(found.name) if pattern else f"{found.kind} {found.name}"


def _about(found: Difference) -> str:
    """``default of column app.users.name``; where there is but one aspect, the subject alone."""
    if found.kind in (Kind.COMMENT, Kind.OWNER, Kind.SECURITY_LABEL, Kind.COLUMN_ORDER):
        return _subject(found)
    return f"{found.aspect} of {_subject(found)}"


def _is_plural(found: Difference) -> bool:
    return (found.aspect or "") in ("members", "options", "roles", "storage options", "triggers", "values")


def _together(names: tuple[str, ...]) -> str:
    if not names:
        return ""
    shown = ", ".join(names[:_NAMED])
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f", with {shown}{more}"


def _value(text: str | None, found: Difference) -> str | None:
    """A value for a sentence; None if it does not fit."""
    if text is None:
        return _UNSET.get(found.aspect or "", "none")
    if "\n" in text or len(text) > _LONGEST:
        return None
    return f"'{text}'" if found.kind is Kind.COMMENT else text


@frozen
class Difference:
    """One object that differs; `aspect` says in what, if it is in both catalogs.

    `before` and `after` are the two values of the aspect; of an object that is missing or extra its definition, as SQL.
    `inside` names what came or went with the object and is not reported on its own: ``table app.users``.
    """

    kind: Kind
    name: str
    change: Change
    before: str | None = None
    after: str | None = None
    aspect: str | None = None
    inside: tuple[str, ...] = ()

    @property
    def is_of_line_ends(self) -> bool:
        """Whether nothing but line ends differs, as after a checkout in which git has converted them."""
        return bool(self.before and self.after) and line_ends.are_the_difference(self.before or "", self.after or "")

    @property
    def subject(self) -> str:
        """What differs, in words: ``column app.users.email``, ``comment on table app.users``"""
        return _subject(self)

    @property
    def headline(self) -> str:
        """The difference in one line, without its values: ``default of column app.users.email differs``"""
        return headline(self)

    @property
    def sentence(self) -> str:
        """The same with its values, where they fit: ``default of column app.users.email is 'x', was none``"""
        return sentence(self)
