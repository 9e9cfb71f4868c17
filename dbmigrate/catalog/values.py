"""The frozen values of a catalog and of a comparison."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, NamedTuple

from dbmigrate.catalog import wording
from dbmigrate.schema import lineends
from dbmigrate.values import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dbmigrate.catalog.kinds import Change, Kind

Values = tuple[str | None, ...]


class Key(NamedTuple):
    """An object by its kind and its name, written and quoted as in SQL, with its schema."""

    kind: Kind
    name: str


class Item(NamedTuple):
    """What is known of an object. It belongs to `parent`, and goes with it.

    `origin` is the object that it was made from or for: the same column of the parent table, the constraint of an
    index, the column of an identity's sequence.
    """

    values: Values
    parent: Key | None = None
    origin: Key | None = None


@dataclass(frozen=True, slots=True)
class Catalog:
    """A database: the objects of each kind by name. `server_version` is libpq's (180006).

    `columns` holds the columns of tables and the attributes of types in their order, each by its own quoted name.
    """

    server_version: int
    items: Mapping[Kind, Mapping[str, Item]]
    columns: Mapping[Key, tuple[str, ...]] = field(default_factory=dict)

    def find(self, key: Key) -> Item | None:
        """The object of that kind and name, if there is one."""
        return self.items.get(key.kind, {}).get(key.name)


@dataclass(frozen=True, slots=True)
class Difference:
    """One object that differs; `aspect` says in what, if it is in both catalogs.

    `before` and `after` are the two values of the aspect; of an object that is missing or extra its definition, as SQL.
    `inside` names what came or went with the object and is not told on its own: ``table app.users``.
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
        return bool(self.before and self.after) and lineends.are_the_difference(self.before or "", self.after or "")

    @property
    def headline(self) -> str:
        """The difference in one line, without its values: ``default of column app.users.email differs``"""
        return wording.headline(self)

    @property
    def sentence(self) -> str:
        """The same with its values, where they fit: ``default of column app.users.email is 'x', was none``"""
        return wording.sentence(self)
