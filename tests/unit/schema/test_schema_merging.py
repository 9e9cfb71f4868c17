"""Two versions of a schema file: one schema, the version rows of both."""

from __future__ import annotations

import os

import pytest

from dbmigrate.schema import merging, versions
from dbmigrate.schema.versions import MARK, Dumping, Layout

TABLE = "public.schema_migrations"


def file(schema: str, *rows: str, layout: Layout = Layout.DBMATE, table: str = TABLE) -> str:
    return f"{schema}\n\n" + versions.render(list(rows), table=table, layout=layout)


@pytest.mark.parametrize("layout", list(Layout))
def test_the_schema_of_ours_and_the_rows_of_both(layout):
    merged = merging.merged(file("ours", "1", "3", layout=layout), file("theirs", "1", "2", layout=layout))

    assert merged == f"{MARK}\n" + file("ours", "1", "2", "3", layout=layout)


def test_merging_again_marks_it_once():
    once = merging.merged(file("ours", "1", "3"), file("theirs", "1", "2"))

    assert merging.merged(once, file("more", "1", "4")) == f"{MARK}\n" + file("ours", "1", "2", "3", "4")
    assert merging.merged(file("ours", "9"), once).count(MARK) == 1


def test_line_ends_that_git_converted_stay():
    ours, theirs = file("ours", "1"), file("theirs", "2")

    merged = merging.merged(ours.replace("\n", "\r\n"), theirs)

    assert merged == (f"{MARK}\n" + file("ours", "1", "2")).replace("\n", "\r\n")


@pytest.mark.parametrize(
    ("ours", "theirs", "rows"),
    [
        (file("ours"), file("theirs", "2"), ["2"]),
        ("ours without rows\n", file("theirs", "2"), ["2"]),
        (file("ours", "1"), "theirs\n", ["1"]),
        (file("ours"), file("theirs"), []),
        ("", "", []),
        (file("ours", "it's"), file("theirs", "2"), ["2", "it's"]),
    ],
)
def test_sides_without_rows(ours, theirs, rows):
    merged = merging.merged(ours, theirs)

    assert merged.startswith(f"{MARK}\n{ours.partition(versions.TITLE)[0]}")
    assert versions.rows(merged) == ({TABLE: rows} if rows else {})


def test_inserts_in_the_schema_itself_are_no_rows():
    schema = "INSERT INTO public.kinds (version) VALUES\n    ('7');"

    assert versions.rows(merging.merged(file(schema, "1"), file(schema, "2"))) == {TABLE: ["1", "2"]}
    assert schema in merging.merged(file(schema, "1"), file(schema, "2"))


def test_a_file_is_written_if_it_is_there_and_not_marked(tmp_path):
    path = tmp_path / "schema.sql"
    assert not Dumping(str(path)).is_written
    path.write_text(f"{MARK}\nselect 1;\n", "utf-8")
    assert not Dumping(str(path)).is_written
    path.write_text("select 1;\n", "utf-8")
    assert Dumping(str(path)).is_written
    path.write_bytes(b"\xff\n")
    assert Dumping(str(path)).is_written


def test_a_pipe_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")

    assert Dumping(str(tmp_path / "pipe")).is_written
