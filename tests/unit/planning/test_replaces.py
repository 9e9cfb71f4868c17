"""`replaces`: which versions a text names, and how a text names versions; the version of a squashed file."""

from __future__ import annotations

import pytest

from dbmigrate.errors import PlanError
from dbmigrate.migrations import parser
from dbmigrate.model import Applied, History, MigrationFile, Order
from dbmigrate.planning import replaces, squash


def migration(name, said=""):
    file = MigrationFile(name.partition("_")[0], f"{name}.sql", f"db/{name}.sql")
    return parser.read_text(file, f"{said}\n-- migrate:up\nselect 1;\n-- migrate:down\n")


def named(said):
    (annotation,) = migration("9_x", f"-- migrate:replaces {said}").annotated("replaces")
    return replaces.versions(annotation)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("001-003", ("001", "002", "003")),
        ("8-11", ("8", "9", "10", "11")),
        ("098 - 101,\n--   7, 7", ("098", "099", "100", "101", "7")),
        ("20260101000000", ("20260101000000",)),
        ("3-1", ()),
        ("1-003", ()),
        ("001-3", ()),
        ("1-10001", ()),
        ("1-" + "9" * 5000, ()),
    ],
)
def test_a_range_is_every_number_as_wide_as_its_first(said, expected):
    assert named(said) == expected


@pytest.mark.parametrize(
    "versions",
    [
        ("001", "002", "003", "010"),
        ("9", "10", "11"),
        ("1", "02", "3"),
        tuple(str(20260101000000 + 7 * number) for number in range(12)),
        ("0", "00", "000"),
    ],
)
def test_what_is_written_names_the_same_versions(versions):
    text = replaces.text(versions)

    assert named(text) == versions
    assert max(map(len, text.split("\n"))) < 100


def test_all_some_and_none():
    history = History((Applied("1"), Applied("2"), Applied("4")))
    said = [("a", "1, 2"), ("b", "2, 3"), ("c", "5"), ("4_d", "1")]

    found = replaces.of([migration(f"9{name}", f"-- migrate:replaces {text}") for name, text in said[:3]], history)
    (applied,) = replaces.of([migration("4_d", "-- migrate:replaces 1")], history)

    assert [(each.takes_over, each.is_split) for each in (*found, applied)] == [
        (True, False),
        (False, True),
        (False, False),
        (False, False),
    ]


@pytest.mark.parametrize(
    ("names", "last", "order", "expected"),
    [
        ("01_a 02_b", "02", Order.NAME, "03"),
        ("01_a 02_b 03_c", "02", Order.NAME, "00"),
        ("00_a 01_b 02_c", "01", Order.NAME, "000"),
        ("1_a 2_b 5_c", "2", Order.NUMERIC, "3"),
        ("8_a 9_b 10_c", "9", Order.NUMERIC, "0"),
        ("98_a 99_b", "99", Order.NAME, "00"),
        ("20260101000000_a 20260101000059_b 20260101000100_c", "20260101000059", Order.NAME, "20260101000060"),
    ],
)
def test_the_version_of_a_squashed_file(names, last, order, expected):
    migrations = [migration(name) for name in names.split()]
    taken = squash.chosen(migrations, last)

    assert squash.version([each.file for each in migrations], taken, order) == expected


def test_files_for_some_environments_are_left_out():
    migrations = [migration("01_a"), migration("02_b", "-- migrate:env dev"), migration("03_c")]

    assert [each.version for each in squash.chosen(migrations, "03")] == ["01", "03"]
    with pytest.raises(PlanError, match=r"only 01_a\.sql comes before or at 02"):
        squash.chosen(migrations, "02")
