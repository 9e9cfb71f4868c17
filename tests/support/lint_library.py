"""A second corpus for the linter: a library that is in use, 33 migrations with one hazard each, and 17 safe ones.

Each of the others runs alone after the migrations of the base.
"""

from __future__ import annotations

from pathlib import Path

from tests.support.lint_corpus import CORPUS, name_of

LIBRARY = CORPUS / "library"
BASE = sorted((LIBRARY / "base").glob("*.sql"))
HAZARDS = sorted((LIBRARY / "hazards").glob("*.sql"))
SAFE = sorted((LIBRARY / "safe").glob("*.sql"))

EXPECTED: dict[str, list[str]] = {
    "show_loans_by_policy": ["L128:2"],
    "force_row_security_of_books": ["L128:2"],
    "drop_policy_of_notes": ["L128:2"],
    "open_notes": ["L128:2"],
    "hide_books": ["L129:2"],
    "drop_trigger_of_loans": ["L136:2"],
    "disable_trigger_of_loans": ["L136:2"],
    "import_without_triggers": ["L136:2"],
    "drop_key_of_loans": ["L137:2"],
    "publish_no_identity": ["L137:2"],
    "drop_identity_of_loans": ["L137:2"],
    "drop_pages_by_execute": ["L121:5"],
    "index_titles_by_execute": ["L101:4"],
    "move_visits_of_2025": ["L183:4"],
    "add_branch_to_all": ["L116:4"],
    "copy_names_until_none_is_left": ["L158:7"],
    "raise_levels_until_none_is_left": ["L158:5"],
    "add_source_of_loans": ["L111:2"],
    "add_token_of_members": ["L111:2"],
    "lock_members_and_loans": ["L108:2", "L108:2"],
    "empty_notes_and_loans": ["L133:2", "L133:2"],
    "index_visits_of_2026": ["L154:2"],
    "create_reviews": ["L173:2"],
    "copy_fines_under_lock": ["L115:4"],
    "create_fines_of_loans": ["L100:3"],
    "check_pages": ["L105:2"],
    "require_pages": ["L106:2"],
    "count_pages_in_bigint": ["L112:2"],
    "rename_title": ["L123:2"],
    "delete_notes": ["L131:2"],
    "grant_books_to_everybody": ["L163:2"],
    "add_first_member": ["L162:2"],
    "count_loans_as_owner": ["L164:2"],
}

# migrations that the server refuses, and ones that never end
FAILING = {"index_visits_of_2026"}
ENDLESS = {"copy_names_until_none_is_left", "raise_levels_until_none_is_left"}


def expected(path: Path) -> list[str]:
    return EXPECTED.get(name_of(path), [])
