"""What the forms are given, and what they answer."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from dbmigrate.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dbmigrate.lint.fix.facts import Facts
    from dbmigrate.lint.fix.pieces import Piece
    from dbmigrate.lint.fix.writing import Writer
    from dbmigrate.lint.sql.shape import Shape

__all__ = ["Refusal", "Rewrite", "Sql", "Step", "Target", "code_at"]


@frozen
class Sql:
    """One statement, with its semicolon. `lead` are comments of its own lines, `tail` one on its last line."""

    text: str
    lead: tuple[str, ...] = ()
    tail: str = ""


@frozen
class Step:
    """What is one step of the new section: one statement, or several between BEGIN and COMMIT."""

    statements: tuple[Sql, ...]
    is_block: bool = False


@frozen
class Rewrite:
    """What takes the place of a statement.

    `main` is the number of the step that gets the statement's own comment. `needs_cut` says that the steps have to run
    one by one; without it the statement is only written otherwise. `codes` are those of the findings that it answers.
    `conditions` have to be true before the first step.
    """

    steps: tuple[Step, ...]
    codes: frozenset[str]
    main: int = 0
    needs_cut: bool = True
    conditions: tuple[str, ...] = ()


@frozen
class Refusal:
    """Why a statement is left as it is; `hint` says what else there is."""

    reason: str
    hint: str = ""


@frozen
class Target:
    """A statement that `lint` found something in.

    `found` are the findings: where in the statement, and their code. `before` is the scratch database before the file
    ran, `after` the one that the original has left. `server` is the oldest PostgreSQL that the file has to work on.
    `is_rare`: forms that need care with the order of locks are wanted too. `given` are the names that the server gave,
    by the statement's place and the offset of the action in it.
    """

    piece: Piece
    shape: Shape
    found: tuple[tuple[int, str], ...]
    before: Facts
    after: Facts
    write: Writer
    server: int
    given: Mapping[tuple[int, int], str] = field(default_factory=dict)
    is_rare: bool = False

    @property
    def codes(self) -> frozenset[str]:
        """All codes that were found in it."""
        return frozenset(code for _, code in self.found)


def code_at(target: Target, begin: int, end: int) -> frozenset[str]:
    """The codes of what was found between two offsets of the statement."""
    return frozenset(code for at, code in target.found if begin <= at < end)
