"""What tables and columns are called before a plan runs, by what they are called at one of its statements. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from dbmigrate.lint.sql.reading import folded
from dbmigrate.lint.sql.shape import ActionKind, AlterObject, AlterTable, CreateTable, Drop, Name
from dbmigrate.sql.statements import first_word

if TYPE_CHECKING:
    from dbmigrate.lint.sql.shape import Action, Shape
    from dbmigrate.losses.forms import Destruction

__all__ = ["Names", "may_rename"]

_WORDS = re.compile(r"\b(?:rename|set\s+schema|create|drop|add)\b", re.IGNORECASE).search


def may_rename(sql: str) -> bool:
    """Whether it is worth while to follow the statement."""
    return first_word(sql) in ("ALTER", "CREATE", "DROP") and _WORDS(sql) is not None


@dataclass(slots=True)
class _Table:
    """A table that the plan has made, renamed or dropped. `before` None: made; `now` None: dropped."""

    before: Name | None
    now: Name | None
    columns: dict[str, str | None] = field(default_factory=dict)  # the old name by the new one; None: made, or gone


class Names:
    """Follows the statements of a plan in their order."""

    def __init__(self) -> None:
        self._tables: list[_Table] = []
        self._schemas: dict[str, str | None] = {}  # the old name by the new one; None: nothing is called so any more

    def before(self, destruction: Destruction) -> Destruction | None:
        """The same by the names before the plan; None if the plan has made it, or if nothing is called so any more."""
        *schema, name = destruction.names
        named = Name(schema[0] if schema else None, name)
        found = self._called(named)
        if found is None:
            old = self._old(named)
            if old is None or self._is_gone(old):
                return None
            return replace(destruction, names=(old.schema, name)) if old.schema else destruction
        if found.before is None:
            return None
        column = found.columns.get(destruction.column, destruction.column)
        if column is None:
            return None
        old = found.before
        return replace(destruction, names=(old.schema, old.name) if old.schema else (old.name,), column=column)

    def follow(self, shape: Shape) -> None:
        """What a statement does to names."""
        match shape:
            case AlterTable(table=table, actions=actions):
                for action in actions:
                    self._act(table, action)
            case CreateTable(table=table, is_lenient=False):
                self._tables.append(_Table(None, table))
            case AlterObject(kind="SCHEMA", name=schema, words=("RENAME", "TO", new)):
                self._rename_schema(schema.name, folded(new))
            case Drop(kind="TABLE", names=names):
                for name in names:
                    self._known(name).now = None
            case _:
                pass

    def _act(self, table: Name, action: Action) -> None:
        match action.kind:
            case ActionKind.RENAME:
                self._known(table).now = Name(table.schema, action.new_name)
            case ActionKind.SET_SCHEMA:
                self._known(table).now = Name(action.new_name, table.name)
            case ActionKind.RENAME_COLUMN:
                columns = self._known(table).columns
                columns[action.new_name] = columns.get(action.name, action.name)
                columns[action.name] = None
            case ActionKind.ADD_COLUMN if not action.is_lenient and action.name:
                self._known(table).columns[action.name] = None
            case _:
                pass

    def _rename_schema(self, name: str, new: str) -> None:
        self._schemas[new] = self._schemas.get(name, name)
        self._schemas[name] = None
        for table in self._tables:
            if table.now is not None and table.now.schema == name:
                table.now = Name(new, table.now.name)

    def _old(self, name: Name) -> Name | None:
        """What a table that the plan has not touched was called before; None if it has no such schema."""
        if name.schema is None or name.schema not in self._schemas:
            return name
        old = self._schemas[name.schema]
        return None if old is None else Name(old, name.name)

    def _known(self, name: Name) -> _Table:
        found = self._called(name)
        if found is None:
            found = _Table(self._old(name), name)
            self._tables.append(found)
        return found

    def _called(self, name: Name) -> _Table | None:
        """The table that is called so now, if the plan has touched it."""
        return next((each for each in reversed(self._tables) if each.now is not None and each.now.means(name)), None)

    def _is_gone(self, name: Name) -> bool:
        """Whether the table that was called so has another name now, or was dropped."""
        return any(each.before is not None and each.before.means(name) for each in self._tables)
