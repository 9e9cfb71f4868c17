"""Names and values as SQL text, and names as the catalog has them."""

from __future__ import annotations

__all__ = ["folded", "identifier", "literal"]


def folded(name: str) -> str:
    """A name of an SQL text as the catalog has it: PostgreSQL folds unquoted ASCII letters to lower case."""
    if name.startswith('"'):
        return name[1:-1].replace('""', '"')
    return "".join(letter.lower() if letter.isascii() else letter for letter in name)


def identifier(name: str) -> str:
    """A name as SQL text."""
    return '"{}"'.format(name.replace('"', '""'))


def literal(value: str) -> str:
    """A value as SQL text that is correct under both settings of standard_conforming_strings."""
    doubled = value.replace("'", "''")
    return " E'{}'".format(doubled.replace("\\", "\\\\")) if "\\" in doubled else f"'{doubled}'"
