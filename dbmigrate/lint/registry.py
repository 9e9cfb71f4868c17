"""All rules, by their codes: what the decorators of `rule` have made in the modules of ``rules/``.

The page of a rule is the section of its code in ``pages/FAMILY.md``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.lint.rule import Rule
from dbmigrate.lint.rules import (
    breaking,
    conventions,
    data_loss,
    files,
    locking,
    loops,
    numbering,
    protecting,
    repeatables,
    rewriting,
    security,
    traps,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["RULES"]

_FAMILIES = (
    locking,
    rewriting,
    breaking,
    protecting,
    data_loss,
    files,
    numbering,
    traps,
    loops,
    security,
    conventions,
    repeatables,
)


def _rules() -> Iterator[Rule]:
    for family in _FAMILIES:
        yield from (each for each in vars(family).values() if isinstance(each, Rule))


def _by_code() -> dict[str, Rule]:
    rules = sorted(_rules(), key=lambda rule: rule.code)
    codes = [rule.code for rule in rules]
    assert len(set(codes)) == len(codes), "two lint rules have the same code"
    return dict(zip(codes, rules, strict=True))


RULES: dict[str, Rule] = _by_code()
