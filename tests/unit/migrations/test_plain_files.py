"""A plain file that is read by expressions is the same migration as one that is read the usual way."""

from __future__ import annotations

import hashlib
import pickle
import re
import time
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dbmigrate.errors import Error
from dbmigrate.migrations import parser, plain_files
from dbmigrate.model import Migration, MigrationFile, Statement

ROOT = Path(__file__).parents[3]
FILES = sorted(path for folder in ("db", "tests", "examples", "docs") for path in (ROOT / folder).rglob("*.sql"))
PAGES = sorted((ROOT / "docs").rglob("*.md"))
SQL_BLOCK = re.compile(r"^( *)```sql[^\n]*\n(.*?)^\1```", re.DOTALL | re.MULTILINE)
FILE = MigrationFile("1", "1_a.sql", "db/migrations/1_a.sql")
UP, DOWN = "-- migrate:up\n", "-- migrate:down\n"


def at_once(text: str) -> Migration | None:
    return plain_files.read(FILE, text, hashlib.sha256(text.encode()).hexdigest())


def usual(text: str) -> Migration | None:
    try:
        return parser.read_text(FILE, text)
    except Error:
        return None


def is_plain(text: str) -> bool:
    """Whether the file is read by expressions; then all that is found has to be what is found the usual way."""
    found, expected = at_once(text), usual(text)
    if found is None:
        return False
    assert found == expected
    assert repr(found) == repr(expected)  # types, too
    return True


# ---------------------------------------------------------------------------------------------------------- real files


def texts_of_the_project() -> list[str]:
    files = [path.read_bytes().decode("utf-8-sig", errors="replace") for path in FILES]
    return files + [block[2] for page in PAGES for block in SQL_BLOCK.finditer(page.read_text())]


def test_every_file_of_the_project_is_the_same_migration_both_ways():
    texts = texts_of_the_project()

    plain = sum(map(is_plain, texts))

    assert len(texts) > 400
    assert plain > 150, f"{plain} of {len(texts)} files are plain: hardly any is compared"


def test_all_their_statements_are_the_same_as_parts_of_a_plain_file():
    plain = 0
    for text in texts_of_the_project():
        body = re.sub("^.*migrate.*\n?", "", text, flags=re.MULTILINE)  # headers, annotations
        plain += is_plain(f"{UP}{body}\n{DOWN}drop table t;\n")
        plain += is_plain(f"{UP}create table t ();\n\n{DOWN}{body}")

    assert plain > 300, f"only {plain} were compared"


# -------------------------------------------------------------------------------------------------------- at the border

PLAIN = [
    "create table t (id bigint primary key, name text not null default 'it''s; -- é');",
    "CREATE  INDEX ON\n\tt (lower(name), (a->>'b'));",
    'alter table "T;" add column é numeric(4, 1) default -1.5, drop b;',
    "insert into t values (1, '{\"a\": [1]}'), (2, 'C:\\');",
    "create view v as select a || 'x' as \"b\"\"c\" from s.t where a <> '' and b = 2*3 order by 1;",
    "comment on table t is 'it is a table;\n-- with two lines';",
    "update t set a = 1 where b is null;",
    "drop table if exists t cascade;",
    "grant select on t to r;",
]
QUOTES = [
    "insert into t values (E'a\\'; b');",
    "select e'a'\n'\\'; b', U&'\\0061', x'1f', n'é';",
    "select E'x', n'é';",
    "select B'01', x'1F';",
    "select u&'x';",
    "select 1\n<<<<<<< a\n, 2\n=======\n, 3\n>>>>>>> b\n;",
    "select '<<<<<<< x';",
    "select '\n-- migrate:down\n';",
    "select $$;'$$ || $a$ $$; $a$;",
    "select 1 /* ; /* ; */ */;",
    "select 1 -- one;\n;",
    "select 5+/*;*/3, a@-b, a=-1, 1.5e-3, 1..2;",
]
BODIES = [
    "copy t from stdin;\n1\té;\n\\.\n",
    "copy t to stdout;",
    "create function f() returns int language sql as 'select 1; select 2';",
    "create function f() returns int begin atomic select 1; select 2; end;",
    "create or replace procedure p() language sql as $$ select 1; $$;",
    "create rule r as on delete to t do (select 1; select 2);",
    "create schema s create table t (a int);",
    "do $$ begin null; end $$;",
    "do 'begin commit; end';",
]
# for transactions
MEANING = ["begin;", "commit;", "end;", "abort;", "rollback;", "rollback to savepoint a;", "savepoint a;", "vacuum;"]
MEANING += ["start transaction;", "begin read only;", "prepare transaction 'x';", "commit prepared 'x';"]
MEANING += ["create index concurrently i on t (a);", "create unique index concurrently on t (a);"]
MEANING += [
    "drop index concurrently i;",
    "reindex table concurrently t;",
    "create database d;",
    "prepare p as select 1;",
]
MEANING += [
    "alter table p detach partition q concurrently;",
    "alter table p detach partition q;",
    "alter system set a = 1;",
]
MEANING += ["alter subscription s set (slot_name = none);", "drop subscription s;", "alter type e add value 'x';"]
# for settings, and what is hardly a statement
MEANING += ["set search_path = a;", "set local a = 1;", "reset all;", "discard all;", "set role r; reset role;"]
MEANING += [
    "select pg_catalog.set_config('a', 'b', false);",
    "select set_config('a', 'b', true);",
    "revoke all on t from r;",
]
MEANING += ["(select 1);", ";", "select 1", "\\restrict x"]

SIMPLE_ENDS = ["\n", "\n\n", " "]
ENDS = [*SIMPLE_ENDS, "", "\t\n", "\n-- a comment; with ' and \"\n", "\n  -- indented\n", "\r\n", "\f", "\v\n", ";"]
ENDS += ["\n-- this migration adds t\n", "\n/* block; */\n", "\n-- BREAKING CHANGE: x\n", "\n--\n--\n", "\u00a0"]
ENDS += ["\n-- migrate:env dev\n", "\n--migrate: up\n", "\n-- m\u0131grate:up\n", "\n-- +goose Up\n", "\ufeff"]
ENDS += ["\n-- \u0130\n", "\n-- a\r-- b\n", "\n-- a\rselect 2;\n"]
UPS = [UP, UP, UP, "--migrate:up\n", "-- migrate:up \n", " -- migrate:up\n", "-- migrate:up\r\n", "-- migrate:up"]
UPS += ["-- migrate:up lock_timeout:5s\n", "-- migrate:up x:y\n", "-- MIGRATE:UP\n", "--\tmigrate:up\tword\n"]
UPS += ["-- migrate:up transaction:false\n"]
DOWNS = [
    DOWN,
    DOWN,
    DOWN,
    UP,
    "",
    "-- migrate:down",
    "-- migrate:down  \n",
    "  -- migrate:down\n",
    "-- migrate:downs\n",
]
DOWNS += ["-- migrate:down irreversible:true\n", "--  migrate:down\f\n", "-- migrate:down backfill:t key:id\n"]
DOWNS += ["-- migrate:down\ttimeout:0\n"]
TOPS = ["", "", "\n", " ", "-- why\n\n", "\ufeff", "-- migrate:depends 1\n", "create table t ();\n", "/* x */\n"]
PIECES = ["'", '"', "\\", "$", "$$", "$a$", "--", "-", "/*", "*/", "/", ";", ":", "\n", "\r", "E", "e'", "U&", "(", "é"]
PIECES += ["\u0130", "migrate", "\n-- migrate:up\n", "\n-- migrate:down\n", ">>>>>>>", "concurrently", "commit;", "@"]
PIECES += ["\u00a0", "+", "1", ""]

plain_statements = st.sampled_from(PLAIN)
any_statements = st.one_of(plain_statements, plain_statements, st.sampled_from([*QUOTES, *BODIES, *MEANING]))


@st.composite
def sections(draw: st.DrawFn, statements: st.SearchStrategy[str]) -> str:
    drawn = draw(st.lists(st.tuples(statements, st.sampled_from(SIMPLE_ENDS), st.sampled_from(ENDS)), max_size=4))
    return "".join(statement + (between if draw(st.integers(0, 3)) else odd) for statement, between, odd in drawn)


@st.composite
def files(draw: st.DrawFn) -> str:
    """A file in which one thing or another may be out of the ordinary."""
    top, up, down = (draw(st.sampled_from(each)) for each in (TOPS, UPS, DOWNS))
    text = f"{top}{up}{draw(sections(any_statements))}{down}{draw(sections(any_statements))}"
    if draw(st.booleans()):
        text = text.replace("\n", "\r\n")
    return text


@st.composite
def disturbed(draw: st.DrawFn) -> str:
    """A plain file with up to two pieces put in somewhere, or cut out."""
    text = f"{UP}{draw(sections(plain_statements))}\n{DOWN}{draw(sections(plain_statements))}"
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(text)))
        text = text[:at] + draw(st.sampled_from(PIECES)) + text[at + draw(st.integers(0, 2)) :]
    return text


@settings(max_examples=600)
@given(st.one_of(files(), disturbed()))
@example(f"{UP}select 1;\n-- m\u0131grate:up\n{DOWN}")  # an i to expressions that ignore case
@example(f"{UP}select 1;\n{DOWN}\n-- no line end")
@example(f"{UP}select 1;\n -- migrate:down\n")
@example(f"{UP}" + "-- line\n" * 700 + f"select 1;\n{DOWN}")
@example(f"{UP}set search_path = a;\n{DOWN}set search_path = a;")
@example(f"{UP}create table t ();\n{DOWN}set search_path = a;")
@example(f"{UP}\n{DOWN}select 1;")
@example(f"-- migrate:up x:y\nselect 1;\n{DOWN}")
@example(f"-- migrate:up transaction:no\nselect 1;\n{DOWN}")
@example(f"{UP}-- a\rselect 2;\nselect 1;\n{DOWN}")
@example(f"{UP}-- \u26a0 BREAKING CHANGE: a\nselect 1;\n{DOWN}")
@example(f"{UP}select E'x';\n{DOWN}")
@example(f"{UP}select 1\n<<<<<<< a\n, 2\n=======\n, 3\n>>>>>>> b\n;\n{DOWN}")
def test_whatever_is_read_at_once_is_what_is_read_the_usual_way(text):
    is_plain(text)


@given(st.lists(plain_statements, min_size=1).map("\n\n-- one more\n".join), st.lists(plain_statements).map("\n".join))
def test_plain_files_are_read_at_once(up, down):
    assert is_plain(f"-- why\n\n{UP}{up}\n\n{DOWN}{down}\n")


# --------------------------------------------------------------------------------------------------------------- memory


def test_its_statements_are_a_sequence_like_any_other():
    migration = at_once(f"{UP}create table t ();\n\n-- why\nselect 1; select 2;\n{DOWN}drop table t;\n")
    assert migration is not None
    up, down = (section.statements for section in migration.sections)
    expected = (
        Statement("create table t ();", 2, 1, lead="\n"),
        Statement("select 1;", 5, 1, lead="\n\n-- why\n"),
        Statement("select 2;", 5, 11, lead=" "),
    )

    assert (len(up), len(down), bool(down)) == (3, 1, True)
    assert (tuple(up), up[1], up[-1], up[:2]) == (expected, expected[1], expected[2], expected[:2])
    assert up == expected
    assert up != down
    assert expected[0] in up
    assert pickle.loads(pickle.dumps(migration)) == migration


def test_a_plain_file_is_kept_once():
    text = f"{UP}insert into t values ('{'x' * 20_000}');\n{DOWN}select '{'y' * 20_000}';\n"
    assert at_once(text)

    tracemalloc.start()
    try:
        migration = at_once(text)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert migration is not None
    assert held < len(text) + 3000


# ----------------------------------------------------------------------------------------------------------------- time


UNITS = [
    "-- x\n",
    "--\n \n",
    "-- ",
    " ",
    "\n",
    "'",
    '"',
    "'a",
    "a'b\"",
    "select 1;",
    "select ",
    "-",
    "/",
    "1e",
    "\\",
    "é",
    ";",
]


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("end", ["", "'", "\n-- migrate:down\nselect 1;"])
def test_the_time_grows_with_the_length_and_no_faster(unit, end):
    text = f"{UP}select 1;\n{unit * (200_000 // len(unit))}{end}"

    began = time.process_time()
    at_once(text)

    assert time.process_time() - began < 5  # takes up to 0.4 s; what tries twice takes minutes
