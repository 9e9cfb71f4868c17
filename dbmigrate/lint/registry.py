"""Every rule, declared once: its code, its name, how bad it is, what finds it, and which rules of squawk it replaces.

The page of a rule is the section of its code in ``pages/*.md``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dbmigrate.lint.rules import (
    breaking,
    conventions,
    files,
    locking,
    loops,
    losing,
    protecting,
    rewriting,
    security,
    traps,
)
from dbmigrate.model import Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dbmigrate.lint.context import Ending, File, Found, Seen, Unit

__all__ = ["RULES", "Rule"]

_MOST = 3
_NOTE, _WARNING, _ERROR = Severity.NOTE, Severity.WARNING, Severity.ERROR


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule. Exactly one of the last four finds it.

    `statement` is asked about every statement of the up sections. `lines` and `units` are asked about a whole file;
    what `lines` finds has a line instead of an offset. `ending` is asked once, about all files. `squawk` are the rules
    of squawk that ask the same: theirs are left out. An optional rule is on only where the configuration says so.
    """

    code: str
    name: str
    title: str
    severity: Severity
    squawk: tuple[str, ...] = ()
    is_optional: bool = False
    most: int | None = None
    statement: Callable[[Seen], Iterator[Found]] | None = None
    lines: Callable[[File], Iterator[Found]] | None = None
    units: Callable[[File], Iterator[tuple[Unit, Found]]] | None = None
    ending: Callable[[Ending], Iterator[tuple[File, Unit, Found]]] | None = None


_RULES = (
    # locks
    Rule(
        code="L100",
        name="reference-locks-parent",
        title="a new foreign key blocks writes while something slow follows",
        severity=_WARNING,
        statement=locking.reference_locks_parent,
    ),
    Rule(
        code="L101",
        name="index-blocks-writes",
        title="CREATE INDEX without CONCURRENTLY",
        severity=_WARNING,
        squawk=("require-concurrent-index-creation",),
        statement=locking.index_blocks_writes,
    ),
    Rule(
        code="L102",
        name="index-goes-under-lock",
        title="DROP INDEX or REINDEX without CONCURRENTLY",
        severity=_WARNING,
        squawk=("require-concurrent-index-deletion", "require-concurrent-reindex"),
        statement=locking.index_goes_under_lock,
    ),
    Rule(
        code="L103",
        name="constraint-builds-index",
        title="a constraint builds its index under an exclusive lock",
        severity=_WARNING,
        squawk=("disallowed-unique-constraint", "adding-serial-primary-key-field"),
        statement=locking.constraint_builds_index,
    ),
    Rule(
        code="L104",
        name="reference-reads-tables",
        title="a foreign key checks every row while writes wait",
        severity=_WARNING,
        squawk=("adding-foreign-key-constraint", "constraint-missing-not-valid"),
        statement=locking.reference_reads_tables,
    ),
    Rule(
        code="L105",
        name="check-reads-table",
        title="a CHECK constraint checks every row under an exclusive lock",
        severity=_WARNING,
        squawk=("constraint-missing-not-valid",),
        statement=locking.check_reads_table,
    ),
    Rule(
        code="L106",
        name="not-null-reads-table",
        title="SET NOT NULL reads the whole table under an exclusive lock",
        severity=_WARNING,
        squawk=("adding-not-nullable-field",),
        statement=locking.not_null_reads_table,
    ),
    Rule(
        code="L107",
        name="validate-in-same-transaction",
        title="NOT VALID and VALIDATE in one transaction",
        severity=_WARNING,
        squawk=("constraint-missing-not-valid",),
        statement=locking.validates_in_same_transaction,
    ),
    Rule(
        code="L108",
        name="lock-table",
        title="LOCK TABLE in a mode that blocks others",
        severity=_WARNING,
        units=locking.locks_table,
    ),
    Rule(
        code="L109",
        name="trigger-blocks-writes",
        title="CREATE TRIGGER on a table that is in use",
        severity=_NOTE,
        statement=locking.trigger_blocks_writes,
    ),
    # whole tables
    Rule(
        code="L111",
        name="column-fills-table",
        title="ADD COLUMN that writes the whole table anew",
        severity=_WARNING,
        squawk=("adding-field-with-default", "adding-serial-primary-key-field"),
        statement=rewriting.adds_filled_column,
    ),
    Rule(
        code="L112",
        name="type-change-rewrites",
        title="a change of type that writes or reads the whole table",
        severity=_WARNING,
        squawk=("changing-column-type",),
        statement=rewriting.changes_type,
    ),
    Rule(
        code="L113",
        name="table-is-copied",
        title="VACUUM FULL, CLUSTER, SET LOGGED or SET TABLESPACE",
        severity=_WARNING,
        squawk=("prefer-repack",),
        statement=rewriting.rewrites_table,
    ),
    Rule(
        code="L114",
        name="refresh-blocks-readers",
        title="REFRESH MATERIALIZED VIEW without CONCURRENTLY",
        severity=_WARNING,
        statement=rewriting.refreshes_view,
    ),
    Rule(
        code="L115",
        name="mixed-ddl-dml",
        title="changes of data and of the schema in one transaction",
        severity=_WARNING,
        statement=rewriting.changes_data_and_schema,
    ),
    Rule(
        code="L116",
        name="locks-many-tables",
        title="one transaction locks many tables",
        severity=_WARNING,
        statement=locking.locks_many_tables,
    ),
    # running code
    Rule(
        code="L121",
        name="drop-column",
        title="DROP COLUMN",
        severity=_WARNING,
        squawk=("ban-drop-column",),
        statement=breaking.drops_column,
    ),
    Rule(
        code="L122",
        name="drop-table",
        title="DROP TABLE",
        severity=_WARNING,
        squawk=("ban-drop-table",),
        statement=breaking.drops_table,
    ),
    Rule(
        code="L123",
        name="rename-column",
        title="a column is renamed",
        severity=_WARNING,
        squawk=("renaming-column",),
        statement=breaking.renames_column,
    ),
    Rule(
        code="L124",
        name="rename-table",
        title="a table or view is renamed",
        severity=_WARNING,
        squawk=("renaming-table",),
        statement=breaking.renames_table,
    ),
    Rule(
        code="L125",
        name="rename-object",
        title="a type, function, schema or value is renamed or moved",
        severity=_WARNING,
        most=_MOST,
        squawk=("renaming-object", "ban-set-schema"),
        statement=breaking.moves_object,
    ),
    Rule(
        code="L126",
        name="required-column",
        title="ADD COLUMN NOT NULL without a default",
        severity=_ERROR,
        squawk=("adding-required-field",),
        statement=breaking.requires_column,
    ),
    Rule(
        code="L127",
        name="drop-object",
        title="a view, function, type, sequence or schema is dropped",
        severity=_WARNING,
        squawk=(
            "ban-drop-database",
            "ban-drop-domain",
            "ban-drop-extension",
            "ban-drop-function",
            "ban-drop-schema",
            "ban-drop-sequence",
            "ban-drop-type",
            "ban-drop-view",
        ),
        statement=breaking.drops_object,
    ),
    Rule(
        code="L128",
        name="row-security",
        title="row level security is switched, or a policy dropped",
        severity=_WARNING,
        units=protecting.switches_row_security,
    ),
    Rule(code="L129", name="revoke", title="rights are taken away", severity=_WARNING, units=protecting.takes_rights),
    # data
    Rule(code="L131", name="delete-all", title="DELETE without WHERE", severity=_WARNING, statement=losing.deletes_all),
    Rule(code="L132", name="update-all", title="UPDATE without WHERE", severity=_WARNING, statement=losing.updates_all),
    Rule(
        code="L133",
        name="truncate",
        title="TRUNCATE",
        severity=_WARNING,
        squawk=("ban-truncate-cascade",),
        statement=losing.truncates,
    ),
    Rule(code="L134", name="cascade", title="DROP .. CASCADE", severity=_WARNING, statement=losing.cascades),
    Rule(
        code="L135",
        name="lossy-down",
        title="the down section does not bring the data back",
        severity=_WARNING,
        units=losing.rollback_loses,
    ),
    Rule(
        code="L136",
        name="trigger-off",
        title="a trigger is dropped or disabled",
        severity=_WARNING,
        units=protecting.switches_triggers_off,
    ),
    Rule(
        code="L137",
        name="key-dropped",
        title="a primary key or replica identity is dropped",
        severity=_WARNING,
        units=protecting.drops_key,
    ),
    # files
    Rule(code="L141", name="no-down", title="an empty down section", severity=_WARNING, lines=files.no_down),
    Rule(
        code="L142",
        name="down-only-comments",
        title="the SQL of the down section is commented out",
        severity=_WARNING,
        lines=files.down_is_commented_out,
    ),
    Rule(
        code="L143",
        name="vague-name",
        title="a file name that does not say what changes",
        severity=_NOTE,
        lines=files.name_is_vague,
    ),
    Rule(code="L144", name="many-changes", title="many changes in one file", severity=_NOTE, lines=files.many_changes),
    Rule(
        code="L145",
        name="session-setting",
        title="a setting of the session is left behind",
        severity=_WARNING,
        lines=files.setting_is_left,
    ),
    # PostgreSQL
    Rule(
        code="L151",
        name="update-limit",
        title="UPDATE or DELETE with LIMIT or ORDER BY",
        severity=_ERROR,
        statement=traps.limits_change,
    ),
    Rule(
        code="L152",
        name="enum-value-in-use",
        title="a new enum value is used in the transaction that adds it",
        severity=_ERROR,
        statement=traps.uses_new_enum_value,
    ),
    Rule(
        code="L153",
        name="index-may-be-invalid",
        title="CREATE INDEX CONCURRENTLY IF NOT EXISTS",
        severity=_WARNING,
        statement=traps.skips_invalid_index,
    ),
    Rule(
        code="L154",
        name="concurrently-refused",
        title="CONCURRENTLY where PostgreSQL refuses it",
        severity=_ERROR,
        statement=traps.concurrently_refused,
    ),
    Rule(
        code="L155",
        name="name-is-cut",
        title="a name of more than 63 bytes",
        severity=_WARNING,
        squawk=("identifier-too-long",),
        statement=traps.name_is_cut,
    ),
    Rule(
        code="L156",
        name="batches-in-one-transaction",
        title="a DO block with batches that are one transaction",
        severity=_WARNING,
        statement=loops.loops_in_one_transaction,
    ),
    Rule(
        code="L158",
        name="loop-never-ends",
        title="a loop that never ends",
        severity=_WARNING,
        statement=loops.never_ends,
    ),
    # security
    Rule(
        code="L161",
        name="secret",
        title="a password, key or token in the file",
        severity=_ERROR,
        statement=security.secret,
    ),
    Rule(
        code="L162",
        name="personal-data",
        title="personal data in the file",
        severity=_WARNING,
        statement=security.personal_data,
    ),
    Rule(
        code="L163",
        name="grant-all",
        title="more rights than are needed",
        severity=_WARNING,
        most=_MOST,
        statement=security.grants_much,
    ),
    Rule(
        code="L164",
        name="definer-without-path",
        title="SECURITY DEFINER without a search_path",
        severity=_WARNING,
        statement=security.definer_without_path,
    ),
    # habits
    Rule(
        code="L171",
        name="prefer-if-exists",
        title="a statement that fails when it is repeated",
        severity=_NOTE,
        squawk=("prefer-robust-stmts",),
        is_optional=True,
        statement=conventions.fails_when_repeated,
    ),
    Rule(
        code="L173",
        name="fk-without-index",
        title="a foreign key without an index",
        severity=_WARNING,
        most=_MOST,
        ending=conventions.reference_without_index,
    ),
    # partitions
    Rule(
        code="L181",
        name="attach-reads-partition",
        title="ATTACH PARTITION without a CHECK that proves the bounds",
        severity=_WARNING,
        statement=traps.attaches_unproven,
    ),
    Rule(
        code="L182",
        name="detach-blocks",
        title="DETACH PARTITION without CONCURRENTLY",
        severity=_WARNING,
        squawk=("require-concurrent-partition-detach",),
        statement=traps.detaches_blocking,
    ),
    Rule(
        code="L183",
        name="move-and-attach",
        title="rows are copied into a partition that is attached in the same transaction",
        severity=_WARNING,
        statement=traps.moves_and_attaches,
    ),
)

RULES: dict[str, Rule] = {rule.code: rule for rule in _RULES}
