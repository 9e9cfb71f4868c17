"""Which repeatable migrations run, in which order, and what a rollback makes of them."""

from __future__ import annotations

import itertools

import pytest

from dbmigrate.model import Annotation, Direction, Migration, MigrationFile, Place
from dbmigrate.planning import repeatables
from dbmigrate.planning.repeatables import Entry, Undone


def entry(name, event_id, run_id="r", checksum="c"):
    return Entry(name, event_id, run_id, checksum)


@pytest.mark.parametrize(
    ("needed", "order"),
    [
        ({}, ["a", "b", "c"]),
        ({"a": ["c"]}, ["c", "a", "b"]),
        ({"a": ["b"], "b": ["c"]}, ["c", "b", "a"]),
        ({"a": ["lost"]}, ["a", "b", "c"]),
        ({"a": ["c", "b"], "c": ["b"]}, ["b", "c", "a"]),
    ],
)
def test_each_comes_after_what_it_needs_else_by_name(needed, order):
    assert repeatables.in_order(["a", "b", "c"], needed) == order


def test_a_circle_does_not_hang():
    assert sorted(repeatables.in_order(["a", "b"], {"a": ["b"], "b": ["a"]})) == ["a", "b"]


def test_a_long_chain_does_not_overflow():
    names = [f"{number:05}" for number in range(3000)]
    needed = {name: [after] for name, after in itertools.pairwise(names)}

    assert repeatables.in_order(names, needed) == names[::-1]


@pytest.mark.parametrize(
    ("current", "due"),
    [
        ({"base": 1, "top": 2}, []),
        ({"base": 3, "top": 2}, ["top"]),
        ({"top": 2}, ["base", "top"]),
        ({"base": 1}, ["top"]),
        ({}, ["base", "top"]),
    ],
)
def test_one_is_due_when_what_it_needs_is_due_or_ran_later(current, due):
    entries = {name: entry(name, event) for name, event in current.items()}

    assert repeatables.due(["base", "top"], {"top": ["base"]}, entries) == due


def migration(name, depends):
    file = MigrationFile(name, f"repeatable/{name}", f"/r/{name}", is_repeatable=True)
    said = Annotation("depends", depends, Place(f"/r/{name}", 2), Direction.UP)
    return Migration(file, (), "", annotations=(said,) if depends else ())


@pytest.mark.parametrize(
    ("depends", "message"),
    [
        ({"a.sql": "b", "b.sql": "a"}, "repeatable/a.sql depends on b.sql, which depends on it"),
        ({"a.sql": "b", "b.sql": "c", "c.sql": "a"}, "repeatable/a.sql depends on c.sql, which depends on it"),
        ({"a.sql": "a.sql"}, "repeatable/a.sql depends on itself"),
        ({"a.sql": "b, c", "b.sql": "c", "c.sql": ""}, None),
    ],
)
def test_a_circle_is_named(depends, message):
    migrations = [migration(*each) for each in depends.items()]
    found = list(repeatables.circles(migrations, repeatables.needs(migrations)))

    assert [problem.message for problem in found] == ([message] if message else [])


def test_digits_are_a_version_and_a_file_of_that_name_needs_its_ending():
    both = migration("a.sql", "003, 003.sql, b")

    assert repeatables.needs([both]) == {"a.sql": ("003.sql", "b.sql")}
    assert [each.message for each in repeatables.faults([both], ["a.sql", "B.sql", "003.sql"], ["004"])] == [
        "repeatable/a.sql depends on 003, which is not applied",
        "repeatable/a.sql depends on b.sql, which is not there",
    ]


NO_TEXT, PARTLY = "the log has no earlier text of it", "it ran after a migration that stays applied, too"


@pytest.mark.parametrize(
    ("runs", "undone", "kept", "found"),
    [
        ("ABC", "C", "", Undone("v", entry("v", 1, "B"))),
        ("ABC", "BC", "", Undone("v", entry("v", 0, "A"))),
        ("ABC", "B", "", Undone("v", entry("v", 0, "A"))),
        ("ABC", "A", "", Undone("v", None, NO_TEXT)),
        ("ABC", "X", "", None),
        ("ABC", "C", "C", Undone("v", None, PARTLY)),
        ("ABC", "C", "A", Undone("v", entry("v", 1, "B"))),
        ("A", "A", "B", Undone("v", None, NO_TEXT)),
    ],
)
def test_a_rollback_goes_back_to_the_text_before_the_first_run_that_is_undone(runs, undone, kept, found):
    entries = [entry("v", number, run) for number, run in enumerate(runs)]

    assert repeatables.undone(entries, set(undone), set(kept)) == ((found,) if found else ())


def test_what_has_to_run_again_anyway_is_left_alone():
    assert repeatables.undone([entry("v", 1, "A"), entry("v", 2, "B", None)], {"A", "B"}, set()) == ()
