"""A linter for migrations: what a migration will do to those who use the tables, told from its text alone.

`lint` asks our own rules (`registry`) and, where it is installed, squawk. A rule is a function from a statement's
shape, and what earlier migrations have made, to findings. `grammar` makes the shapes from the words of the project's
own lexer; nothing is searched in raw SQL: comments, strings and quoted bodies mean what they mean to PostgreSQL.
"""

from __future__ import annotations

from dbmigrate.lint.config import LintConfig
from dbmigrate.lint.engine import lint
from dbmigrate.lint.registry import RULES
from dbmigrate.lint.rule import Rule
from dbmigrate.lint.squawk import UNREAD

__all__ = ["RULES", "UNREAD", "LintConfig", "Rule", "lint"]
