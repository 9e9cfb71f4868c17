"""The patterns by their names."""

from __future__ import annotations

from dbmigrate.errors import ConfigError
from dbmigrate.patterns import identity, key_type, keys, renames, simple
from dbmigrate.patterns.values import Pattern

__all__ = ["PATTERNS", "pattern"]

_ALL = (
    Pattern("change-type", "TABLE COLUMN TYPE [USING] [BACK]", "the type of a column", key_type.plan),
    Pattern("rename-column", "TABLE COLUMN NEW", "a column gets another name", renames.rename_column),
    Pattern("rename-table", "TABLE NEW", "a table gets another name", renames.rename_table),
    Pattern("split-table", "TABLE NEW COLUMN ...", "columns move to a table of their own", renames.split_table),
    Pattern("drop-column", "TABLE COLUMN", "a column goes", renames.drop_column),
    Pattern("change-primary-key", "TABLE COLUMN ...", "another primary key", keys.change_primary_key),
    Pattern("serial-to-identity", "TABLE COLUMN", "a serial becomes an identity column", keys.serial_to_identity),
    Pattern("add-identity", "TABLE COLUMN [TYPE]", "an identity column", identity.add_identity),
    Pattern("add-not-null", "TABLE COLUMN [VALUE]", "every row has a value", simple.add_not_null),
    Pattern("add-foreign-key", "TABLE COLUMN PARENT [PARENT_COLUMN]", "a foreign key", simple.add_foreign_key),
    Pattern("add-unique", "TABLE COLUMN ...", "a unique constraint", simple.add_unique),
    Pattern("add-check", "TABLE CONDITION [NAME]", "a CHECK", simple.add_check),
    Pattern("add-enum-value", "TYPE VALUE [after|before] [VALUE]", "a value of an enum type", simple.add_enum_value),
    Pattern("attach-partition", "TABLE PARTITION BOUNDS", "a table becomes a partition", simple.attach),
    Pattern("index-partitioned", "TABLE COLUMN ...", "an index of a partitioned table", simple.index_partitioned),
)
PATTERNS: dict[str, Pattern] = {each.name: each for each in _ALL}


def pattern(name: str, arguments: int) -> Pattern:
    """The pattern of a name, if that many arguments fit. Raises ConfigError E200."""
    found = PATTERNS.get(name)
    if found is None:
        raise ConfigError(f"unknown pattern `{name}`", code="E200", hint=f"the patterns: {', '.join(PATTERNS)}")
    if arguments < found.least or (found.most is not None and arguments > found.most):
        raise ConfigError(
            f"--pattern {name} takes {found.usage}, and got {arguments} arguments",
            code="E200",
            hint=f"dbmigrate new --pattern {name} {found.usage}",
        )
    return found
