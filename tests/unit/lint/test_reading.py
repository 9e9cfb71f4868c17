"""What the light grammar reads of a statement is what PostgreSQL's own parser reads: which tables, under which lock."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import postgast
import pytest

from dbmigrate.lint.selection import everything
from dbmigrate.lint.sql.columns import texts
from dbmigrate.lint.sql.grammar import shape_of
from dbmigrate.lint.sql.reading import read
from dbmigrate.lint.sql.shape import (
    AlterTable,
    Changes,
    ConstraintKind,
    CreateIndex,
    CreateTable,
    Drop,
    LockTables,
    Name,
    Shape,
    Truncate,
)
from dbmigrate.lint.sql.types import written
from dbmigrate.migrations import parser
from dbmigrate.model import StatementKind
from dbmigrate.sql import placed_words
from tests.support.lint_corpus import CORPUS
from tests.unit.lint.test_rules import BAD, BAD_OUTSIDE, GOOD, GOOD_OUTSIDE

Digest = tuple[Any, ...]

OWN = """
lock a, only b;
lock table only (a), s.b * in share mode nowait;
lock "A" in access share mode;
truncate t, only big;
truncate only a, only (b), c * restart identity cascade;
create table p partition of parent for values from (1) to (2) partition by list (b);
create table p partition of parent (id primary key, constraint k check (a > 0)) for values in ('x', 'partition');
create table p partition of parent default partition by hash (id);
create table p partition of s.parent for values with (modulus 4, remainder 0) partition by range (a, (b + 1));
create table t of ty (a with options primary key);
create table t of s.ty (a with options not null default 1, unique (a, b));
create table t of ty;
create table if not exists t (a timestamp with time zone not null, b numeric(3, 2) unique, like u including all);
create table t (a int, foreign key (a) references u on delete set null, exclude using gist (a with =)) inherits (u);
create unlogged table s.t (a int generated always as identity primary key, "B c" text[] default '{}'::text[]);
create temporary table t (check (a > 0)) partition by range (a);
create table t as select 1 as a;
create table t (a, b) as select 1, 2;
create materialized view m as select 1 as a;
create table t (a double precision collate "C" check (a > 0), b character varying(3) constraint u unique);
create table t (a int references u (b) on update set default match full, constraint n not null a);
create unique index concurrently if not exists i on only s.t using btree (a desc nulls last, b text_ops, (a + 1));
create index on t (a, lower(b), c) include (d) where a > 0;
create index i on t (lower(a));
alter table only s.t add column a int, drop b cascade, alter c type text using c::text, alter column d set not null;
alter table if exists t * add constraint x foreign key (a) references u (b) not valid, validate constraint y;
alter table t drop constraint if exists x cascade, add primary key using index i, disable trigger all;
alter table t enable row level security, force row level security, replica identity nothing;
alter table t attach partition s.p for values from (1) to (2);
alter table t detach partition p concurrently;
alter table t set logged, set tablespace fast, set (fillfactor = 70), owner to boss;
alter table t rename a to b;
alter table t rename to u;
alter table t set schema s;
alter table t rename constraint a to b;
update only s.t as x set (a, b) = (1, 2), c = default from u where x.a = u.a returning *;
update t * set a = 1;
delete from only t using u where t.a = u.a;
with w as (delete from a where b returning *), v as (update c set d = 1 returning *) insert into e select * from w;
with w as (select 1) update t set a = 1 where exists (select from w);
insert into t select * from u on conflict do nothing;
merge into only t using u on true when matched then delete;
drop table if exists a, s.b cascade;
drop index concurrently if exists s.i;
drop view v restrict;
drop trigger if exists g on s.t;
drop policy p on t;
drop materialized view m, n;
"""
_LOCKS = ("", "ACCESS SHARE", "ROW SHARE", "ROW EXCLUSIVE", "SHARE UPDATE EXCLUSIVE")
_STRONG_LOCKS = ("SHARE", "SHARE ROW EXCLUSIVE", "EXCLUSIVE", "ACCESS EXCLUSIVE")
_CONSTRAINTS = {
    "CONSTR_CHECK": ConstraintKind.CHECK,
    "CONSTR_UNIQUE": ConstraintKind.UNIQUE,
    "CONSTR_PRIMARY": ConstraintKind.PRIMARY,
    "CONSTR_EXCLUSION": ConstraintKind.EXCLUDE,
    "CONSTR_FOREIGN": ConstraintKind.FOREIGN,
    "CONSTR_NOTNULL": ConstraintKind.NOT_NULL,
}
_ACTIONS = {
    "AT_AddColumn": "add column",
    "AT_DropColumn": "drop column",
    "AT_AlterColumnType": "set type",
    "AT_SetNotNull": "set not null",
    "AT_DropNotNull": "drop not null",
    "AT_AddIdentity": "add identity",
    "AT_AddConstraint": "add constraint",
    "AT_DropConstraint": "drop constraint",
    "AT_ValidateConstraint": "validate constraint",
    "AT_AttachPartition": "attach partition",
    "AT_DetachPartition": "detach partition",
    "AT_SetLogged": "rewrite",
    "AT_SetUnLogged": "rewrite",
    "AT_SetAccessMethod": "rewrite",
    "AT_SetTableSpace": "move",
}
_DROPPED = {
    "OBJECT_TABLE": "TABLE",
    "OBJECT_INDEX": "INDEX",
    "OBJECT_VIEW": "VIEW",
    "OBJECT_MATVIEW": "MATERIALIZED VIEW",
    "OBJECT_FOREIGN_TABLE": "FOREIGN TABLE",
    "OBJECT_SEQUENCE": "SEQUENCE",
}


def corpus() -> Iterator[str]:
    """Every statement of the corpus, and of the tests of the rules."""
    for directory in (CORPUS, CORPUS / "safe", CORPUS / "dangerous"):
        for migration in everything([str(directory)]).migrations:
            for section in migration.sections:
                for statement in parser.statements(migration, section):
                    if statement.kind is not StatementKind.META:
                        yield statement.sql
    yield from (sql for _, sql in (*BAD, *BAD_OUTSIDE))
    yield from (*GOOD, *GOOD_OUTSIDE)
    yield from OWN.strip().splitlines()


def parsed(sql: str) -> Iterator[tuple[str, Any]]:
    """Each statement in `sql` from its first word on, with the node that PostgreSQL's parser makes of it."""
    try:
        statements = postgast.parse(sql).stmts
    except postgast.PgQueryError:
        return  # what is refused has no tables
    encoded = sql.encode()
    for each in statements:
        end = each.stmt_location + each.stmt_len if each.stmt_len else len(encoded)
        text = encoded[each.stmt_location : end].decode()
        first = next(iter(placed_words(text)))
        yield text[first.start :], each.stmt


STATEMENTS = [pair for sql in dict.fromkeys(corpus()) for pair in parsed(sql)]


# ------------------------------------------------------------------------------------------------------------- theirs


def _relation(node: Any) -> tuple[str, str]:
    return node.schemaname, node.relname


def _strings(nodes: Any) -> tuple[str, ...]:
    return tuple(node.string.sval for node in nodes)


def theirs(statement: Any) -> Digest | None:
    """What PostgreSQL's parser says about a statement that the grammar knows."""
    kind = statement.WhichOneof("node")
    node = getattr(statement, kind)
    made = _THEIRS.get(kind)
    return made(node) if made else None


def _lock(node: Any) -> Digest:
    mode = (*_LOCKS, *_STRONG_LOCKS)[node.mode]
    return "lock", mode, [_relation(each.range_var) for each in node.relations]


def _truncate(node: Any) -> Digest:
    return "truncate", _enum(node, "behavior") == "DROP_CASCADE", [_relation(each.range_var) for each in node.relations]


def _enum(node: Any, name: str) -> str:
    return str(node.DESCRIPTOR.fields_by_name[name].enum_type.values_by_number[getattr(node, name)].name)


def _constraints(nodes: Any) -> list[Any]:
    kinds = [_CONSTRAINTS.get(_enum(each.constraint, "contype")) for each in nodes]
    return [kind for kind in kinds if kind]


def _create(node: Any) -> Digest:
    columns = [each.column_def for each in node.table_elts if each.WhichOneof("node") == "column_def"]
    others = [each for each in node.table_elts if each.WhichOneof("node") == "constraint"]
    is_partition = node.HasField("partbound")
    parent = _relation(node.inh_relations[0].range_var) if is_partition else None
    found = [(column.colname, sorted(kind.value for kind in _constraints(column.constraints))) for column in columns]
    own = sorted(kind.value for kind in _constraints(others))
    return "create", _relation(node.relation), found, own, parent, node.HasField("partspec")


def _create_as(node: Any) -> Digest:
    return "create", _relation(node.into.rel), [], [], None, False


def _index(node: Any) -> Digest:
    columns = []
    for each in node.index_params:
        if not each.index_elem.name:
            break
        columns.append(each.index_elem.name)
    return "index", _relation(node.relation), node.unique, node.concurrent, bool(node.HasField("where_clause")), columns


def _alter(node: Any) -> Digest | None:
    if _enum(node, "objtype") not in ("OBJECT_TABLE", "OBJECT_VIEW", "OBJECT_MATVIEW", "OBJECT_FOREIGN_TABLE"):
        return None
    kinds = [_enum(each.alter_table_cmd, "subtype") for each in node.cmds]
    return "alter", _relation(node.relation), [_ACTIONS.get(kind, "other") for kind in kinds]


def _rename(node: Any) -> Digest | None:
    what = _enum(node, "rename_type")
    kinds = {"OBJECT_TABLE": "rename", "OBJECT_COLUMN": "rename column", "OBJECT_TABCONSTRAINT": "other"}
    return ("alter", _relation(node.relation), [kinds[what]]) if what in kinds else None


def _set_schema(node: Any) -> Digest | None:
    return ("alter", _relation(node.relation), ["set schema"]) if _enum(node, "object_type") == "OBJECT_TABLE" else None


def _drop(node: Any) -> Digest | None:
    kind = _DROPPED.get(_enum(node, "remove_type"))
    if kind is None:
        return None
    names = [_strings(each.list.items) for each in node.objects]
    pairs = [(name[-2] if len(name) > 1 else "", name[-1]) for name in names]
    return "drop", kind, pairs, _enum(node, "behavior") == "DROP_CASCADE", node.concurrent


def _change(node: Any) -> Digest:
    return "change", sorted(_changes(node))


def _changes(node: Any) -> Iterator[tuple[str, tuple[str, str]]]:
    """This change, and those in WITH."""
    verb = node.DESCRIPTOR.name.removesuffix("Stmt").upper()
    if verb != "SELECT":
        yield verb, _relation(node.relation)
    for each in node.with_clause.ctes:
        query = each.common_table_expr.ctequery
        inner = query.WhichOneof("node")
        yield from _changes(getattr(query, inner))


def _select(node: Any) -> Digest | None:
    found = sorted(_changes(node))
    return ("change", found) if found else None


_THEIRS = {
    "lock_stmt": _lock,
    "truncate_stmt": _truncate,
    "create_stmt": _create,
    "create_table_as_stmt": _create_as,
    "index_stmt": _index,
    "alter_table_stmt": _alter,
    "rename_stmt": _rename,
    "alter_object_schema_stmt": _set_schema,
    "drop_stmt": _drop,
    "insert_stmt": _change,
    "update_stmt": _change,
    "delete_stmt": _change,
    "merge_stmt": _change,
    "select_stmt": _select,
}


# --------------------------------------------------------------------------------------------------------------- ours


def _pair(name: Name) -> tuple[str, str]:
    """The server cuts a name, and the linter does not: L155 tells that."""
    return name.schema or "", name.name.encode()[:63].decode(errors="ignore")


def ours(shape: Shape) -> Digest | None:
    match shape:
        case LockTables(tables=tables, mode=mode):
            return "lock", mode, [_pair(name) for name in tables]
        case Truncate(tables=tables, cascades=cascades):
            return "truncate", cascades, [_pair(name) for name in tables]
        case CreateTable(table=table, partition_of=parent):
            columns = [(each.name, sorted(own.kind.value for own in each.constraints)) for each in shape.columns]
            own = sorted(each.kind.value for each in shape.constraints)
            return "create", _pair(table), columns, own, _pair(parent) if parent else None, shape.is_partitioned
        case CreateIndex(table=table):
            plain = list(shape.columns)
            return "index", _pair(table), shape.is_unique, shape.is_concurrent, shape.is_partial, plain
        case AlterTable(table=table, actions=actions):
            return "alter", _pair(table), [action.kind.value for action in actions]
        case Drop(kind=kind) if kind in _DROPPED.values():
            return "drop", kind, [_pair(name) for name in shape.names], shape.cascades, shape.is_concurrent
        case Changes(changes=changes):
            return "change", sorted((each.verb.value, _pair(each.table)) for each in changes)
        case _:
            return None


@pytest.mark.parametrize(("sql", "node"), STATEMENTS, ids=[sql[:60] for sql, _ in STATEMENTS])
def test_a_statement_is_read_as_the_server_reads_it(sql: str, node: Any) -> None:
    expected = theirs(node)

    assert expected is None or ours(shape_of(sql)) == expected


def test_every_kind_of_statement_is_compared() -> None:
    compared = [digest[0] for _, node in STATEMENTS if (digest := theirs(node))]

    assert {kind: compared.count(kind) > 4 for kind in set(compared)} == dict.fromkeys(
        ("lock", "truncate", "create", "index", "alter", "drop", "change"), True
    )


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("varchar( 500 )", "varchar(500)"),
        ("NUMERIC (12,2)", "numeric(12, 2)"),
        ("timestamp ( 3 ) with time zone", "timestamp(3) with time zone"),
        ('app . "Mood" [ ]', 'app."Mood"[]'),
        ("double precision", "double precision"),
    ],
)
def test_a_type_is_written_as_people_write_it(sql: str, expected: str) -> None:
    assert written(texts(read(sql).words)) == expected
