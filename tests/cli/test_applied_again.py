"""What `rollback` does not bring back, and what is applied again though it was rolled back."""

from __future__ import annotations

import re

import pytest

from tests.support.counting import round_trips
from tests.support.proxy import Proxy

ITEMS = "create table items (id int primary key, note text, price int); insert into items values (1, 'a', 2);"


@pytest.fixture
def shop(command, project):
    """A table with a row."""
    project.migration("1_items", up=ITEMS, down="drop table items;")
    done = command("up")
    assert done.exit_code == 0, done.stderr
    return project


def test_the_same_bytes_are_applied_again_with_a_warning(command, shop):
    path = shop.migration("2_b", up="create table b ();", down="drop table b;")
    command("up")
    command("rollback", "--reason", "checkout errors, INC-311")

    for arguments in (("up", "--dry-run", "--no-locks"), ("up",)):
        told = command(*arguments).stderr
        assert re.search(
            r"warning\[W711\]: 2_b.sql: the same bytes were rolled back on \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC by \S+"
            " because checkout errors, INC-311\n  hint: correct the file before it is applied again",
            told,
        ), told

    command("rollback", "--reason", "again")
    path.write_text(path.read_text().replace("table b ()", "table b (n int)"))
    assert "W711" not in command("up").stderr


def test_without_a_reason_it_is_a_note(command, shop):
    command("rollback")

    assert "note[W711]: 1_items.sql: the same bytes were rolled back on " in command("up").stderr


@pytest.mark.parametrize("way", [("mark", "pending", "1", "--reason", "by hand"), ("redo",)], ids=["mark", "redo"])
def test_what_was_not_rolled_back_last_is_no_repetition(command, shop, database_url, query, way):
    command("rollback", "--reason", "x")
    command("up")
    assert command(*way).exit_code == 0
    query(database_url, "drop table if exists items")

    assert "W711" not in command("up").stderr


def test_a_file_that_another_tool_has_applied_since_is_applied(command, shop, database_url, query):
    command("rollback", "--reason", "x")
    query(database_url, "insert into schema_migrations values ('1')")

    done = command("status")

    assert "[X] 1_items.sql" in done.stdout
    assert command("up").stderr.count("W711") == 0


def test_the_history_of_rollbacks_costs_no_round_trip(run, server, shop, command, database_url, query):
    (name,) = query(database_url, "select current_database()")[0]
    shop.migration("2_b", up="create table b ();", down="drop table b;")

    def up():
        with Proxy(server) as proxy:
            done = run("up", "--no-dump-schema", env={"DATABASE_URL": proxy.url(name)})
            assert done.exit_code == 0, done.stderr
            return round_trips(proxy.seen)

    first = up()
    command("rollback", "--reason", "x")

    assert up() == first


@pytest.mark.parametrize(
    ("up", "down", "lost"),
    [
        (
            "alter table items drop column note;",
            "alter table items add column note text;",
            "the values of items.note, which it dropped",
        ),
        ("drop table items;", "create table items (id int);", "the rows of items, which it dropped"),
        ("truncate items;", "", "the rows of items, which it truncated"),
        ("delete from items where id > 0;", "select 1;", "the rows of items that it deleted"),
        ("update items set price = 0 where id > 0;", "select 1;", "the old values of rows of items that it changed"),
    ],
)
def test_what_a_rollback_does_not_bring_back(command, shop, up, down, lost):
    shop.migration("2_loss", up=up, down=down)
    command("up")

    done = command("rollback", "--reason", "x")

    assert done.exit_code == 0, done.stderr
    assert f"warning[W710]: the rollback of 2_loss.sql does not bring back {lost}\n" in done.stderr
    assert "  hint: a backup from before 2" in done.stderr


@pytest.mark.parametrize(
    ("up", "down"),
    [
        ("alter table items add total int; update items set total = price;", "alter table items drop total;"),
        ("create table tmp (id int); drop table tmp;", "select 1;"),
        ("update items set price = price * 100;", "update items set price = price / 100;"),
    ],
    ids=["a column of its own", "a table of its own", "the down section changes it back"],
)
def test_a_rollback_that_loses_nothing_of_before_says_nothing(command, shop, up, down):
    shop.migration("2_fine", up=up, down=down)
    command("up")

    assert "W710" not in command("rollback").stderr
