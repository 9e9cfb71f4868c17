"""Spells the expressions of a statement as PostgreSQL itself spells them after one dump and load.

A CHECK constraint (view, index, policy, default...) is written out from its parse tree, and two shapes of trees change
when the text is read again, so that a database built by migrations and one built from the schema file look different
although they are the same. Both spellings mean the same and both are PostgreSQL's own; the second is stable.
"""

from __future__ import annotations

import re
from typing import NamedTuple, cast

from dbmigrate.schema.items import quoted_end

__all__ = ["settle"]

_OPERATOR = re.compile(r"\s(AND|OR)(?=\s)")
_STOP = re.compile(r"""['"$()\[\]]|--|/\*""")
_BOOLEAN = re.compile(r"\s(AND|OR)\s")
# The element type of ``::type[]`` as format_type.c writes it: one word, or one of PostgreSQL's own of several.
_NAME = r'(?:[a-z_][a-z0-9_$]*|"[^"]*+(?:""[^"]*+)*"(?!"))'
_FIELD = "(?:year|month|day|hour|minute|second)"
_CAST = re.compile(
    rf"::((?:{_NAME}\.)?{_NAME}(?: varying| precision| {_FIELD}(?: to {_FIELD})?)?(?:\([0-9,]+\))?"
    r"(?: with(?:out)? time zone)?)\[\]"
)
_CLOSING = {"(": ")", "[": "]"}


class _Group(NamedTuple):
    """A closed pair of parentheses or brackets. `operator` is AND or OR if nothing else joins its operands."""

    opening: str
    content: str
    operator: str | None = None
    elements: _Elements = ()  # of ``[...]``: what its commas separate; of ``(ARRAY[...])``: the same; else nothing

    def __str__(self) -> str:
        return f"{self.opening}{self.content}{_CLOSING[self.opening]}"


class _Quoted(NamedTuple):
    """What is not looked into: a literal, a quoted name, a dollar-quoted body, an array that is settled."""

    text: str

    def __str__(self) -> str:
        return self.text


_Part = str | _Quoted | _Group
_Elements = tuple[str | _Group, ...]  # a group is an array in an array


def settle(statement: str) -> str:
    """`statement` with both rewrites made; literals, quoted names and dollar-quoted bodies are kept byte for byte.

    ``((a AND b) AND c)`` becomes ``(a AND b AND c)``, likewise for OR: the grammar flattens a left operand (gram.y,
    makeAndExpr), and BETWEEN makes one. ``(ARRAY[a, b])::t[]`` becomes ``ARRAY[(a)::t, (b)::t]``: what
    ``x IN ('a', 'b')`` is on a varchar column. What is not understood comes back unchanged.
    """
    return _rewritten(statement) or statement if _may_change(statement) else statement


def _may_change(statement: str) -> bool:
    """A cheap look before the thorough one: nested operands have the same operator twice."""
    if "(ARRAY[" in statement:
        return True
    if statement.count("AND") < 2 and statement.count("OR") < 2:
        return False
    operators = _OPERATOR.findall(statement)
    return len(operators) > len(set(operators))


def _rewritten(statement: str) -> str | None:
    """The statement again, built inside out; None if its parentheses, quotes or comments are not as expected."""
    levels: list[list[_Part]] = [[]]
    openings: list[str] = []
    position = 0
    while match := _STOP.search(statement, position):
        stop, token = match.start(), match.group()
        levels[-1].append(statement[position:stop])
        position = match.end()
        if token in _CLOSING:
            openings.append(token)
            levels.append([])
        elif token in (")", "]"):
            if not openings or _CLOSING[openings[-1]] != token:
                return None
            group = _closed(openings.pop(), levels.pop())
            position = _append(levels[-1], group, statement, position)
        else:
            position = quoted_end(statement, stop) if len(token) == 1 else -1
            if position < 0:
                return None
            position = max(position, match.end())
            levels[-1].append(_Quoted(statement[stop:position]))
    return None if openings else "".join(map(str, levels[0])) + statement[position:]


def _append(level: list[_Part], group: _Group, statement: str, position: int) -> int:
    """Puts a closed group, with the array cast that may follow it, on its level; where to go on reading."""
    typed = _CAST.match(statement, position) if group.opening == "(" and group.elements else None
    if not typed:
        level.append(group)
        return position
    level.append(_Quoted(f"ARRAY[{_cast_each(group.elements, typed[1])}]"))
    return typed.end()


def _cast_each(elements: _Elements, element_type: str) -> str:
    """The elements, each with the cast that stood behind the array; in an array in an array, its elements."""
    return ", ".join(
        f"({each})::{element_type}" if isinstance(each, str) else f"ARRAY[{_cast_each(each.elements, element_type)}]"
        for each in elements
    )


def _closed(opening: str, parts: list[_Part]) -> _Group:
    operators = {word for part in parts if isinstance(part, str) for word in _BOOLEAN.findall(part)}
    operator = operators.pop() if len(operators) == 1 else None
    if operator and _is_left_operand(parts, operator):
        parts = [cast("_Group", parts[1]).content, *parts[2:]]
    array = _array(parts) if opening == "(" else None
    elements = array.elements if array else _elements(parts) if opening == "[" else ()
    return _Group(opening, "".join(map(str, parts)), operator, elements)


def _is_left_operand(parts: list[_Part], operator: str) -> bool:
    """Whether the group begins with a parenthesised group of the same operator, and that operator follows it."""
    match parts:
        case ["", _Group(opening="(", operator=inner), str() as then, *_]:
            return inner == operator and re.match(rf"\s+{operator}\s", then) is not None
    return False


def _array(parts: list[_Part]) -> _Group | None:
    """The brackets, if `parts` are ``ARRAY[...]`` and nothing else."""
    match parts:
        case ["ARRAY" | " ARRAY", _Group(opening="[") as brackets, "" | " "]:
            return brackets
    return None


def _elements(parts: list[_Part]) -> _Elements:
    """What the commas between brackets separate; nothing if one of it is not understood."""
    elements: list[list[_Part]] = [[]]
    for part in parts:
        first, *others = part.split(",") if isinstance(part, str) else [part]
        elements[-1].append(first)
        elements += [[other] for other in others]
    found = tuple(_array(element) or "".join(map(str, element)).strip() for element in elements)
    return found if all(map(_is_castable, found)) else ()


def _is_castable(element: str | _Group) -> bool:
    if isinstance(element, str):
        return element != "" and not element.startswith("ARRAY[")
    return element.elements != ()
