"""A linter for migrations: it reads what a migration would block, break or lose from its text, without a database.

`lint` runs dbmigrate's own rules (`registry`) and, where it is installed, squawk. A rule is a function (see `rule`)
that gets a statement's shape and what earlier migrations have created, and yields findings. `sql.grammar` makes the
shapes from the tokens of dbmigrate's lexer. Nothing searches raw SQL: comments, strings and quoted bodies are what they
are to PostgreSQL.
"""

from __future__ import annotations

from dbmigrate.lint.config import LintConfig
from dbmigrate.lint.engine import lint
from dbmigrate.lint.registry import RULES
from dbmigrate.lint.rule import Rule
from dbmigrate.lint.squawk import UNREAD

__all__ = ["RULES", "UNREAD", "LintConfig", "Rule", "lint"]
