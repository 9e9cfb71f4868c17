"""The findings in each migration of ``tests/lint_corpus``: code and line, and nothing else.

Failing ones are those that the server, or the parser, refuses.
"""

from __future__ import annotations

from pathlib import Path

CORPUS = Path(__file__).resolve().parent.parent / "lint_corpus"
BASE = CORPUS / "20260101000000_create_shop.sql"
SAFE = sorted((CORPUS / "safe").glob("*.sql"))
DANGEROUS = sorted((CORPUS / "dangerous").glob("*.sql"))

EXPECTED: dict[str, list[str]] = {
    "index_orders": ["L101:2"],
    "drop_customer_index": ["L102:2", "L102:3"],
    "unique_references": ["L103:3"],
    "reference_countries": ["L104:4", "L173:4"],
    "check_amounts": ["L105:2"],
    "require_credit_and_created": ["L106:2"],
    "check_amounts_at_once": ["L107:3"],
    "lock_orders": ["L108:2"],
    "touch_orders": ["L109:2"],
    "create_invoices": ["L100:6", "L173:4"],
    "add_tokens": ["L111:2", "L111:3", "L111:4"],
    "amount_becomes_bigint": ["L112:2", "L112:3"],
    "compact_orders": ["L113:2", "L113:3", "L113:4"],
    "refresh_sales_blocking": ["L114:2", "L182:3"],
    "add_and_fill_channel": ["L115:3", "L143:1"],
    "drop_columns": ["L121:2", "L121:2", "L122:3", "L127:4", "L134:2"],
    "rename_things": ["L123:2", "L124:3", "L125:4"],
    "add_required_column": ["L126:2"],
    "delete_orders": ["L131:2", "L133:3"],
    "settle_orders": ["L132:2", "L135:5"],
    "delete_old_orders": ["L135:2"],
    "various_updates": ["L142:5", "L143:1"],
    "comment_orders": ["L141:4"],
    "archive_in_batches": ["L156:2"],
    "limit_update": ["L151:2"],
    "add_and_use_status": ["L152:3"],
    "index_if_not_exists": ["L153:2", "L154:3"],
    "long_name": ["L155:2"],
    "create_reporting_role": ["L161:4", "L162:4", "L163:3", "L164:5", "L181:6"],
    "vacuum_in_transaction": ["E220:2"],
}

FAILING = {
    "require_credit_and_created",
    "add_required_column",
    "limit_update",
    "add_and_use_status",
    "index_if_not_exists",
    "vacuum_in_transaction",
}


def name_of(path: Path) -> str:
    """The name of a migration without its version."""
    return path.stem.partition("_")[2]


def expected(path: Path) -> list[str]:
    return EXPECTED.get(name_of(path), [])
