"""What a statement does, as much as the rules need: frozen values that `grammar` makes from its words.

An `at` is an offset in the statement's text. A statement that the grammar does not know is `Other`; rules ignore it.
"""

from __future__ import annotations

from enum import Enum

from dbmigrate.frozen import frozen

Words = tuple[str, ...]


@frozen
class Name:
    """The name of an object, folded and unquoted as the server does. `schema` None leaves it to search_path."""

    schema: str | None
    name: str
    at: int = 0

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}" if self.schema else self.name

    def means(self, other: Name) -> bool:
        """Whether two names may be of one object: a missing schema may be any."""
        return self.name == other.name and (None in (self.schema, other.schema) or self.schema == other.schema)


# ------------------------------------------------------------------------------------------- columns and constraints


class Generated(Enum):
    """Where a column's values come from."""

    NO = "given"
    STORED = "computed and stored"
    VIRTUAL = "computed when read"
    IDENTITY = "from a sequence of its own"


class ConstraintKind(Enum):
    CHECK = "CHECK"
    UNIQUE = "UNIQUE"
    PRIMARY = "PRIMARY KEY"
    EXCLUDE = "EXCLUDE"
    FOREIGN = "FOREIGN KEY"
    NOT_NULL = "NOT NULL"


@frozen
class Constraint:
    """A table constraint, or that of a column. `condition` are the words of CHECK."""

    kind: ConstraintKind
    at: int
    name: str | None = None
    columns: tuple[str, ...] = ()
    references: Name | None = None
    condition: Words = ()
    not_valid: bool = False
    using_index: str | None = None


@frozen
class Column:
    """A column that is added. `type` and `default` are words; no default is None, and so is DEFAULT NULL."""

    name: str
    at: int
    type: Words = ()
    default: Words | None = None
    generated: Generated = Generated.NO
    constraints: tuple[Constraint, ...] = ()

    def has(self, kind: ConstraintKind) -> bool:
        return any(constraint.kind is kind for constraint in self.constraints)


# --------------------------------------------------------------------------------------------------------- statements


@frozen
class Other:
    """A statement that no rule needs to know more about. `words` are its first ones."""

    words: Words = ()


@frozen
class CreateTable:
    """CREATE TABLE, also AS and LIKE; a materialized view is a table here."""

    table: Name
    columns: tuple[Column, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    partition_of: Name | None = None
    is_partitioned: bool = False
    is_lenient: bool = False


class ActionKind(Enum):
    """What a sub-command of ALTER TABLE does."""

    ADD_COLUMN = "add column"
    DROP_COLUMN = "drop column"
    RENAME_COLUMN = "rename column"
    SET_TYPE = "set type"
    SET_NOT_NULL = "set not null"
    DROP_NOT_NULL = "drop not null"
    ADD_IDENTITY = "add identity"
    ADD_CONSTRAINT = "add constraint"
    DROP_CONSTRAINT = "drop constraint"
    VALIDATE = "validate constraint"
    RENAME = "rename"
    SET_SCHEMA = "set schema"
    ATTACH = "attach partition"
    DETACH = "detach partition"
    REWRITE = "rewrite"  # SET LOGGED, SET UNLOGGED, SET ACCESS METHOD
    MOVE = "move"  # SET TABLESPACE
    OTHER = "other"


@frozen
class Action:
    """One sub-command. `name` is that of the column or constraint, `new_name` the one it gets."""

    kind: ActionKind
    at: int
    name: str = ""
    new_name: str = ""
    column: Column | None = None
    constraint: Constraint | None = None
    type: Words = ()
    has_using: bool = False
    partition: Name | None = None
    words: Words = ()
    is_lenient: bool = False

    @property
    def is_concurrent(self) -> bool:
        return "CONCURRENTLY" in self.words or "FINALIZE" in self.words


@frozen
class AlterTable:
    table: Name
    actions: tuple[Action, ...]


@frozen
class AlterObject:
    """ALTER of something else. `words` are what comes after the name."""

    kind: str
    name: Name
    words: Words = ()
    at: int = 0


@frozen
class CreateIndex:
    """`columns` are the leading plain ones; an expression ends them."""

    table: Name
    name: str | None = None
    columns: tuple[str, ...] = ()
    is_unique: bool = False
    is_concurrent: bool = False
    is_lenient: bool = False
    is_partial: bool = False
    is_only: bool = False
    is_plain: bool = True  # `columns` are all of its keys


@frozen
class Drop:
    """DROP of `names`, which are objects of one kind; `on` is the table of a trigger, policy or rule."""

    kind: str
    names: tuple[Name, ...]
    is_concurrent: bool = False
    is_lenient: bool = False
    cascades: bool = False
    on: Name | None = None


@frozen
class CreateObject:
    """CREATE of anything except a table, an index or a routine. `on` is the table of a trigger, policy or rule."""

    kind: str
    name: Name | None
    words: Words = ()
    on: Name | None = None
    is_lenient: bool = False


@frozen
class CreateRoutine:
    name: Name
    words: Words = ()
    returns_trigger: bool = False


@frozen
class EnumType:
    """CREATE TYPE .. AS ENUM"""

    name: Name
    values: tuple[str, ...] = ()


@frozen
class AddEnumValue:
    type: Name
    value: str
    at: int = 0
    is_lenient: bool = False


class Verb(Enum):
    INSERT = "INSERT"
    UPDATE = "UPDATE"
    DELETE = "DELETE"
    MERGE = "MERGE"


@frozen
class Change:
    """INSERT, UPDATE, DELETE or MERGE of a table's rows; `at` is where that word stands.

    `is_whole`: no WHERE says which rows. `limit_at` is the place of a LIMIT or ORDER BY, which PostgreSQL refuses.
    `sets` are the columns that UPDATE sets, `is_constant` says that it sets all of them to the same for every row.
    `values` are the words that they are set to, as far as each column has its own. `sources` are the tables that an
    INSERT .. SELECT reads.
    """

    verb: Verb
    table: Name
    at: int = 0
    is_whole: bool = False
    limit_at: int | None = None
    sets: tuple[str, ...] = ()
    is_constant: bool = False
    is_query: bool = False  # INSERT .. SELECT
    values: tuple[Words, ...] = ()
    sources: tuple[Name, ...] = ()


@frozen
class Changes:
    """A statement that changes rows; more than one change where WITH holds some."""

    changes: tuple[Change, ...]


@frozen
class Copy:
    """COPY table FROM"""

    table: Name


@frozen
class Truncate:
    tables: tuple[Name, ...]
    cascades: bool = False


@frozen
class LockTables:
    tables: tuple[Name, ...]
    mode: str = "ACCESS EXCLUSIVE"


@frozen
class Maintenance:
    """VACUUM, CLUSTER, REINDEX, REFRESH MATERIALIZED VIEW, ANALYZE; `target` is INDEX, TABLE, ..."""

    verb: str
    target: str = ""
    name: Name | None = None
    options: Words = ()
    is_concurrent: bool = False


@frozen
class Grant:
    """GRANT of rights on objects (`on` is a kind of object) or of membership (`on` is empty)."""

    rights: Words
    on: str = ""
    to: tuple[str, ...] = ()


@frozen
class Revoke:
    """REVOKE of rights on objects, or of membership (`on` is empty)."""

    rights: Words
    on: str = ""
    names: tuple[Name, ...] = ()
    of: tuple[str, ...] = ()


@frozen
class Role:
    """CREATE or ALTER ROLE, USER, GROUP."""

    name: str
    words: Words = ()


@frozen
class Block:
    """DO. `body` begins at the offset `at`; None where it is not dollar-quoted PL/pgSQL."""

    body: str | None
    at: int = 0


Shape = (
    Other
    | CreateTable
    | AlterTable
    | AlterObject
    | CreateIndex
    | Drop
    | CreateObject
    | CreateRoutine
    | EnumType
    | AddEnumValue
    | Changes
    | Copy
    | Truncate
    | LockTables
    | Maintenance
    | Grant
    | Revoke
    | Role
    | Block
)
