"""Each form of `lint --fix`: the unsafe file becomes the safe one, which ends in the same schema and blocks nobody."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbmigrate.impact import Verdict
from dbmigrate.lint import LintConfig, lint
from dbmigrate.migrations import parser
from tests.support.rewriting import FIXTURES, migrations, oldest_version, rewritten, text_of, write_project

REWRITTEN = [
    "01-create-index",
    "02-create-index-clauses",
    "03-drop-index",
    "04-reindex",
    "05-add-foreign-key",
    "07-add-check",
    "08-set-not-null",
    "09-set-not-null-18",
    "10-add-unique",
    "11-add-primary-key",
    "13-add-column-volatile",
    "14-add-column-serial",
    "19-type-timestamptz-utc",
    "23-enum-add-value",
    "25-attach-partition",
    "26-index-partitioned",
    "29-foreign-key-partitioned-18",
    "33-detach-partition",
    "34-refresh-matview",
    "39-several-statements",
]
# what the author has to decide, and what the original says of itself
OF_THE_AUTHOR = {"L132", "L141", "L143", "L173"}
WITH_BACKFILL = {"13-add-column-volatile", "14-add-column-serial"}
OF_BACKFILLS = {"W202", "squawk:syntax-error"}  # what reads a file without knowing them
STILL_BLOCKING = {
    "19-type-timestamptz-utc": [Verdict.BLOCKS_ALL],  # an index on the column is checked; the table is not rewritten
    "34-refresh-matview": [Verdict.BLOCKS_WRITES],  # nobody writes to a materialized view
}
LEFT = {
    "15-add-column-identity": "new --pattern add-identity parcel position",
    "12-none-add-exclude": "EXCLUDE has no safe form",
    "16-none-add-column-generated": "STORED column has no safe form",
    "17-type-int-to-bigint": "new --pattern change-type parcel weight",
    "18-type-varchar-shrink": "new --pattern change-type parcel label",
    "20-type-text-to-uuid": "new --pattern change-type parcel token",
    "21-rename-table": "new --pattern rename-table parcel shipment",
    "22-rename-column": "new --pattern rename-column parcel code barcode",
    "24-none-copies": "SET LOGGED copies the table",
    "27-unique-partitioned": "new --pattern add-unique ledger id booked_on",
    "28-foreign-key-partitioned": "new --pattern add-foreign-key ledger account_id",
    "30-change-primary-key": "new --pattern change-primary-key parcel code",
    "31-drop-primary-key": "first `alter table parcel replica identity using index`",
    "35-none-domain-check": "a CHECK of a domain has no safe form",
    "36-type-text-to-enum": "new --pattern change-type parcel state",
    "37-type-bigint-primary-key": "new --pattern change-type crate id",
    "38-split-table": "new --pattern drop-column parcel street",
}
NOTHING_FOUND = {"06-ok-add-column-references", "32-serial-to-identity"}


def test_every_fixture_is_one_or_the_other() -> None:
    assert {path.name for path in FIXTURES.iterdir()} == {*REWRITTEN, *LEFT, *NOTHING_FOUND}


@pytest.mark.parametrize("fixture", REWRITTEN)
def test_an_unsafe_file_becomes_the_safe_one(fixture: str, database_url: str, server, tmp_path: Path) -> None:
    oldest = oldest_version(fixture)
    if server.major < oldest:
        pytest.skip(f"for PostgreSQL {oldest} and later")
    config = LintConfig(server=oldest)
    path = write_project(tmp_path, text_of(fixture, "setup"), text_of(fixture, "unsafe"))

    found = rewritten(database_url, tmp_path, config=config, allows_split=True)

    assert found is not None
    assert (found.reason, found.fixed.left) == ("", ())  # the proof is part of it: same catalog, passes check
    assert parser.token_checksum(found.fixed.text) == parser.token_checksum(text_of(fixture, "safe"))
    dangerous = [each.verdict for each in found.locks_after if each.verdict.is_dangerous]
    assert dangerous == STILL_BLOCKING.get(fixture, [])
    path.write_bytes(found.fixed.text.encode())
    findings = lint(migrations(tmp_path), config=config, only={"002"})
    assert {each.code for each in findings} <= OF_THE_AUTHOR | (OF_BACKFILLS if fixture in WITH_BACKFILL else set())
    again = rewritten(database_url, tmp_path, config=config, allows_split=True)
    assert again is None or not again.is_changed


@pytest.mark.parametrize("fixture", LEFT)
def test_what_has_no_form_is_left_with_the_reason(fixture: str, database_url: str, tmp_path: Path) -> None:
    write_project(tmp_path, text_of(fixture, "setup"), text_of(fixture, "unsafe"))

    found = rewritten(database_url, tmp_path)

    assert found is not None
    assert found.fixed.text == text_of(fixture, "unsafe")
    reasons = [f"{left.refusal.reason} {left.refusal.hint}" for left in found.fixed.left]
    assert any(LEFT[fixture] in reason for reason in reasons), reasons


@pytest.mark.parametrize("fixture", sorted(NOTHING_FOUND))
def test_what_lint_does_not_find_is_not_touched(fixture: str, database_url: str, tmp_path: Path) -> None:
    write_project(tmp_path, text_of(fixture, "setup"), text_of(fixture, "unsafe"))

    assert rewritten(database_url, tmp_path) is None
