"""The frozen values of a catalog and of a comparison."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, NamedTuple

from dbmigrate.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dbmigrate.catalog.kinds import Kind

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


@frozen
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
