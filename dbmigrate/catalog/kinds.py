"""What kinds of objects there are, what is compared of each, and how catalogs can differ."""

from __future__ import annotations

from enum import Flag, StrEnum, auto


class Kind(StrEnum):
    """What an object is, in words for people; the order is that of a listing."""

    SCHEMA = "schema"
    EXTENSION = "extension"
    TYPE = "type"
    ATTRIBUTE = "attribute"
    DOMAIN = "domain"
    SEQUENCE = "sequence"
    TABLE = "table"
    FOREIGN_TABLE = "foreign table"
    COLUMN = "column"
    COLUMN_ORDER = "column order"  # of differences only
    CONSTRAINT = "constraint"
    INDEX = "index"
    TRIGGER = "trigger"
    RULE = "rule"
    POLICY = "policy"
    STATISTICS = "statistics"
    VIEW = "view"
    MATERIALIZED_VIEW = "materialized view"
    FUNCTION = "function"
    PROCEDURE = "procedure"
    AGGREGATE = "aggregate"
    OPERATOR = "operator"
    OPERATOR_CLASS = "operator class"
    OPERATOR_FAMILY = "operator family"
    ACCESS_METHOD = "access method"
    CAST = "cast"
    COLLATION = "collation"
    CONVERSION = "conversion"
    LANGUAGE = "language"
    TRANSFORM = "transform"
    TEXT_SEARCH_CONFIGURATION = "text search configuration"
    TEXT_SEARCH_DICTIONARY = "text search dictionary"
    TEXT_SEARCH_PARSER = "text search parser"
    TEXT_SEARCH_TEMPLATE = "text search template"
    FOREIGN_DATA_WRAPPER = "foreign data wrapper"
    SERVER = "server"
    USER_MAPPING = "user mapping"
    EVENT_TRIGGER = "event trigger"
    PUBLICATION = "publication"
    PUBLICATION_MEMBER = "publication member"
    SUBSCRIPTION = "subscription"
    DEFAULT_PRIVILEGE = "default privilege"
    OWNER = "owner"
    GRANT = "grant"
    COMMENT = "comment"
    SECURITY_LABEL = "security label"


# what is compared of an object of each kind, in the order of `Item.values`; every other kind has a definition
DEFINITION = ("definition",)
ASPECTS: dict[Kind, tuple[str, ...]] = {
    Kind.SCHEMA: (),
    Kind.EXTENSION: ("schema", "version"),
    Kind.TYPE: ("form", "values", "definition"),
    Kind.ATTRIBUTE: ("type", "collation"),
    Kind.DOMAIN: ("type", "collation", "default", "nullability"),
    Kind.SEQUENCE: (
        "type",
        "start",
        "increment",
        "minimum",
        "maximum",
        "cache",
        "cycling",
        "persistence",
        "owning column",
    ),
    Kind.TABLE: (
        "persistence",
        "partition key",
        "partition bound",
        "inheritance",
        "row type",
        "storage options",
        "replica identity",
        "row level security",
        "forced row level security",
        "access method",
        "tablespace",
    ),
    Kind.FOREIGN_TABLE: ("server", "options", "inheritance", "partition bound"),
    Kind.COLUMN: (
        "type",
        "nullability",
        "default",
        "identity",
        "generation",
        "collation",
        "storage",
        "compression",
        "statistics target",
        "options",
    ),
    Kind.CONSTRAINT: ("definition", "triggers"),
    Kind.INDEX: (
        "definition",
        "validity",
        "clustering",
        "storage options",
        "tablespace",
        "statistics target",
        "partition attachment",
    ),
    Kind.TRIGGER: ("definition", "state"),
    Kind.RULE: ("definition", "state"),
    Kind.POLICY: ("command", "kind", "roles", "USING expression", "WITH CHECK expression"),
    Kind.STATISTICS: ("definition", "statistics target"),
    Kind.VIEW: ("definition", "options"),
    Kind.MATERIALIZED_VIEW: ("definition", "storage options", "access method", "tablespace"),
    Kind.EVENT_TRIGGER: ("definition", "state"),
    Kind.OPERATOR_FAMILY: ("members",),
    Kind.SECURITY_LABEL: ("text",),
    Kind.COMMENT: ("text",),
    Kind.OWNER: ("role",),
    Kind.GRANT: ("grant option", "statement"),
    Kind.DEFAULT_PRIVILEGE: ("grant option", "statement"),
    Kind.USER_MAPPING: (),
}


def aspects(kind: Kind) -> tuple[str, ...]:
    """The names of what `Item.values` holds for a kind."""
    return ASPECTS.get(kind, DEFINITION)


class Scope(Flag):
    """What counts in a comparison, beside the objects themselves."""

    COMMENTS = auto()
    GRANTS = auto()
    OWNERS = auto()
    SERVER = auto()  # what depends on the server: versions of extensions, tablespaces, user mappings

    # pg_dump --no-owner --no-privileges --no-tablespaces leaves no more than this
    SCHEMA_FILE = COMMENTS
    ALL = COMMENTS | GRANTS | OWNERS | SERVER


class Change(StrEnum):
    """How an object of the second catalog differs from that of the first one."""

    MISSING = "missing"
    EXTRA = "extra"
    CHANGED = "changed"
    MOVED = "moved"  # the same columns in another order
