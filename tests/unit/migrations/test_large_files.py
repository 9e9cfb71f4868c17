"""What is sent of a large file: its own bytes, cut where its statements end, and only those that were checked."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dbmigrate.errors import MigrationFileError
from dbmigrate.execution import batches
from dbmigrate.migrations import batch_ranges, parser, source
from dbmigrate.model import Batch, Migration, MigrationFile, Section

UP, DOWN = "-- migrate:up\n", "-- migrate:down\n"
ROW = "insert into t values (1, 'it''s; -- é', $1);\n"
OVER_1_MIB = "-- the table\ncreate table t (a int);\n" + "insert into t values (1, 'a; é');\n" * 40_000

STATEMENTS = st.sampled_from(
    [
        "insert into t values (1, 'it''s', 2);",
        "INSERT INTO t VALUES\n('é', -1),\n('\U0001f418', 2)\n;",
        "insert into t values ('a; -- b', '{\"a\": \"$1\"}', 'C:\\');",
        "insert into t values (E'a\\'; b');",
        "insert into t values (e'a'\n'\\'; b');",
        "insert into t select '<<<<<<<', '\n-- migrate:up\n';",
        "with x as (select 1) select * from x;",
        "update t set a = a -- one;\n + 1;",
        "select 1 /* ; /* ; */ */ + $$;'$$ || $a$ $$; $a$;",
        "select \"it's\", date'2020-01-01';",
        "create table t (a int);",
        "create rule r as on delete to t do (select 1; select 2);",
        "create function f() returns int begin atomic select 1; select 2; end;",
        "do $$ begin null; end $$;",
        "savepoint a;",
        "alter table t add b int;",
        "copy t from stdin;\n1\té\n\\\\.\n;'\n\\.\n",
        "copy t from stdin; -- none\n\\.\n",
    ]
)
BETWEEN = st.sampled_from(
    ["", " ", "\n", "\r\n", "\n-- a; 'comment é\n", " /* ; /* \U0001f418 */ */ ", ";;", "\n;\n\t"]
)
BODIES = st.lists(st.tuples(BETWEEN, STATEMENTS), max_size=12).map(lambda parts: "".join(map("".join, parts)))
WRAPPERS = st.sampled_from(["{}", "begin;\n{}\ncommit;", "{}\nselect 1", "{}\n-- the end"])


@st.composite
def files(draw: st.DrawFn) -> str:
    parts = []
    for header in (UP, DOWN) * draw(st.integers(1, 2)):
        parts += [header, draw(WRAPPERS).format(draw(BODIES).replace("{", "{{").replace("}", "}}")), "\n"]
    text = draw(st.sampled_from(["", "\ufeff"])) + "".join(parts)
    return text.replace("\n", "\r\n") if draw(st.booleans()) else text


def read(path: Path, text: str) -> Migration:
    path.write_bytes(text.encode())
    return parser.read(MigrationFile("1", path.name, os.fspath(path)))


def batches_of(migration: Migration, section: Section) -> Iterator[Batch]:
    found = parser.batches(migration, section)
    assert found is not None
    return found


@settings(max_examples=150)
@given(files(), st.sampled_from([4, 7, 64, 1 << 20]), st.sampled_from([0, 60, 1 << 18]))
@example(UP + "select 'é';" * 9 + "\n" + DOWN, 4, 0)
def test_the_bytes_that_are_sent_are_those_of_the_statements(tmp_path, text: str, segment: int, longest: int):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parser, "_KEEP_STATEMENTS", 0)
        patch.setattr(parser, "KEEP_TEXT", 0)
        patch.setattr(source, "_CHUNK", segment)
        patch.setattr(batch_ranges, "_LONGEST", longest)
        migration = read(tmp_path / "1_any.sql", text)
        for section in migration.sections:
            expected = [
                (each.sql, each.line, each.column, each.kind, "".join(each.copy_data or ()))
                for each in parser.statements(migration, section)
            ]
            found = []
            for batch in batches_of(migration, section):
                data = None if batch.copy_data is None else b"".join(batch.copy_data).decode()
                split = batch.split()
                assert len(split) == batch.count
                assert batches.text_of(split).encode() == batch.sql
                assert [each.copy_data is None for each in split] == [True] * (len(split) - 1) + [data is None]
                found += [(each.sql, each.line, each.column, each.kind, "") for each in split[:-1]]
                found.append((split[-1].sql, split[-1].line, split[-1].column, split[-1].kind, data or ""))
            assert found == expected
            assert len(found) == section.count


def test_a_large_file_is_cut_into_few_batches(tmp_path):
    migration = read(tmp_path / "1_big.sql", UP + OVER_1_MIB + DOWN)
    (up, down) = migration.sections

    lengths = [len(batch.sql) for batch in batches_of(migration, up)]

    assert len(lengths) <= len(OVER_1_MIB.encode()) // (200 << 10) + 1
    assert max(lengths) <= 256 << 10
    assert list(batches_of(migration, down)) == []


def test_many_comments_between_two_statements_are_not_sent(tmp_path):
    migration = read(tmp_path / "1_big.sql", UP + "select 1;\n" + "-- é\n" * 30_000 + "select 2;\n" + DOWN)

    found = [batch.sql for batch in batches_of(migration, migration.sections[0])]

    assert found == [b"select 1;", b"select 2;"]


def test_a_small_file_has_its_statements_and_no_batches(tmp_path):
    migration = read(tmp_path / "1_small.sql", UP + "select 1;\n" + DOWN)

    assert parser.batches(migration, migration.sections[0]) is None
    assert migration.marks == ()


def test_a_file_of_very_many_blocks_of_data_is_run_by_its_statements(tmp_path):
    """A cut for each would take as much memory as the file."""
    block = "copy t from stdin;\n1\n\\.\n"
    migration = read(tmp_path / "1_blocks.sql", UP + block * 50_000 + DOWN)

    assert parser.batches(migration, migration.sections[0]) is None
    assert migration.sections[0].count == sum(1 for _ in parser.statements(migration, migration.sections[0])) == 50_000


# -- a file that changes


def sent_before_it_was_noticed(migration: Migration, section: Section) -> list[bytes]:
    sent: list[bytes] = []

    def send() -> None:
        for batch in batches_of(migration, section):
            sent.append(batch.sql)
            sent.extend(batch.copy_data or ())

    with pytest.raises(MigrationFileError) as caught:
        send()
    assert caught.value.code == "E222"
    return sent


COPYING = "copy t from stdin;\n" + "1\té\n" * 400_000 + "\\.\n"


@pytest.mark.parametrize("body", [OVER_1_MIB, COPYING], ids=["rows", "copy"])
@pytest.mark.parametrize(
    "change",
    [
        lambda content: content.replace(b"1", b"2"),
        lambda content: content[:-1] + b" ",
        lambda content: content + b"\n",
        lambda content: content[: 1 << 20],
        lambda content: content[:-1],
        lambda content: b"\n" + content,
        lambda content: b"",
        lambda content: b"\xff" * len(content),
    ],
    ids=["edited", "at the end", "longer", "cut off", "shorter", "moved", "empty", "no text"],
)
def test_of_a_file_that_changed_nothing_new_is_given_out(tmp_path, body: str, change):
    path = tmp_path / "1_big.sql"
    text = UP + body + DOWN
    migration = read(path, text)
    path.write_bytes(change(text.encode()))

    sent = sent_before_it_was_noticed(migration, migration.sections[0])

    assert all(part in text.encode() for part in sent)


def test_a_change_while_it_is_run_is_noticed_before_what_changed_is_given_out(tmp_path):
    path = tmp_path / "1_big.sql"
    content = (UP + OVER_1_MIB * 3 + DOWN).encode()
    migration = read(path, content.decode())
    running = batches_of(migration, migration.sections[0])
    given = [next(running).sql]
    path.write_bytes(content[: 2 << 20].replace(b"values (1,", b"values (1;") + content[2 << 20 :])

    with pytest.raises(MigrationFileError) as caught:
        given += [batch.sql for batch in running]

    assert caught.value.code == "E222"
    assert b"".join(given).count(b"values (1;") == 0


def test_a_file_that_is_gone_has_changed(tmp_path):
    migration = read(tmp_path / "1_big.sql", UP + OVER_1_MIB + DOWN)
    os.unlink(migration.file.path)

    assert sent_before_it_was_noticed(migration, migration.sections[0]) == []


def test_a_change_of_another_section_is_noticed_too(tmp_path):
    path = tmp_path / "1_big.sql"
    migration = read(path, UP + OVER_1_MIB + DOWN + "drop table t;")
    path.write_bytes((UP + OVER_1_MIB + DOWN + "drop table x;").encode())

    sent_before_it_was_noticed(migration, migration.sections[0])
