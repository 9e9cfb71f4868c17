"""What squawk's rules mean, and how dbmigrate treats them. https://squawkhq.com/docs/rules

squawk gets new rules with every version; one that is not in the list is reported as a warning.
"""

from __future__ import annotations

from enum import Enum

from dbmigrate.frozen import frozen

__all__ = ["SQUAWK_RULES", "SquawkRule", "Treatment", "link"]


class Treatment(Enum):
    """How a rule is treated."""

    WARNING = "reported as a warning"
    NOTE = "reported as a note"
    OPTIONAL = "a matter of taste: a note, if the configuration enables it"
    REPLACED = "not run: dbmigrate's own rule knows more"
    RUNNER = "not run: dbmigrate handles it"
    OPT_IN = "off in squawk; reported as a warning if squawk's configuration enables it"


@frozen
class SquawkRule:
    name: str
    meaning: str
    treatment: Treatment


_W, _N, _O, _R, _X, _I = (
    Treatment.WARNING,
    Treatment.NOTE,
    Treatment.OPTIONAL,
    Treatment.REPLACED,
    Treatment.RUNNER,
    Treatment.OPT_IN,
)
_TABLE: tuple[tuple[str, Treatment, str], ...] = (
    ("adding-field-with-default", _R, "a new column whose default makes PostgreSQL rewrite the whole table"),
    ("adding-foreign-key-constraint", _R, "a foreign key that is checked while both tables are locked"),
    ("adding-not-nullable-field", _R, "SET NOT NULL, which reads the whole table"),
    ("adding-required-field", _R, "a new NOT NULL column without a default"),
    ("adding-serial-primary-key-field", _R, "a new serial primary key, which rewrites the whole table"),
    ("ban-add-column", _I, "a column is added"),
    ("ban-add-composite-attribute", _I, "a composite type gets an attribute, which changes the values clients receive"),
    ("ban-add-enum-value", _I, "an enum gets a value that old clients may not know"),
    ("ban-alter-database-options", _I, "settings of the database are changed"),
    ("ban-alter-domain-with-add-constraint", _W, "a constraint on a domain reads every table that uses the domain"),
    ("ban-alter-extension", _I, "an extension is changed"),
    ("ban-alter-function-options", _I, "options of a function are changed"),
    ("ban-alter-generated-expression", _I, "the expression of a generated column is changed"),
    ("ban-alter-identity", _N, "an identity column is changed"),
    ("ban-alter-policy-condition", _I, "the condition of a policy is changed"),
    ("ban-alter-policy-roles", _I, "the roles of a policy are changed"),
    ("ban-alter-role-options", _I, "options of a role are changed"),
    ("ban-alter-row-level-security", _I, "row level security is enabled or disabled"),
    ("ban-alter-sequence-values", _I, "a sequence is set"),
    ("ban-alter-system-options", _I, "settings of the server are changed"),
    ("ban-alter-view-options", _I, "options of a view are changed"),
    ("ban-char-field", _O, "char(n) pads with blanks; text does not"),
    ("ban-concurrent-index-creation-in-transaction", _X, "CREATE INDEX CONCURRENTLY in a transaction: E220"),
    ("ban-create-domain-with-constraint", _N, "a domain with a constraint, which is hard to change later"),
    ("ban-create-policy", _I, "a policy is created"),
    ("ban-detach-inheritance", _I, "a table leaves its parent"),
    ("ban-disable-trigger", _I, "a trigger is disabled"),
    ("ban-drop-column", _R, "a column is dropped"),
    ("ban-drop-constraint", _N, "a constraint is dropped, and with it what clients relied on"),
    ("ban-drop-database", _R, "a database is dropped"),
    ("ban-drop-default", _N, "a default is dropped: INSERTs that relied on it change"),
    ("ban-drop-domain", _R, "a domain is dropped"),
    ("ban-drop-extension", _R, "an extension is dropped"),
    ("ban-drop-function", _R, "a function is dropped"),
    ("ban-drop-generated-expression", _N, "a generated column becomes an ordinary one"),
    ("ban-drop-index", _I, "an index is dropped"),
    ("ban-drop-not-null", _N, "a column may be NULL now: clients have to expect it"),
    ("ban-drop-policy", _I, "a policy is dropped"),
    ("ban-drop-schema", _R, "a schema is dropped"),
    ("ban-drop-sequence", _R, "a sequence is dropped"),
    ("ban-drop-table", _R, "a table is dropped"),
    ("ban-drop-trigger", _I, "a trigger is dropped"),
    ("ban-drop-type", _R, "a type is dropped"),
    ("ban-drop-view", _R, "a view is dropped"),
    ("ban-duplicate-column-assignments", _W, "UPDATE sets a column twice"),
    ("ban-new-write-restriction", _I, "writes that were possible are refused"),
    ("ban-replace-view-function", _I, "a view or function is replaced"),
    ("ban-replica-identity", _I, "the replica identity is changed"),
    ("ban-revoke", _I, "rights are taken away"),
    ("ban-set-default", _I, "a default is changed"),
    ("ban-set-schema", _R, "an object is moved to another schema"),
    ("ban-truncate-cascade", _R, "TRUNCATE CASCADE"),
    ("ban-uncommitted-transaction", _X, "a BEGIN without COMMIT: E219"),
    ("changing-column-type", _R, "a column's type is changed"),
    ("constraint-missing-not-valid", _R, "a constraint that is checked while the table is locked"),
    ("disallowed-unique-constraint", _R, "a UNIQUE constraint that builds its index under a lock"),
    ("identifier-too-long", _R, "a name of more than 63 bytes"),
    ("prefer-bigint-over-int", _O, "an integer key runs out at about 2.1 billion"),
    ("prefer-bigint-over-smallint", _O, "a smallint runs out at 32,767"),
    ("prefer-identity", _O, "identity columns have fewer traps than serial"),
    ("prefer-repack", _R, "VACUUM FULL and CLUSTER lock the table; pg_repack does not"),
    ("prefer-robust-stmts", _R, "IF EXISTS and IF NOT EXISTS everywhere"),
    ("prefer-text-field", _O, "text with a CHECK is easier to change than varchar(n)"),
    ("prefer-timestamp-tz", _O, "timestamptz is a point in time, timestamp is not"),
    ("renaming-column", _R, "a column is renamed"),
    ("renaming-object", _R, "an object is renamed"),
    ("renaming-table", _R, "a table is renamed"),
    ("require-concurrent-index-creation", _R, "CREATE INDEX without CONCURRENTLY"),
    ("require-concurrent-index-deletion", _R, "DROP INDEX without CONCURRENTLY"),
    ("require-concurrent-partition-detach", _R, "DETACH PARTITION without CONCURRENTLY"),
    ("require-concurrent-reindex", _R, "REINDEX without CONCURRENTLY"),
    ("require-enum-value-ordering", _O, "ADD VALUE without BEFORE or AFTER puts the value last"),
    ("require-lock-timeout", _X, "no lock_timeout: every run has one"),
    ("require-statement-timeout", _X, "no statement_timeout: --timeout sets it"),
    ("require-table-schema", _I, "a table without its schema"),
    ("require-timeout-settings", _X, "no timeouts: every run has them"),
    (
        "syntax-error",
        _N,
        "squawk cannot parse the statement, though PostgreSQL may: reported once for each statement",
    ),
    ("transaction-nesting", _X, "BEGIN in a transaction: W201, E219"),
    ("unused-ignore", _X, "a squawk-ignore comment that suppresses nothing"),
)

SQUAWK_RULES: dict[str, SquawkRule] = {name: SquawkRule(name, meaning, how) for name, how, meaning in _TABLE}


def link(name: str) -> str:
    """Where squawk documents a rule."""
    return f"https://squawkhq.com/docs/{name}"
