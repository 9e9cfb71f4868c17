"""Objects of a catalog as SQL, for people to read and to copy from."""

from __future__ import annotations

from collections import defaultdict
from functools import cached_property
from typing import TYPE_CHECKING

from dbmigrate.catalog.kinds import Kind, aspects
from dbmigrate.catalog.values import Key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from dbmigrate.catalog.values import Catalog

Known = dict[str, str | None]


class Definitions:
    """Writes the objects of one catalog down. What depends on the server's choice alone is left out."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def of(self, key: Key) -> str:
        """The SQL that makes the object, without what exists on its own: indexes, triggers, grants of a table."""
        item = self._catalog.find(key)
        if item is None:
            return ""
        known = dict(zip(aspects(key.kind), item.values, strict=True))
        makers: dict[Kind, Callable[[Key, Known], str]] = {
            Kind.SCHEMA: lambda key, _: f"CREATE SCHEMA {key.name};",
            Kind.EXTENSION: _extension,
            Kind.TYPE: self._type,
            Kind.ATTRIBUTE: self._attribute,
            Kind.DOMAIN: _domain,
            Kind.SEQUENCE: _sequence,
            Kind.TABLE: self._table,
            Kind.FOREIGN_TABLE: self._foreign_table,
            Kind.COLUMN: self._added_column,
            Kind.CONSTRAINT: self._constraint,
            Kind.INDEX: self._index,
            Kind.POLICY: self._policy,
            Kind.VIEW: _view,
            Kind.MATERIALIZED_VIEW: _view,
            Kind.COMMENT: self._comment,
            Kind.OWNER: self._owner,
            Kind.GRANT: _grant,
            Kind.DEFAULT_PRIVILEGE: _grant,
            Kind.OPERATOR_FAMILY: lambda key, _: f"CREATE OPERATOR FAMILY {key.name};",
            Kind.USER_MAPPING: lambda key, _: f"CREATE USER MAPPING FOR {key.name.replace(' on server ', ' SERVER ')};",
        }
        return makers.get(key.kind, _written)(key, known)

    # -- tables

    @cached_property
    def _constraints(self) -> Mapping[Key, list[str]]:
        """The clauses of the constraints of each table and domain."""
        found: defaultdict[Key, list[str]] = defaultdict(list)
        for name, item in self._catalog.items.get(Kind.CONSTRAINT, {}).items():
            if item.parent is not None:
                found[item.parent].append(f"CONSTRAINT {_local(name, item.parent)} {item.values[0]}")
        return found

    def _table(self, key: Key, known: Known) -> str:
        word = {"unlogged": "UNLOGGED "}.get(known["persistence"] or "", "")
        tail = "".join(
            f" {clause} {value}"
            for clause, value in (
                ("INHERITS", _in_parentheses(None if known["partition bound"] else known["inheritance"])),
                ("PARTITION BY", known["partition key"]),
                ("WITH", _in_parentheses(known["storage options"])),
            )
            if value
        )
        if known["partition bound"]:
            return (
                f"CREATE {word}TABLE {key.name} PARTITION OF {known['inheritance']} {known['partition bound']}{tail};"
            )
        of = f" OF {known['row type']}" if known["row type"] else ""
        return f"CREATE {word}TABLE {key.name}{of} ({self._body(key)}){tail};"

    def _foreign_table(self, key: Key, known: Known) -> str:
        options = f" OPTIONS ({known['options']})" if known["options"] else ""
        return f"CREATE FOREIGN TABLE {key.name} ({self._body(key)}) SERVER {known['server']}{options};"

    def _body(self, key: Key) -> str:
        lines = [*self._column_clauses(key), *sorted(self._constraints.get(key, []))]
        return "\n    " + ",\n    ".join(lines) + "\n" if lines else ""

    def _column_clauses(self, table: Key) -> Iterator[str]:
        for name in self._catalog.columns.get(table, ()):
            item = self._catalog.find(Key(Kind.COLUMN, f"{table.name}.{name}"))
            if item is not None:
                yield _column(name, dict(zip(aspects(Kind.COLUMN), item.values, strict=True)))

    def _added_column(self, key: Key, known: Known) -> str:
        table = self._parent(key)
        return f"ALTER TABLE {table.name} ADD COLUMN {_column(_local(key.name, table), known)};"

    def _constraint(self, key: Key, known: Known) -> str:
        parent = self._parent(key)
        word = "DOMAIN" if parent.kind is Kind.DOMAIN else "TABLE"
        return f"ALTER {word} {parent.name} ADD CONSTRAINT {_local(key.name, parent)} {known['definition']};"

    def _index(self, key: Key, known: Known) -> str:
        return f"{known['definition'] or f'-- the index {key.name} of a constraint'};"

    def _policy(self, key: Key, known: Known) -> str:
        table = self._parent(key)
        using = f" USING ({known['USING expression']})" if known["USING expression"] else ""
        check = f" WITH CHECK ({known['WITH CHECK expression']})" if known["WITH CHECK expression"] else ""
        return (
            f"CREATE POLICY {_local(key.name, table)} ON {table.name} AS {(known['kind'] or '').upper()}"
            f" FOR {known['command']} TO {known['roles']}{using}{check};"
        )

    # -- types

    def _type(self, key: Key, known: Known) -> str:
        form = known["form"]
        if form == "enum":
            return f"CREATE TYPE {key.name} AS ENUM ({known['values'] or ''});"
        if form == "composite":
            names = self._catalog.columns.get(key, ())
            parts = (self._attribute_clause(Key(Kind.ATTRIBUTE, f"{key.name}.{name}"), name) for name in names)
            return f"CREATE TYPE {key.name} AS ({', '.join(parts)});"
        return f"CREATE TYPE {key.name}{' AS RANGE' if form == 'range' else ''} ({known['definition'] or ''});"

    def _attribute_clause(self, key: Key, name: str) -> str:
        item = self._catalog.find(key)
        assert item is not None
        type_name, collation = item.values
        return f"{name} {type_name}{f' COLLATE {collation}' if collation else ''}"

    def _attribute(self, key: Key, known: Known) -> str:
        parent = self._parent(key)
        return f"ALTER TYPE {parent.name} ADD ATTRIBUTE {self._attribute_clause(key, _local(key.name, parent))};"

    # -- attributes of objects

    def _comment(self, key: Key, known: Known) -> str:
        parent = self._parent(key)
        kind, name = parent.kind.upper(), parent.name
        if parent.kind in _ON_TABLE:
            table = self._parent(parent)
            name = f"{_local(name, table)} ON {'DOMAIN ' if table.kind is Kind.DOMAIN else ''}{table.name}"
        elif parent.kind is Kind.ATTRIBUTE:
            kind = "COLUMN"
        return f"COMMENT ON {kind} {name} IS {_literal(known['text'] or '')};"

    def _owner(self, key: Key, known: Known) -> str:
        parent = self._parent(key)
        return f"ALTER {parent.kind.upper()} {parent.name} OWNER TO {known['role']};"

    def _parent(self, key: Key) -> Key:
        item = self._catalog.find(key)
        assert item is not None
        assert item.parent is not None
        return item.parent


_ON_TABLE = (Kind.CONSTRAINT, Kind.TRIGGER, Kind.RULE, Kind.POLICY)


def _column(name: str, known: Known) -> str:
    """A column as CREATE TABLE has it."""
    parts = [
        name,
        known["type"],
        f"STORAGE {known['storage']}" if known["storage"] else "",
        f"COMPRESSION {known['compression']}" if known["compression"] else "",
        f"COLLATE {known['collation']}" if known["collation"] else "",
        f"DEFAULT {known['default']}" if known["default"] else "",
        f"{known['identity']} AS IDENTITY" if known["identity"] else "",
        f"GENERATED ALWAYS AS {_generation(known['generation'])}" if known["generation"] else "",
        "NOT NULL" if known["nullability"] == "NOT NULL" else "",
    ]
    return " ".join(part for part in parts if part)


def _generation(text: str | None) -> str:
    expression, _, kind = (text or "").rpartition(" ")
    return f"({expression}) {kind}"


def _extension(key: Key, known: Known) -> str:
    return f"CREATE EXTENSION {key.name} WITH SCHEMA {known['schema']} VERSION {_literal(known['version'] or '')};"


def _domain(key: Key, known: Known) -> str:
    parts = [f"CREATE DOMAIN {key.name} AS {known['type']}"]
    parts += [f"COLLATE {known['collation']}"] if known["collation"] else []
    parts += [f"DEFAULT {known['default']}"] if known["default"] else []
    parts += ["NOT NULL"] if known["nullability"] == "NOT NULL" else []
    return " ".join(parts) + ";"


def _sequence(key: Key, known: Known) -> str:
    owned = f" OWNED BY {known['owning column']}" if known["owning column"] else ""
    return (
        f"CREATE {'UNLOGGED ' if known['persistence'] == 'unlogged' else ''}SEQUENCE {key.name} AS {known['type']}"
        f" START WITH {known['start']} INCREMENT BY {known['increment']} MINVALUE {known['minimum']}"
        f" MAXVALUE {known['maximum']} CACHE {known['cache']}{' CYCLE' if known['cycling'] == 'on' else ''}{owned};"
    )


def _view(key: Key, known: Known) -> str:
    options = _in_parentheses(known.get("options") or known.get("storage options"))
    return f"CREATE {key.kind.upper()} {key.name}{f' WITH {options}' if options else ''} AS\n{known['definition']}"


def _grant(key: Key, known: Known) -> str:
    statement, option = known["statement"] or "", known["grant option"]
    return f"{statement.removesuffix(';')} {option};" if option else statement


def _written(key: Key, known: Known) -> str:
    """What the server itself writes down."""
    text = (known.get("definition") or known.get("text") or "").rstrip()
    return text if text.endswith(";") else f"{text};"


def _local(name: str, parent: Key) -> str:
    return name.removeprefix(f"{parent.name}.")


def _in_parentheses(text: str | None) -> str | None:
    return f"({text})" if text else None


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
