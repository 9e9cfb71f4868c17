"""What a rewriting must not lose or break: comments, line ends, names, transactions; and where it is not offered."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbmigrate.api.migrator import Migrator
from dbmigrate.connection import dsn
from dbmigrate.lint import LintConfig
from dbmigrate.lint.fix.pieces import cut
from dbmigrate.lint.fix.run import Options, fix
from dbmigrate.model import Goal
from dbmigrate.scratch.choose import Choice
from tests.support.databases import query
from tests.support.projects import Project
from tests.support.rehearsals import tell
from tests.support.rewriting import FIXTURES, OWN, migrations, rewritten, write_project

SETUP = """
create table t (id bigint generated always as identity primary key, a text, b integer, c timestamp, d integer not null);
create table parent (id bigint primary key);
create index t_b on t (b);
create unique index t_d on t (d);
create table child (t_d integer references t (d));
create type mood as enum ('sad');
"""
DOWN = "\n-- migrate:down irreversible:true\n"


def up(text: str) -> str:
    return f"-- migrate:up\n{text}{DOWN}"


def section(text: str) -> str:
    """The up section, without its header."""
    lines = text.partition("\n")[2].partition("\n-- migrate:down")[0].split("\n")
    while lines[0].startswith(("-- migrate:require ", "--   and ")):
        lines.pop(0)
    return "\n".join(lines)


@pytest.mark.parametrize("path", sorted(FIXTURES.glob("*/*.sql")), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_the_pieces_of_a_file_joined_are_the_file(path: Path) -> None:
    text = path.read_text("utf-8")

    for each in (text, text.replace("\n", "\r\n"), text.rstrip("\n"), text.replace("\n", " ")):
        if "-- migrate:up\n" in each or "-- migrate:up\r\n" in each:
            assert cut(each).text == each


def test_comments_stay_with_their_statement_and_a_second_run_changes_nothing(database_url: str, tmp_path: Path) -> None:
    change = up(
        "/* first\n   lines */\n"
        "create index t_a on t (a); -- why a\n"
        "\n"
        "-- above\n"
        "alter table t  -- head\n"
        "    add constraint positive check (b > 0 /* inside */), -- about b\n"
        "    -- above the key\n"
        "    add foreign key (id) references parent (id) -- about id\n"
        "    ; /* behind */ -- last\n"
        "create index on t (c) -- unfinished"
    )
    path = write_project(tmp_path, SETUP, change)

    found = rewritten(database_url, tmp_path)

    assert found is not None
    assert (found.reason, found.fixed.left) == ("", ())
    assert section(found.fixed.text) == (
        "/* first\n   lines */\n"
        "create index concurrently t_a on t (a); -- why a\n"
        "\n"
        "-- above\n"
        "-- head\n"
        "alter table t add constraint positive check (b > 0 /* inside */) not valid; -- about b\n"
        "alter table t validate constraint positive;\n"
        "-- above the key\n"
        "alter table t add constraint t_id_fkey foreign key (id) references parent (id) not valid; -- about id"
        " /* behind */ -- last\n"
        "alter table t validate constraint t_id_fkey;\n"
        "create index concurrently t_c_idx on t (c); -- unfinished"
    )
    path.write_text(found.fixed.text)
    assert rewritten(database_url, tmp_path) is None


def test_line_ends_the_byte_order_mark_letter_case_and_a_missing_last_line_end_stay(
    database_url: str, tmp_path: Path
) -> None:
    change = (
        b"\xef\xbb\xbf"
        + up("BEGIN;\nALTER TABLE t ADD CHECK (b > 0); -- x\nselect 1;\nselect 2;\nCOMMIT;")
        .replace("\n", "\r\n")
        .rstrip()
        .encode()
    )
    write_project(tmp_path, SETUP, change)

    found = rewritten(database_url, tmp_path)

    assert found is not None
    assert found.reason == ""
    assert found.fixed.text == (
        "-- migrate:up transaction:false\r\n"
        "-- migrate:require select not exists (select from t where not (b > 0))\r\n"
        "ALTER TABLE t ADD CONSTRAINT t_b_check CHECK (b > 0) NOT VALID; -- x\r\n"
        "ALTER TABLE t VALIDATE CONSTRAINT t_b_check;\r\n"
        "begin;\r\nselect 1;\r\nselect 2;\r\ncommit;\r\n"
        "-- migrate:down irreversible:true"
    )


def test_the_actions_of_one_statement_are_taken_apart_in_the_order_in_which_they_run(
    database_url: str, tmp_path: Path
) -> None:
    write_project(tmp_path, SETUP, up("alter table t add constraint c check (x > 0), add column x int, drop column a;"))

    found = rewritten(database_url, tmp_path)

    assert found is not None
    assert found.reason == ""
    assert section(found.fixed.text) == (
        "alter table t\n    drop column a,\n    add column x int;\n"
        "alter table t add constraint c check (x > 0) not valid;\n"
        "alter table t validate constraint c;"
    )


def test_names_are_the_servers_within_63_bytes_and_never_twice_the_same(database_url: str, tmp_path: Path) -> None:
    one, two = f'"{"é" * 29}1"', f'"{"é" * 29}2"'  # 59 bytes: with a suffix they have to be cut
    setup = f'create table "Much ""Much" ({one} int, {two} int, "Select" int);\n'
    change = up(
        f'alter table "Much ""Much" alter {one} set not null, alter {two} set not null;\n'
        'alter table "Much ""Much" add unique ("Select"), add check ("Select" > 0);'
    )
    write_project(tmp_path, setup, change)

    found = rewritten(database_url, tmp_path)

    assert found is not None
    assert (found.reason, found.fixed.left) == ("", ())
    made = [
        line.split("add constraint ")[1].split(" check")[0]
        for line in found.fixed.text.split("\n")
        if "é" in line and "check (" in line
    ]
    assert len(set(made)) == 2
    assert all(len(name.strip('"').encode()) <= 64 for name in made)  # a doubled quote is one byte
    assert 'add constraint "Much ""Much_Select_key" unique using index "Much ""Much_Select_key"' in found.fixed.text


REFUSED = {
    "set local lock_timeout = 0;\ncreate index t_a on t (a);": "SET LOCAL holds until the transaction ends",
    "savepoint s;\nalter table t add check (b > 0);": "SAVEPOINT means something in its transaction only",
    "lock table t in share mode;\ncreate index t_a on t (a);": "LOCK TABLE holds",
    "create temp table x as select 1 as y;\ncreate index t_a on t (a);": "a temporary table is gone",
    "select set_config('a.b', 'c', true);\ncreate index t_a on t (a);": "set_config(.., true) holds",
    "insert into parent values (1);\ncreate index t_a on t (a);\ninsert into parent values (2);": "both sides of a cut",
    "drop index t_b cascade;": "DROP INDEX CONCURRENTLY knows no CASCADE",
    "alter table t add constraint t_key unique (a), drop constraint t_pkey, add primary key (id);": "has a primary key",
}


@pytest.mark.parametrize("change", REFUSED)
def test_what_cannot_be_cut_is_left_as_it_is_with_the_reason(change: str, database_url: str, tmp_path: Path) -> None:
    write_project(tmp_path, SETUP, up(change))

    found = rewritten(database_url, tmp_path)

    assert found is not None
    assert found.fixed.text == up(change)
    assert any(REFUSED[change] in left.refusal.reason for left in found.fixed.left), found.fixed.left


UNTOUCHED = [
    "create table x (a int);\ncreate index on x (a);\nalter table x add check (a > 0);",
    "do $$ begin create index t_a on t (a); end $$;",
    "create temp table x (a int); create index on x (a);",
    "-- dbmigrate:ignore L101: the table has a hundred rows\ncreate index t_a on t (a);",
    "alter table t add column x int default 1;",
]


def test_a_form_outside_the_list_leaves_the_bytes_as_they_were(database_url: str, tmp_path: Path) -> None:
    change = up("\n".join(UNTOUCHED))
    write_project(tmp_path, SETUP, change)

    found = rewritten(database_url, tmp_path)

    assert found is None or found.fixed.text == change


def test_a_partition_that_needs_an_index_gets_it_before_and_a_default_partition_refuses(
    database_url: str, tmp_path: Path
) -> None:
    setup = (
        "create table p (a int not null, b int) partition by range (a);\ncreate index p_b on p (b);\n"
        "create table p1 (a int not null, b int);\ncreate table q (a int) partition by range (a);\n"
        "create table q0 partition of q default;\ncreate table q1 (a int);\n"
    )
    change = (
        "-- migrate:up\nalter table p attach partition p1 for values from (1) to (2);\n"
        "alter table q attach partition q1 for values from (1) to (2);\n"
        "-- migrate:down\nalter table q detach partition q1;\nalter table p detach partition p1;\n"
        "drop index p1_b_idx;\n"
    )
    write_project(tmp_path, setup, change)

    found = rewritten(database_url, tmp_path)

    assert found is not None
    assert found.reason == ""
    assert "create index concurrently p1_b_idx on p1 USING btree (b);\n" in found.fixed.text
    assert ["DEFAULT partition q0" in left.refusal.reason for left in found.fixed.left] == [True]


def test_what_is_not_offered_when_the_result_would_differ(database_url: str, tmp_path: Path) -> None:
    """The down section of the original drops what only the original has made under that name."""
    change = "-- migrate:up\nalter table t add check (b > 0) not enforced;\n-- migrate:down irreversible:true\n"
    write_project(tmp_path, SETUP, change)
    found = rewritten(database_url, tmp_path, config=LintConfig(uses_squawk=False, server=18))

    assert found is None or not found.is_changed


def test_a_file_that_does_not_run_is_named(database_url: str, tmp_path: Path) -> None:
    write_project(tmp_path, SETUP, up("create index t_a on t (a);\nselect nonsense;"))

    found = rewritten(database_url, tmp_path, config=OWN)

    assert found is not None
    assert not found.is_changed
    assert "does not run on a scratch database" in found.reason


def test_offending_rows_are_asked_for_before_the_first_step(make_database, tmp_path: Path) -> None:
    """Otherwise the migration would stop half done, with a constraint that fails the application's writes."""
    rows = "insert into t (a, b, d) values ('x', -1, 1), ('x', 1, 2), (null, 2, 3);"
    changes = [
        "alter table t add check (b > 0);",
        "alter table t alter a set not null;",
        "alter table t add unique (a);",
        "alter table t add foreign key (b) references parent;",
    ]
    project = Project(tmp_path)
    project.migrations.mkdir(parents=True)
    url = make_database()
    path = write_project(project.migrations, SETUP, "-- migrate:up\n-- migrate:down\n")
    assert tell(url, project, lambda migrator: migrator.migrate(goal=Goal(version="001"))).exit_code == 0
    query(url, rows)
    for change in changes:
        path.write_text(up(change))
        found = rewritten(make_database(), project.migrations)
        assert found is not None
        path.write_text(found.fixed.text)

        told = tell(url, project, Migrator.migrate)

        assert told.error is not None, change
        assert told.error.code == "E734", (change, told.error)
    query(url, "update t set a = d, b = 1 where true; insert into parent values (1)")
    path.write_text(found.fixed.text)
    assert tell(url, project, Migrator.migrate).exit_code == 0


def test_an_authors_own_condition_or_change_of_rows_leaves_no_question(database_url: str, tmp_path: Path) -> None:
    own = "-- migrate:require select true\nalter table t add check (b > 0);"
    filled = "update t set a = '' where a is null;\nalter table t alter a set not null;"
    for change, number in ((own, 1), (filled, 0)):
        write_project(tmp_path, SETUP, up(change))
        found = rewritten(database_url, tmp_path)
        assert found is not None
        assert (found.reason, found.is_changed) == ("", True)
        assert found.fixed.text.count("migrate:require") == number


def test_files_of_one_run_build_on_each_other(database_url: str, tmp_path: Path) -> None:
    """The second one is for what the first one, rewritten or not, leaves; a third one in between stays as it is."""
    write_project(tmp_path, SETUP, up("create index on t (a);\nalter table t add check (b > 0);"))
    (tmp_path / "003_between.sql").write_text(up("alter table t add column x integer;"))
    last = tmp_path / "004_last.sql"
    last.write_text(up("drop index t_a_idx;\nalter table t alter x set not null, add check (b > 1);"))
    options = Options(OWN, frozenset(("002", "003", "004")))

    results = fix(migrations(tmp_path), options, Choice(explicit=dsn.parse(database_url)))

    assert [(Path(each.path).name, each.reason, each.is_changed) for each in results] == [
        ("002_change.sql", "", True),
        ("004_last.sql", "", True),
    ]
    assert "drop index concurrently t_a_idx;" in results[1].fixed.text
    assert "add constraint t_b_check1 check (b > 1) not valid;" in results[1].fixed.text


def test_a_section_without_a_transaction_is_rewritten_outside_of_its_blocks(database_url: str, tmp_path: Path) -> None:
    body = "begin;\ncreate index t_a on t (a);\ncommit;\ncreate index t_c on t (c); -- c\nvacuum t;\n"
    write_project(tmp_path, SETUP, f"-- migrate:up transaction:false\n{body}-- migrate:down irreversible:true\n")

    found = rewritten(database_url, tmp_path)

    assert found is not None
    assert (found.reason, [left.refusal.reason for left in found.fixed.left]) == (
        "",
        ["it stands between BEGIN and COMMIT"],
    )
    assert found.fixed.text == (
        "-- migrate:up transaction:false\nbegin;\ncreate index t_a on t (a);\ncommit;\n"
        "create index concurrently t_c on t (c); -- c\nvacuum t;\n-- migrate:down irreversible:true\n"
    )
