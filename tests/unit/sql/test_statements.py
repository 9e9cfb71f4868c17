"""What statements mean for transactions, and which index a concurrent statement is about."""

from __future__ import annotations

import pytest

from dbmigrate.model import StatementKind
from dbmigrate.sql.statements import (
    IndexAction,
    IndexOperation,
    IndexTarget,
    classify,
    first_word,
    index_operation,
    is_bare,
    label,
    releases_slot,
    sets_session,
)

OUTSIDE = (
    "CREATE INDEX CONCURRENTLY i ON t (a);",
    "create unique index concurrently if not exists i on t (a)",
    "CREATE /* CONCURRENTLY */ INDEX CONCURRENTLY ON t (a);",
    "DROP INDEX CONCURRENTLY i;",
    "DROP INDEX CONCURRENTLY IF EXISTS s.i;",
    "REINDEX INDEX CONCURRENTLY i;",
    "REINDEX TABLE CONCURRENTLY t;",
    "REINDEX (CONCURRENTLY) TABLE t;",
    "REINDEX (VERBOSE, CONCURRENTLY true, TABLESPACE x) INDEX i;",
    "REINDEX SCHEMA s;",
    "REINDEX (VERBOSE) DATABASE d;",
    "REINDEX SYSTEM d;",
    "VACUUM;",
    "vacuum (full, analyze) t;",
    "CLUSTER;",
    "CLUSTER VERBOSE;",
    "CLUSTER (VERBOSE)",
    "REPACK;",
    "REPACK (CONCURRENTLY) t;",
    "CREATE DATABASE d;",
    "DROP DATABASE IF EXISTS d WITH (FORCE);",
    'ALTER DATABASE "SET" SET TABLESPACE x;',
    "CREATE TABLESPACE x LOCATION '/x';",
    "DROP TABLESPACE x;",
    "ALTER SYSTEM SET work_mem = '1GB';",
    "ALTER TABLE t DETACH PARTITION p CONCURRENTLY;",
    "ALTER TABLE IF EXISTS ONLY db.s.t DETACH PARTITION s.p CONCURRENTLY",
    "DISCARD ALL;",
    "COMMIT PREPARED 'x';",
    "ROLLBACK PREPARED 'x';",
    "CREATE SUBSCRIPTION s CONNECTION 'c' PUBLICATION p;",
    "CREATE SUBSCRIPTION s CONNECTION 'c' PUBLICATION p WITH (enabled = false);",
    "CREATE SUBSCRIPTION s CONNECTION 'c' PUBLICATION p WITH (connect, create_slot = on);",
    "DROP SUBSCRIPTION s;",
    "ALTER SUBSCRIPTION s REFRESH PUBLICATION;",
    "ALTER SUBSCRIPTION s SET PUBLICATION p;",
    "ALTER SUBSCRIPTION s ADD PUBLICATION p WITH (copy_data = false);",
    "ALTER SUBSCRIPTION s DROP PUBLICATION p WITH (refresh = true);",
    "ALTER SUBSCRIPTION s SET (failover = true);",
    "ALTER SUBSCRIPTION s SET (two_phase = false);",
    "DO $$ BEGIN COMMIT; END $$;",
    "DO $x$ BEGIN IF true THEN ROLLBACK; END IF; END $x$ LANGUAGE plpgsql;",
    "DO LANGUAGE 'plpgsql' $$ BEGIN LOOP COMMIT AND CHAIN; END LOOP; END $$;",
    "DO 'BEGIN RAISE NOTICE ''x''; commit; END';",
    "DO E'BEGIN\\n  COMMIT;\\nEND';",
    "DO $$ <<a>> DECLARE x int; BEGIN x := 1; /* now */ COMMIT /* here */ ; END $$;",
)
PLAIN = (
    "CREATE INDEX i ON t (a);",
    'CREATE INDEX "CONCURRENTLY" ON t (a);',
    "CREATE INDEX i ON concurrently (a);",
    "CREATE TABLE database (vacuum int);",
    "DROP INDEX i, j;",
    "REINDEX TABLE t;",
    "REINDEX (CONCURRENTLY false) TABLE t;",
    "REINDEX (CONCURRENTLY 0) TABLE t;",
    'REINDEX TABLE "schema";',
    "CLUSTER t USING i;",
    "CLUSTER (VERBOSE) t;",
    "ALTER DATABASE d SET work_mem = '1GB';",
    "ALTER TABLE t DETACH PARTITION p;",
    "ALTER TABLE t DETACH PARTITION p FINALIZE;",
    'ALTER TABLE t DETACH PARTITION "CONCURRENTLY";',
    "ALTER TABLE t ADD COLUMN detach int;",
    "ALTER TYPE e ADD VALUE 'x';",
    "REFRESH MATERIALIZED VIEW CONCURRENTLY v;",
    "DISCARD PLANS;",
    "CREATE SUBSCRIPTION s CONNECTION 'c' PUBLICATION p WITH (connect = false);",
    "CREATE SUBSCRIPTION s CONNECTION 'c' PUBLICATION p WITH (slot_name = NONE, create_slot = 'off', enabled = false);",
    "ALTER SUBSCRIPTION s SET PUBLICATION p WITH (refresh = false);",
    "ALTER SUBSCRIPTION s DISABLE;",
    "ALTER SUBSCRIPTION s SET (slot_name = NONE);",
    "SAVEPOINT a;",
    "RELEASE SAVEPOINT a;",
    "ROLLBACK TO a;",
    "ROLLBACK WORK TO SAVEPOINT a;",
    "PREPARE transaction AS SELECT 1;",
    "PREPARE transaction (int) AS SELECT 1;",
    "SELECT 'COMMIT; VACUUM;';",
    '"vacuum"',
    "(SELECT 1);",
    "",
    "CALL p();",
    "EXPLAIN VACUUM;",
    "DO $$ BEGIN NULL; -- COMMIT;\n END $$;",
    "DO $$ BEGIN RAISE NOTICE 'x; COMMIT;'; /* ; COMMIT; */ END $$;",
    "DO $$ BEGIN SELECT commit FROM t; INSERT INTO commit VALUES (1); x.commit := 1; END $$;",
    "DO $$ BEGIN commit := 1; RAISE NOTICE '%', commit; END $$;",
    "DO $$ BEGIN PERFORM $q$; COMMIT; $q$; END $$;",
    "DO LANGUAGE plpython3u $$ ; COMMIT; $$;",
    "DO $$ BEGIN ; COMMIT; it's not closed $$;",
    "DO",
)


@pytest.mark.parametrize("sql", OUTSIDE)
def test_what_the_server_refuses_in_a_transaction_is_outside(sql: str):
    assert classify(sql) is StatementKind.OUTSIDE


@pytest.mark.parametrize("sql", PLAIN)
def test_what_may_run_in_a_transaction_is_plain(sql: str):
    assert classify(sql) is StatementKind.PLAIN


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("BEGIN;", StatementKind.BEGIN),
        ("begin isolation level serializable", StatementKind.BEGIN),
        ("START TRANSACTION READ ONLY;", StatementKind.BEGIN),
        ("COMMIT;", StatementKind.COMMIT),
        ("COMMIT AND CHAIN;", StatementKind.COMMIT),
        ("end work", StatementKind.COMMIT),
        ("ROLLBACK;", StatementKind.ROLLBACK),
        ("ROLLBACK /* TO */ AND NO CHAIN;", StatementKind.ROLLBACK),
        ("ABORT;", StatementKind.ROLLBACK),
        ("PREPARE TRANSACTION 'x';", StatementKind.TWO_PHASE),
    ],
)
def test_transaction_control_is_told_apart(sql: str, kind: StatementKind):
    assert classify(sql) is kind


@pytest.mark.parametrize(
    "sql", ["BEGIN", "begin work;", "BEGIN /* x */ TRANSACTION;", "START TRANSACTION", "END;", "COMMIT AND NO CHAIN"]
)
def test_bare_ones_have_no_options(sql: str):
    assert is_bare(sql)


@pytest.mark.parametrize(
    "sql", ["BEGIN READ ONLY", "START TRANSACTION ISOLATION LEVEL SERIALIZABLE", "COMMIT AND CHAIN;"]
)
def test_options_are_not_bare(sql: str):
    assert not is_bare(sql)


@pytest.mark.parametrize(
    ("sql", "word"), [("select 1", "SELECT"), ('"x" 1', ""), ("(SELECT 1)", ""), ("énd", ""), ("endé", ""), ("a$b", "")]
)
def test_the_first_word_is_a_whole_unquoted_word(sql: str, word: str):
    assert first_word(sql) == word


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("create unique index concurrently i on t (a)", "CREATE UNIQUE INDEX CONCURRENTLY"),
        ("VACUUM t;", "VACUUM"),
        ("ALTER TABLE t DETACH PARTITION p CONCURRENTLY", "ALTER TABLE ... DETACH PARTITION CONCURRENTLY"),
        ("COMMIT AND CHAIN;", "COMMIT AND CHAIN"),
        ("DO $$ BEGIN COMMIT; END $$", "DO with a COMMIT or ROLLBACK in its body"),
    ],
)
def test_a_label_leaves_the_names_out(sql: str, said: str):
    assert label(sql) == said


@pytest.mark.parametrize(
    "sql",
    [
        "SET search_path = app;",
        "set role owner",
        "SET SESSION AUTHORIZATION x;",
        "RESET ALL;",
        "SELECT pg_catalog.set_config('search_path', '', false);",
        "select set_config('a.b', 'x', false)",
    ],
)
def test_settings_of_the_session_are_recognised(sql: str):
    assert sets_session(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "SET LOCAL search_path = app;",
        "SET TRANSACTION READ ONLY;",
        "SET CONSTRAINTS ALL DEFERRED;",
        "SET",
        "SELECT set_config('a.b', f(), false);",
        "SELECT set_config('a.b', 'x', false), f();",
        "SELECT 1;",
        "UPDATE t SET a = 1;",
    ],
)
def test_other_statements_set_nothing_in_the_session(sql: str):
    assert not sets_session(sql)


def test_a_subscription_can_let_go_of_its_slot():
    assert releases_slot("alter subscription s set (slot_name = none);")
    assert not releases_slot("ALTER SUBSCRIPTION s SET (slot_name = 'x');")
    assert not releases_slot("ALTER TABLE s SET (slot_name = NONE);")


def create(name: str | None, table: str, schema: str | None = None, **more: bool) -> IndexOperation:
    return IndexOperation(IndexAction.CREATE, IndexTarget.INDEX, schema, name, table, **more)


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("CREATE INDEX CONCURRENTLY I ON T (a);", create("i", "t")),
        (
            "create unique index concurrently if not exists i on only s.t (a)",
            create("i", "t", "s", is_unique=True, is_lenient=True),
        ),
        ('CREATE INDEX CONCURRENTLY "I""x" ON "S"."T" (a);', create('I"x', "T", "S")),
        ("CREATE INDEX CONCURRENTLY ON db.s.t (a);", create(None, "t", "s")),
        ("CREATE INDEX CONCURRENTLY ÄB ON Straße (a);", create("Äb", "straße")),
        (f"CREATE INDEX CONCURRENTLY {'i' * 70} ON t (a);", create("i" * 63, "t")),
        (f"CREATE INDEX CONCURRENTLY {'é' * 40} ON t (a);", create("é" * 31, "t")),
        ("DROP INDEX CONCURRENTLY I;", IndexOperation(IndexAction.DROP, IndexTarget.INDEX, None, "i")),
        (
            'DROP INDEX CONCURRENTLY IF EXISTS "S".i CASCADE;',
            IndexOperation(IndexAction.DROP, IndexTarget.INDEX, "S", "i", is_lenient=True),
        ),
        ("REINDEX INDEX CONCURRENTLY s.i;", IndexOperation(IndexAction.REINDEX, IndexTarget.INDEX, "s", "i")),
        ("REINDEX (CONCURRENTLY) TABLE t;", IndexOperation(IndexAction.REINDEX, IndexTarget.TABLE, None, "t")),
        ("REINDEX SCHEMA CONCURRENTLY s;", IndexOperation(IndexAction.REINDEX, IndexTarget.SCHEMA, None, "s")),
        ("REINDEX DATABASE CONCURRENTLY;", IndexOperation(IndexAction.REINDEX, IndexTarget.DATABASE, None, None)),
    ],
)
def test_concurrent_index_operations_name_their_index(sql: str, expected: IndexOperation):
    assert index_operation(sql) == expected


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE INDEX i ON t (a);",
        "DROP INDEX i;",
        "REINDEX TABLE t;",
        "REINDEX (CONCURRENTLY off) TABLE t;",
        "CREATE TABLE t (a int);",
        "CREATE INDEX CONCURRENTLY",
        "CREATE INDEX CONCURRENTLY i",
        r'CREATE INDEX CONCURRENTLY U&"d\0061" ON t (a);',
        "SELECT 1;",
        "",
    ],
)
def test_what_is_no_concurrent_index_operation_or_not_understood_is_none(sql: str):
    assert index_operation(sql) is None
