"""Files of our format from what a tool's project says; read by our own parser before anything is written."""

from __future__ import annotations

import pytest

from dbmigrate.errors import ConfigError, MigrationFileError
from dbmigrate.importing.convert import Conversion, MissingDown, Present, convert
from dbmigrate.importing.values import ForeignMigration, Judgement, Kind, Part, Reading, Source, SourceFile
from dbmigrate.migrations import parser
from dbmigrate.model import Direction, MigrationFile, Order, Place


def migration(
    version: str = "1", up: str = "select 1;\n", down: str | None = "select 2;\n", **more: object
) -> ForeignMigration:
    downs = None if down is None else (Part(down),)
    path = str(more.pop("path", f"{version}_x.sql"))
    return ForeignMigration(version, "x", path, (Part(up),), downs, (version,), **more)  # type: ignore[arg-type]


def made(*migrations: ForeignMigration, how: MissingDown = MissingDown.IRREVERSIBLE, **texts: str) -> Conversion:
    present = Present("db/migrations", {f"{name}.sql": text for name, text in texts.items()})
    files = tuple(SourceFile(each.path, each.ups[0].sql.encode()) for each in migrations)
    return convert("goose", Source("old", files), Reading(migrations), present=present, style=(how, Order.NAME))


def text(*migrations: ForeignMigration, how: MissingDown = MissingDown.IRREVERSIBLE) -> str:
    return made(*migrations, how=how).files[0].text


def test_a_file_begins_with_where_it_is_from() -> None:
    assert text(migration()) == (
        "-- imported: goose 1 1_x.sql\n-- migrate:up\nselect 1;\n\n-- migrate:down\nselect 2;\n"
    )


def test_text_without_a_last_line_end_gets_one() -> None:
    assert "select 1\n\n-- migrate:down\nselect 2\n" in text(migration(up="select 1", down="select 2"))


def test_line_ends_of_windows_arrive_as_they_were() -> None:
    found = text(migration(up="\ufeffselect '\r\n';\r\n"))

    assert "-- migrate:up\nselect '\r\n';\r\n\n-- migrate:down" in found


@pytest.mark.parametrize(
    ("how", "header"),
    [(MissingDown.IRREVERSIBLE, "-- migrate:down irreversible:true\n--"), (MissingDown.EMPTY, "-- migrate:down\n--")],
)
def test_a_missing_down_is_written_as_asked_for_and_said(how: MissingDown, header: str) -> None:
    found = made(migration(down=None), how=how)

    assert header in found.files[0].text
    assert any("has no down" in each.message for each in found.judgements)


def test_an_empty_down_stays_an_empty_one() -> None:
    found = made(ForeignMigration("1", "x", "1_x.sql", (Part("select 1;"),), (), ("1",)))

    assert found.files[0].text.endswith("-- migrate:down\n")
    assert not any("has no down" in each.message for each in found.judgements)


def test_what_needs_several_sections_is_one_migration_with_its_down_last() -> None:
    found = text(migration(up="create table t (a int);\nvacuum t;\nselect 1;\n"))
    sections = parser.read_text(MigrationFile("1", "1_x.sql", "1_x.sql"), found).sections

    assert [(each.direction, each.transaction, each.count) for each in sections] == [
        (Direction.UP, True, 1), (Direction.DOWN, True, 0),
        (Direction.UP, False, 1), (Direction.DOWN, True, 0),
        (Direction.UP, True, 1), (Direction.DOWN, True, 1),
    ]  # fmt: skip


def test_a_down_of_several_sections_runs_in_its_order() -> None:
    found = text(migration(down="drop table a;\ndrop index concurrently i;\ndrop table b;\n"))
    migration_ = parser.read_text(MigrationFile("1", "1_x.sql", "1_x.sql"), found)
    downs = migration_.run_order(Direction.DOWN)

    assert [each.sql for down in downs for each in down.statements or ()] == [
        "drop table a;",
        "drop index concurrently i;",
        "drop table b;",
    ]


def test_only_the_last_section_says_that_there_is_no_way_back() -> None:
    found = text(migration(up="select 1;\nvacuum t;\n", down=None))

    assert found.count("irreversible:true") == 1


def test_a_repeatable_one_goes_to_its_folder() -> None:
    found = made(migration(), migration("R", kind=Kind.REPEATABLE, path="R__v.sql"))

    assert found.files[1].name == "repeatable/x.sql"
    assert found.files[1].text.startswith("-- migrate:repeatable\n-- imported: goose R R__v.sql\nselect 1;\n")


def test_every_question_is_asked_at_once() -> None:
    place = Place("1_x.sql", 3)
    asking = [Judgement(f"{name} has no value", place, f"--placeholder {name}=VALUE", asks=True) for name in "ab"]

    with pytest.raises(ConfigError) as caught:
        made(migration(judgements=(asking[0],)), migration("2", judgements=(asking[1],)))

    assert caught.value.code == "E284"
    assert "1_x.sql:3:1: a has no value; 1_x.sql:3:1: b has no value" in caught.value.message
    assert caught.value.hint == "--placeholder a=VALUE; --placeholder b=VALUE"


def test_nothing_to_convert_is_an_error() -> None:
    with pytest.raises(ConfigError) as caught:
        made()

    assert caught.value.code == "E282"


def test_a_fault_is_told_at_its_place_in_the_old_file() -> None:
    old = migration(up="select 2;\n\\i x.sql\n")
    file = SourceFile(old.path, b"-- +goose Up\nselect 2;\n\\i x.sql\n")

    with pytest.raises(MigrationFileError) as caught:
        convert(
            "goose",
            Source("old", (file,)),
            Reading((old,)),
            present=Present("m", {}),
            style=(MissingDown.EMPTY, Order.NAME),
        )

    assert str(caught.value.place) == "1_x.sql:3:1"


def test_a_merge_conflict_in_an_old_file_is_refused() -> None:
    with pytest.raises(MigrationFileError) as caught:
        made(migration(up="select 1;\n<<<<<<< HEAD\nselect 2;\n"))

    assert caught.value.code == "E223"
    assert "--skip 1_x.sql" in (caught.value.hint or "")


# ----------------------------------------------------------------------------------------------- what is there already


def test_what_an_earlier_import_wrote_is_there() -> None:
    first = made(migration()).files[0]

    (again,) = made(migration(), **{first.name.removesuffix(".sql"): first.text}).files

    assert (again.is_there, again.differs) == (True, False)


def test_it_is_found_by_its_first_line_under_another_name() -> None:
    first = made(migration()).files[0]

    (again,) = made(migration(), **{"1_renamed": first.text.replace("select 1", "select 3")}).files

    assert (again.name, again.is_there, again.differs) == ("1_renamed.sql", True, True)
    assert "select 3" in again.text


def test_an_edited_one_is_kept_and_said() -> None:
    first = made(migration()).files[0]

    found = made(migration(), **{"1_x": first.text.replace("select 2", "select 3")})

    assert any("it is kept" in each.message for each in found.judgements)


def test_a_converted_checkout_of_git_is_the_same_file() -> None:
    first = made(migration()).files[0]

    assert not made(migration(), **{"1_x": first.text.replace("\n", "\r\n")}).files[0].differs


def test_another_file_of_that_name_is_never_written_over() -> None:
    with pytest.raises(ConfigError) as caught:
        made(migration(), **{"1_x": "-- migrate:up\n-- migrate:down\n"})

    assert caught.value.code == "E285"


def test_a_version_that_another_file_has_is_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        made(migration(), **{"1_other": "-- migrate:up\n-- migrate:down\n"})

    assert caught.value.code == "E285"
    assert "1_other.sql" in caught.value.message


def test_a_second_import_adds_what_is_new() -> None:
    first = made(migration("a"), migration("b"))
    there = {file.name.removesuffix(".sql"): file.text for file in first.files}

    again = made(migration("a"), migration("b"), migration("c"), **there)

    assert [(file.version, file.is_there) for file in again.files] == [("0010", True), ("0020", True), ("0030", False)]
