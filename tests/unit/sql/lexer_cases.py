"""Shapes of PostgreSQL's lexis, each with the statements that it consists of.

Used against our lexer in tests/unit and against the server's own parser in tests/db. A `Note` is a part of the source
that belongs to no statement: comments, blanks, empty statements.
"""

from __future__ import annotations

from dataclasses import dataclass


class Note(str):
    """Text between statements."""

    __slots__ = ()


@dataclass(frozen=True)
class Case:
    name: str
    parts: tuple[str, ...]
    since: int = 13  # the first major version whose grammar knows it

    @property
    def source(self) -> str:
        return "\n".join(self.parts)

    @property
    def statements(self) -> tuple[str, ...]:
        return tuple(part for part in self.parts if not isinstance(part, Note))


def case(name: str, *parts: str, since: int = 13) -> Case:
    return Case(name, parts, since)


NEXT = "SELECT 'next';"

STRINGS = (
    case("backslash at the end of a standard string", r"SELECT 'D:\data\';", "SELECT 'x;y';"),
    case("backslash before a quote in a standard string", r"SELECT '\', ';', '\';", NEXT),
    case("doubled quote", "SELECT 'it''s; here';", NEXT),
    case("many doubled quotes", "SELECT '''';", "SELECT ''''';''';", NEXT),
    case("empty string", "SELECT '', ';', '';", NEXT),
    case("string over several lines", "SELECT 'one;\ntwo;\r\nthree';", NEXT),
    case("continued string", "SELECT 'a\\'\n   ';b';", NEXT),
    case("continued string with a comment between", "SELECT 'a' -- it's; \n ';b';", NEXT),
    case("escape string with an escaped backslash", r"SELECT E'z\\';", "SELECT ';';"),
    case("escape string with an escaped quote", r"SELECT E'it\'s; so';", NEXT),
    case("escape string with a doubled quote", r"SELECT e'it''s; \'';", NEXT),
    case("continued escape string", "SELECT E'a'\n  '\\';b';", NEXT),
    case("escape string continued twice", "SELECT E'a' -- one\n '\\'' -- it's\n\n '\\';';", NEXT),
    case("escape string after an operator", r"SELECT 1||E'\';';", NEXT),
    case("escape string in parentheses", r"SELECT concat(E'\';',e'\\');", NEXT),
    case("word that ends in e before a string", r"SELECT date'2026-01-31', name'x\', ';';", NEXT),
    case("quoted name e before a string", "SELECT ';' AS \"e\", 'a\\';", "SELECT ';';"),
    case("number before a word in e", r"SELECT 1 AS e, '\';", "SELECT ';';"),
    case("bit, hex and national strings", r"SELECT B'0101', X'1F', x'aa', N'a\';", "SELECT ';';"),
    case("unicode string", r"SELECT U&'d\0061t\+000061;';", NEXT),
    case("unicode string with its own escape", "SELECT U&'d!0061;' UESCAPE '!';", NEXT),
    case("comment marks in a string", "SELECT '-- no; comment', '/* ;';", "SELECT '*/;';"),
    case("dollar marks in a string", "SELECT '$$;';", "SELECT '$$;$x$';"),
    case("percent signs", "SELECT 7 % 4, '%s; %(x)s %%';", NEXT),
    case("string with a colon", "SELECT ':name;', ':''x'';';", NEXT),
    case("json with quotes of both kinds", """SELECT '{"a;b": "it''s;"}'::json ->> 'a;b';""", NEXT),
    case("interval and typed literals", "SELECT interval '1 day;'::text, timestamp 'now';", NEXT),
    case("emoji and CJK", "SELECT '\N{PARTY POPPER};', '日本;語';", NEXT),
    case("cast chain", "SELECT ';'::text::varchar(3)::text;", NEXT),
)
NAMES = (
    case("semicolon in a name", 'SELECT 1 AS "a;b";', NEXT),
    case("backslash in a name", 'SELECT 1 AS "a\\";', 'SELECT 2 AS "b;c";'),
    case("doubled quote in a name", 'SELECT 1 AS "a"";b";', NEXT),
    case("unicode name", r'SELECT 1 AS U&"d\0061;";', NEXT),
    case("comment marks in a name", 'SELECT 1 AS "/* ;", 2 AS "--;";', 'SELECT 3 AS "*/";'),
    case("dollars in a name", "SELECT 1 AS a$b$c;", "SELECT 2 AS a$b$;", NEXT),
    case("two dollars in a name", "SELECT 1 AS a$$;", "SELECT 2 AS b$$;", NEXT),
    case("dollars in a name behind a number", "SELECT 1 AS c1$x$;", "SELECT ';' AS d1$x$;"),
    case("name of other alphabets", 'SELECT 1 AS данные, 2 AS "語;", 3 AS ñandú;', NEXT),
    case("no-break space is a letter", "SELECT 1 AS a\u00a0b;", NEXT),
    case("no-break space before dollars", "SELECT 1 AS a\u00a0$b$;", "SELECT ';' AS c\u00a0$b$;"),
    case("acute accent is a letter", "SELECT 1 AS \u00b4a;", "SELECT 2 AS \u00b4b;"),
    case("full-width semicolon is a letter", "SELECT 1 AS a；b;", NEXT),
    case("column called begin", "CREATE TABLE t (begin int, declare int, loop int, if int);", NEXT, NEXT),
    case("index on begin", "CREATE INDEX i ON t (begin);", NEXT, NEXT),
    case("select begin", "SELECT begin, atomic FROM t;", NEXT, NEXT),
    case("view with declare", "CREATE VIEW v AS SELECT declare, begin FROM t;", NEXT, NEXT),
    case("table called begin", "CREATE TABLE begin (atomic int);", "INSERT INTO begin VALUES (1);", NEXT),
    case("added column called begin", "ALTER TABLE t ADD COLUMN begin timestamptz;", NEXT, NEXT),
    case("table called go", "CREATE TABLE go (id int);", "SELECT id AS go FROM go;", NEXT),
    case("label end", 'SELECT 1 AS end, t."end" FROM t;', NEXT),
    case("table called copy", "CREATE TABLE copy (stdin text);", "SELECT stdin FROM copy;", NEXT),
    case("keyword as a quoted name", 'SELECT 1 AS "COMMIT;";', NEXT),
)
COMMENTS = (
    case("line comment with a quote", "SELECT 1 -- don't; \n;", NEXT),
    case("line comment to the end of the file", "SELECT 1;", Note("-- the end; really")),
    case("line comment before", Note("-- it's; first"), "SELECT 1;", NEXT),
    case("line comment that a carriage return ends", "SELECT 1 -- a;b\r;", NEXT),
    case("carriage return and line feed", Note("-- it's\r"), "SELECT 1;", Note("\r"), "SELECT\r\n2;", Note("\r")),
    case("block comment", "SELECT 1 /* it's; */ + /* $$ */ 2;", NEXT),
    case("block comment between", "SELECT 1;", Note("/* a; \n'b' */"), NEXT),
    case("nested block comment", Note("/* a /* b; */ 'c; */"), "SELECT 1;", NEXT),
    case("nested block comment inside", "SELECT 1 /* /* ' */ it's; */;", NEXT),
    case("block comment with slashes", "SELECT 1 /*/ ; /*/ */ */ + 1;", NEXT),
    case("block comment with stars", "SELECT 1 /***;***/ + /**/ 1;", NEXT),
    case("hint comment", "SELECT /*+ seqscan(t); */ 1;", NEXT),
    case("comment after an operator", "SELECT 5+/*;*/3;", "SELECT 5*/*;*/3;", NEXT),
    case("line comment after an operator", "SELECT 5+--;\n3;", NEXT),
    case("two minus signs are a comment", "SELECT 5--3;\n;", NEXT),
    case("minus and a space and minus", "SELECT 5 - -3;", NEXT),
    case("dollars in a comment", "SELECT 1;", Note("-- $$"), NEXT, Note("/* $x$ */")),
    case("quote in a comment before the semicolon", 'SELECT 1 /* " */ ;', 'SELECT ";" FROM t;'),
    case("two slashes are an operator", "SELECT 8 // 3;", NEXT),
)
DOLLARS = (
    case("dollar quotes", "SELECT $$it's; /* here$$;", NEXT),
    case("empty dollar quotes", "SELECT $$$$, $a$$a$;", NEXT),
    case("tagged dollar quotes", "SELECT $fn$ a; $$ ; $$ b; $fn$;", NEXT),
    case("dollar quotes inside dollar quotes", "SELECT $a$ $b$ ; $b$ $a$, $b$;$b$;", NEXT),
    case("tag of digits behind a letter", "SELECT $q1$;$q1$;", NEXT),
    case("Cyrillic tag", "SELECT $тег$a;$тег$;", NEXT),
    case("CJK tag", "SELECT $标签$;'$标签$;", NEXT),
    case("tags differ in case", "SELECT $a$;$A$;$a$;", NEXT),
    case("dollar quotes after an equals sign", "SELECT 'a'=$$;$$;", NEXT),
    case("dollar quotes after a quoted name", 'DO LANGUAGE "plpgsql"$$BEGIN NULL; END$$;', NEXT),
    case("dollar quotes after a closing parenthesis", "SELECT (1)::text||$$;$$;", NEXT),
    case("parameter", "PREPARE p AS SELECT $1::int + $2;", NEXT),
    case("parameter beside a cast", "PREPARE q AS SELECT $1::text||$$;$$;", NEXT),
    case("line comment inside dollar quotes", "DO $$ -- it's; $ \n BEGIN NULL; END $$;", NEXT),
    case("money", "SELECT '$5;'::money, $$5;$$;", NEXT),
)
OPERATORS = (
    case("number sign", "SELECT 5 # 3;", NEXT),
    case("number sign and greater", "SELECT '{}'::jsonb #> '{a;b}', '{}'::jsonb #>> '{c}';", NEXT),
    case("number sign and minus", "SELECT '{}'::jsonb #- '{a;b}';", NEXT),
    case("question marks", "SELECT '{}'::jsonb ? 'a;', '{}'::jsonb ?| ARRAY['b;'], '{}'::jsonb ?& '{}';", NEXT),
    case("at signs", "SELECT @-5, '{}'::jsonb @> '{}', '[1;2)' <@ 'x';", NEXT),
    case("backtick", "SELECT 1 ` 2;", "SELECT 2;", NEXT),
    case("tilde and exclamation", "SELECT 'a;' !~* 'b', !!4, ~1;", NEXT),
    case("colon and equals", "SELECT f(a => ';', b := ';');", NEXT),
    case("array slice", "SELECT (ARRAY[1,2,3])[1:2], a[';'] FROM t;", NEXT),
    case("brackets in strings", "SELECT ARRAY['[', ';'], ']';", NEXT),
    case("operator of its own", "SELECT 1 OPERATOR(pg_catalog.+) 2;", NEXT),
    case("backslash in a regular expression", r"SELECT 'a;' ~ '^\d+;\s$';", NEXT),
    case("numbers of all forms", "SELECT 1e10, 1.5E-3, .5, 5., 007;", NEXT),
    case("numbers with underscores", "SELECT 1_000, 0x1F, 0b01, 0o17;", NEXT, since=16),
    case("json path", """SELECT '$."a;b" ? (@ > 1)'::jsonpath;""", NEXT),
)
BODIES = (
    case("rule with two actions", "CREATE RULE r AS ON INSERT TO t DO ALSO (DELETE FROM a; DELETE FROM b;);", NEXT),
    case("rule with one action", "CREATE OR REPLACE RULE r AS ON UPDATE TO t DO INSTEAD NOTHING;", NEXT),
    case("rule with strings", "CREATE RULE r AS ON DELETE TO t DO (SELECT ')'; SELECT \");\" FROM a);", NEXT),
    case("rule with a comment", "CREATE RULE r AS ON DELETE TO t DO (SELECT 1; /* ) */ SELECT 2);", NEXT),
    case("atomic body", "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END;", NEXT, since=14),
    case("empty atomic body", "CREATE PROCEDURE p() BEGIN ATOMIC END;", NEXT, since=14),
    case(
        "atomic body with cases",
        "CREATE FUNCTION f(a int) RETURNS int BEGIN ATOMIC"
        " SELECT CASE a WHEN 1 THEN CASE WHEN true THEN 2 END ELSE 3 END; SELECT 4; END;",
        NEXT,
        since=14,
    ),
    case(
        "atomic body with names that are keywords",
        'CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1 AS end; SELECT t.end, "end" FROM t; SELECT 2; END;',
        NEXT,
        since=14,
    ),
    case(
        "atomic body behind comments",
        "CREATE/**/OR -- it's\n REPLACE FUNCTION f() RETURNS int BEGIN /* ; */ ATOMIC SELECT 1; END;",
        NEXT,
        since=14,
    ),
    case(
        "atomic procedure",
        "create or replace procedure p() language sql begin atomic insert into t values (1); delete from t; end;",
        NEXT,
        since=14,
    ),
    case(
        "atomic body with strings",
        "CREATE FUNCTION f() RETURNS text BEGIN ATOMIC SELECT E'\\'END;'; SELECT 'END;'; SELECT $$;END;$$; END;",
        NEXT,
        since=14,
    ),
    case("returned expression", "CREATE FUNCTION f() RETURNS int RETURN CASE WHEN true THEN 1 END;", NEXT, since=14),
    case(
        "arguments called begin and atomic",
        "CREATE FUNCTION f(begin int, atomic int) RETURNS int AS '1' LANGUAGE sql;",
        NEXT,
    ),
    case("argument begin of a type atomic", "CREATE FUNCTION f(begin atomic) RETURNS int AS '1' LANGUAGE sql;", NEXT),
    case(
        "default with a case",
        "CREATE FUNCTION f(a int DEFAULT CASE WHEN true THEN 1 END) RETURNS int AS 'x' LANGUAGE c;",
        NEXT,
    ),
    case("quoted body", "CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN ''a;''; END;';", NEXT),
    case("dollar-quoted body", "CREATE FUNCTION f() RETURNS int AS $$ BEGIN RETURN 1; END $$ LANGUAGE plpgsql;", NEXT),
    case(
        "body that speaks of atomic things",
        "CREATE FUNCTION f() RETURNS int AS $$ BEGIN ATOMIC; $$ LANGUAGE sql;",
        NEXT,
    ),
    case("function called atomic", "CREATE FUNCTION atomic() RETURNS int AS 'SELECT 1;' LANGUAGE sql;", NEXT),
    case(
        "trigger with a condition",
        "CREATE TRIGGER x BEFORE UPDATE ON t FOR EACH ROW WHEN (OLD.* <> NEW.*) EXECUTE FUNCTION f();",
        NEXT,
    ),
    case("do block", "DO $$ BEGIN IF true THEN NULL; END IF; END $$;", NEXT),
    case("do block in quotes", "DO 'BEGIN NULL; END';", NEXT),
    case("do block with a language", "DO LANGUAGE plpgsql $body$ DECLARE x int; BEGIN x := 1; END $body$;", NEXT),
    case("schema with elements", "CREATE SCHEMA s CREATE TABLE t (a int) CREATE VIEW v AS SELECT 1;", NEXT),
    case(
        "function inside a schema",
        "CREATE SCHEMA s CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END;",
        NEXT,
        since=19,
    ),
    case("policy", "CREATE POLICY p ON t FOR SELECT USING (name <> ';');", NEXT),
    case("comment on", "COMMENT ON TABLE t IS 'it''s; \\';", NEXT),
)
STATEMENTS = (
    case("transaction", "BEGIN;", "SELECT 1;", "COMMIT;", NEXT),
    case("transaction with options", "BEGIN ISOLATION LEVEL SERIALIZABLE;", "SELECT 1;", "END;", NEXT),
    case("transaction that reads", "BEGIN READ ONLY, NOT DEFERRABLE;", "SELECT 1;", "ROLLBACK;", NEXT),
    case("transaction with a comment", "BEGIN /* ; */;", "SELECT 1;", "END;", NEXT),
    case("savepoints", "SAVEPOINT a;", "ROLLBACK TO a;", "RELEASE a;", NEXT),
    case("cursor", "DECLARE c CURSOR FOR SELECT 1;", "FETCH 1 FROM c;", NEXT),
    case("copy from a file", "COPY t FROM '/tmp/x;y' WITH (FORMAT csv, DELIMITER ';');", NEXT),
    case("copy to stdout", "COPY (SELECT a FROM stdin) TO STDOUT;", NEXT),
    case("no semicolon at the end", "SELECT 1;", "SELECT 2"),
    case("no semicolon and a comment at the end", "SELECT 1;", "SELECT 2", Note("-- done; really")),
    case("nothing but a comment", Note("-- nothing; here")),
    case("empty statements", Note(";"), "SELECT 1;", Note(";;\n ; -- a;\n;"), NEXT),
    case("form feed and vertical tab", "SELECT\f1;", Note("\f"), NEXT),
    case("if exists", "DROP TABLE IF EXISTS a, b;", NEXT),
    case("values", "VALUES (1, ';'), (2, $$;$$);", "TABLE t;", NEXT),
    case("parentheses", "(SELECT 1) UNION (SELECT 2);", NEXT),
    case("with", "WITH a AS (SELECT ';') SELECT * FROM a;", NEXT),
)
CASES = (*STRINGS, *NAMES, *COMMENTS, *DOLLARS, *OPERATORS, *BODIES, *STATEMENTS)
