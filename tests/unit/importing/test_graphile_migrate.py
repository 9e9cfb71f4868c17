"""graphile-migrate: headers, the chain of hashes, placeholders and what is no migration."""

from __future__ import annotations

import hashlib

import pytest

from dbmigrate.errors import MigrationFileError
from dbmigrate.importing.graphile_migrate import TOOL
from dbmigrate.importing.values import Answers, HistoryTable, Row, State
from tests.support.importing_states import fixture, source


def chained(*bodies: str, headers: str = "") -> dict[str, str | bytes]:
    """Committed files with right hashes."""
    files: dict[str, str | bytes] = {}
    before = ""
    for number, body in enumerate(bodies, 1):
        text = f"{before}\n{body.strip()}".strip() + "\n"
        hash_ = "sha1:" + hashlib.sha1(text.encode()).hexdigest()
        head = f"--! Previous: {before or '-'}\n--! Hash: {hash_}\n{headers}\n"
        files[f"committed/{number:06}.sql"] = head + body
        before = hash_
    return files


def read(files: dict[str, str | bytes], answers: Answers | None = None):
    return TOOL.read(source(**files), answers or Answers())


def one(body: str, answers: Answers | None = None, **files: str):
    [migration] = read({**chained(body), **files}, answers).migrations
    return migration


def test_the_header_is_left_out_and_its_message_is_the_name() -> None:
    [first, *_] = TOOL.read(fixture("graphile-migrate"), Answers()).migrations

    assert (first.version, first.name) == ("000001", "create harbour")
    assert first.ups[0].sql.startswith("-- the harbour: boats")
    assert first.downs is None


def test_without_a_message_the_slug_is_the_name() -> None:
    [migration] = read({"committed/000001-the-boats.sql": next(iter(chained("select 1;").values()))}).migrations

    assert migration.name == "the boats"


def test_a_row_has_the_name_without_slug() -> None:
    first = TOOL.read(fixture("graphile-migrate"), Answers()).migrations[0]

    assert first.path.endswith("000001-create-harbour.sql")
    assert TOOL.matches(first, Row("000001.sql", State.APPLIED))
    assert TOOL.matches(first, Row("000001-create-harbour.sql", State.APPLIED))
    assert not TOOL.matches(first, Row("1.sql", State.APPLIED))


def test_the_first_line_of_the_body_may_say_no_transaction() -> None:
    migration = one("--! no-transaction\nvacuum;\n")

    assert not migration.ups[0].transaction
    assert migration.ups[0].sql == "vacuum;\n"
    assert one("-- x\n--! no-transaction\nselect 1;\n").ups[0].transaction


def test_split_lines_are_text() -> None:
    assert one("--! split: 1-current.sql\nselect 1;\n").ups[0].sql == "--! split: 1-current.sql\nselect 1;\n"


def test_the_chain_of_hashes_proves_body_and_predecessors() -> None:
    files = chained("select 1;\n", "\n\nselect 2;  \n\n")
    first, second = read(files).migrations
    hashes = [str(text).split("\n")[1].removeprefix("--! Hash: ") for text in files.values()]

    assert TOOL.verifies(first, Row("000001.sql", State.APPLIED, checksum=hashes[0]))
    assert TOOL.verifies(second, Row("000002.sql", State.APPLIED, checksum=hashes[1]))
    assert TOOL.verifies(second, Row("000002.sql", State.APPLIED, checksum=hashes[0])) is False


def test_an_edited_body_does_not_have_the_hash_of_its_header() -> None:
    files = {name: str(text).replace("select 1", "select 9") for name, text in chained("select 1;\n").items()}
    [migration] = read(dict(files)).migrations
    hash_ = next(iter(files.values())).split("\n")[1].removeprefix("--! Hash: ")

    assert TOOL.verifies(migration, Row("000001.sql", State.APPLIED, checksum=hash_)) is False


def test_a_file_may_say_that_its_hash_is_not_right() -> None:
    files = chained("select 1;\n", headers="--! AllowInvalidHash\n")
    files = {name: str(text).replace("select 1", "select 9") for name, text in files.items()}
    [migration] = read(dict(files)).migrations
    hash_ = next(iter(files.values())).split("\n")[1].removeprefix("--! Hash: ")

    assert TOOL.verifies(migration, Row("000001.sql", State.APPLIED, checksum=hash_)) is None


def test_crlf_has_the_hash_of_the_text_with_unix_line_ends() -> None:
    files = chained("select 1;\nselect 2;\n")
    hash_ = str(next(iter(files.values()))).split("\n")[1].removeprefix("--! Hash: ")
    windows = {name: str(text).replace("\n", "\r\n") for name, text in files.items()}
    [migration] = read(dict(windows)).migrations

    assert TOOL.verifies(migration, Row("000001.sql", State.APPLIED, checksum=hash_))
    assert migration.ups[0].sql == "select 1;\r\nselect 2;\r\n"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("select 1;\n", 1),
        ("--! Previous: -\n\nselect 1;\n", 1),
        ("--! Previous: -\n--! Hash: sha1:x\nselect 1;\n", 3),
    ],
)
def test_a_file_without_a_right_header_is_refused(text: str, line: int) -> None:
    with pytest.raises(MigrationFileError) as told:
        read({"committed/000001.sql": text})

    assert (told.value.code, told.value.place and told.value.place.line) == ("E281", line)


def test_a_broken_chain_is_refused_unless_a_file_was_skipped() -> None:
    files = chained("select 1;\n", "select 2;\n", "select 3;\n")
    del files["committed/000002.sql"]
    with pytest.raises(MigrationFileError, match="previous hash"):
        read(files)

    full = chained("select 1;\n", "select 2;\n", "select 3;\n")
    assert len(read(full, Answers(skip=frozenset({"committed/000002.sql"}))).migrations) == 2


def test_an_include_that_was_not_put_in_is_refused() -> None:
    with pytest.raises(MigrationFileError, match="include") as told:
        one("select 1;\n--!include functions/x.sql\n")

    assert told.value.place is not None
    assert told.value.place.line == 5


def test_unfinished_work_is_named() -> None:
    files = {**chained("select 1;\n"), "current.sql": "x", "current/1-x.sql": "x", "fixtures/seed.sql": "x"}

    reading = read(files)
    assert len(reading.migrations) == 1
    assert set(reading.left_out) == {"current.sql", "current/1-x.sql", "fixtures/seed.sql"}


def test_placeholders_are_replaced_everywhere_at_the_ends_of_words() -> None:
    gmrc = '{ // a comment\n "placeholders": {":ROLE": "ann", /* x */ ":HOME": "http://x",}, "afterReset": ["!y.sql"] }'
    migration = one("grant a to :ROLE; select ':ROLE :ROLES :HOME :OTHER a::TEXT';\n", **{".gmrc": gmrc})

    assert migration.ups[0].sql == "grant a to ann; select 'ann :ROLES http://x :OTHER a::TEXT';\n"
    assert not any(each.asks for each in migration.judgements)
    assert ["ROLE is replaced" in each.message for each in migration.judgements] == [True, False]


def test_hashes_are_taken_before_placeholders() -> None:
    fourth = TOOL.read(fixture("graphile-migrate"), Answers()).migrations[3]

    assert "Sula; two oars" in fourth.ups[0].sql
    assert fourth.sums["sha1"] == "sha1:93fb6873a6b282f70ca532d54850a1d0abeadb5d"


def test_what_has_no_value_is_asked_for() -> None:
    gmrc = '{"placeholders": {":SECRET": "!ENV"}}'
    asked = one("alter database :DATABASE_NAME owner to :SECRET; select ':TEXT';\n", **{".gmrc": gmrc})
    answers = Answers(placeholders={"DATABASE_NAME": "harbour", "SECRET": "ann"})
    answered = one("alter database :DATABASE_NAME owner to :SECRET;\n", answers, **{".gmrc": gmrc})

    assert [each.message.rpartition(" ")[2] for each in asked.judgements if each.asks] == [":DATABASE_NAME", ":SECRET"]
    assert answered.ups[0].sql == "alter database harbour owner to ann;\n"


def test_without_a_gmrc_everything_that_looks_like_a_placeholder_is_asked_for() -> None:
    [question] = one("select ':TEXT', a::INT;\n").judgements

    assert question.asks
    assert "--placeholder TEXT=:TEXT" in (question.hint or "")
    assert one("select ':TEXT';\n", Answers(placeholders={"TEXT": ":TEXT"})).ups[0].sql == "select ':TEXT';\n"


def test_actions_are_left_out_with_a_word() -> None:
    reading = read({**chained("select 1;\n"), ".gmrc": '{"afterReset": ["!x.sql"], "afterCurrent": []}'})

    [told] = reading.judgements
    assert told.message == ".gmrc: its actions are left out: afterReset"


def test_a_gmrc_that_is_not_json_is_refused() -> None:
    with pytest.raises(MigrationFileError, match="not valid JSON"):
        read({**chained("select 1;\n"), ".gmrc": "{"})


def test_it_is_told_by_its_header_and_by_its_table() -> None:
    assert TOOL.recognises(fixture("graphile-migrate"))
    assert not TOOL.recognises(source(**{"000001.sql": "select 1;"}))
    columns = ("hash", "previous_hash", "filename", "date")
    assert TOOL.owns(HistoryTable("graphile_migrate", "migrations", columns), frozenset())
    assert not TOOL.owns(HistoryTable("graphile_migrate", "current", ("filename", "content", "date")), frozenset())
