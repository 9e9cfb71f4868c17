"""Values of variables that a migration declares with ``-- migrate:vars``, and the text that is sent because of them.

A value may be a secret. It is in what the server is sent, and in nothing that is printed, logged or compared:
everything else works with the file's text, in which placeholders stand.
"""

from __future__ import annotations

from dataclasses import field, replace
from typing import TYPE_CHECKING, NamedTuple

from dbmigrate.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["MADE_UP", "PREFIX", "Bound", "Filled", "Given", "Patch", "Use", "Variables", "environment_name"]

PREFIX = "DBMIGRATE_VAR_"  # of environment variables
MADE_UP = "made up"  # the origin of a value that nobody gave
_LONGEST_NAME = 63  # bytes: longer identifiers are cut off by the server


def environment_name(name: str) -> str:
    """``schema`` -> ``DBMIGRATE_VAR_SCHEMA``."""
    return f"{PREFIX}{name.upper()}"


@frozen
class Given:
    """A value, and where it is from. One that `is_made_up` stands in on scratch databases, and is not secret."""

    text: str = field(repr=False)
    origin: str = ""
    is_made_up: bool = False


def _no_value(name: str) -> Given | None:
    return None


@frozen
class Variables:
    """Where values come from: `find` looks one up by its name, `checks` are stand-ins for scratch databases."""

    find: Callable[[str], Given | None] = field(default=_no_value, repr=False)
    checks: Mapping[str, Given] = field(default_factory=dict, repr=False)

    @staticmethod
    def of(values: Mapping[str, str]) -> Variables:
        """Values that are known, for programs that use the API."""
        found = {name: Given(text, "given") for name, text in values.items()}
        return Variables(found.get)

    def for_checks(self) -> Variables:
        """The stand-ins alone, made up where the project file has none: a check is the same everywhere."""
        return replace(self, find=self._stand_in)

    def for_scratch(self) -> Variables:
        """The values where there are some, otherwise the stand-ins."""
        return replace(self, find=lambda name: self.find(name) or self._stand_in(name))

    def _stand_in(self, name: str) -> Given:
        made_up = f"var_{name}".encode()[:_LONGEST_NAME].decode(errors="ignore")
        return self.checks.get(name) or Given(made_up, MADE_UP, is_made_up=True)


class Use(NamedTuple):
    """A variable as a literal, or as an identifier."""

    name: str
    is_identifier: bool

    @property
    def quote(self) -> str:
        return '"' if self.is_identifier else "'"


@frozen
class Bound:
    """What a migration declares: the `names`, the `values` of those that have one, and their uses by direction."""

    names: tuple[str, ...]
    values: Mapping[str, Given] = field(repr=False)
    uses: Mapping[str, frozenset[Use]]

    def used(self, direction: str) -> frozenset[str]:
        """The names that one direction uses."""
        return frozenset(use.name for use in self.uses[direction])

    @property
    def texts(self) -> dict[str, str]:
        return {name: given.text for name, given in self.values.items()}

    @property
    def secrets(self) -> tuple[str, ...]:
        """The values that must not be shown."""
        return tuple(given.text for given in self.values.values() if not given.is_made_up)


class Patch(NamedTuple):
    """A placeholder of the file's text, from `begin` to `end`, and the `text` that is sent in its place."""

    begin: int
    end: int
    use: Use
    text: str


@frozen
class Filled:
    """A statement with values: its text in the file, its `patches` in their order, and the text that is sent."""

    source: str
    patches: tuple[Patch, ...] = field(repr=False)
    text: str = field(repr=False)

    @property
    def neutral(self) -> str:
        """The file's text, as long as it is, with a string or a quoted name in the place of each placeholder."""
        text = self.source
        for patch in self.patches:
            text = f"{text[: patch.begin]} {text[patch.begin + 1 :]}"
        return text

    def between(self, before: str, after: str) -> Filled:
        """The same with text around it."""
        moved = (Patch(each.begin + len(before), each.end + len(before), *each[2:]) for each in self.patches)
        return Filled(f"{before}{self.source}{after}", tuple(moved), f"{before}{self.text}{after}")

    def is_value(self, offset: int) -> bool:
        """Whether a place in the sent text is inside a value."""
        shift = 0
        for patch in self.patches:
            if patch.begin + shift <= offset < patch.begin + shift + len(patch.text):
                return True
            shift += len(patch.text) - (patch.end - patch.begin)
        return False

    def origin(self, offset: int) -> int:
        """The place in the file's text of a place in the sent one; inside a value: of its placeholder."""
        shift = 0
        for patch in self.patches:
            begin = patch.begin + shift
            if offset < begin:
                break
            if offset < begin + len(patch.text):
                return patch.begin
            shift += len(patch.text) - (patch.end - patch.begin)
        return offset - shift
