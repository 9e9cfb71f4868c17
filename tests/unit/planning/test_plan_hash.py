"""The hash of a plan stays what it was: one that was reviewed with an earlier version may run with this one."""

from __future__ import annotations

import hashlib
import json
import tracemalloc

import pytest

from dbmigrate.model import Direction, History, Plan, Turn
from dbmigrate.planning import plan_hash
from tests.support.values import history, step


def as_one_document(plan: Plan, recorded: History, table: str, settings: dict[str, str]) -> str:
    """How the hash is defined: SHA-256 of one JSON document with sorted keys."""
    steps = []
    for each in plan.steps:
        checksum = each.migration.checksum if each.migration else None
        turn = [each.turn.value] if each.turn is not Turn.NOW else []
        steps.append([each.version, each.name, each.direction, each.action, sorted(each.done), checksum, *turn])
    document: dict[str, object] = {
        "format": 1,
        "table": table,
        "start": {"applied": sorted(item.version for item in recorded.applied), "unfinished": []},
        "steps": steps,
    }
    if settings:
        document["settings"] = sorted(map(list, settings.items()))
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


@pytest.mark.parametrize("names", [(), ("1_a",), ("1_a", '2_"é\\', "3_c")])
@pytest.mark.parametrize("settings", [{}, {"role": "r", "search_path": 'a, "b"'}])
@pytest.mark.parametrize("table", ["schema_migrations", 'a "steps": [], "table'])
def test_it_is_that_of_one_json_document(names, settings, table):
    made = Plan((*map(step, names), step("4_d", Direction.DOWN)) if names else ())
    recorded = history("0", "00")

    found = plan_hash.digest(made, recorded, table=table, settings=settings)

    assert found == as_one_document(made, recorded, table, settings)


def test_its_value_is_known():
    found = plan_hash.digest(Plan((step("1_a"),)), history("0"), table="schema_migrations", settings={})

    assert found == "1d1f08568bc23d9ea823969fd70f988655e98c14c786ea54a8d78f184d1d5abb"


def test_it_takes_no_memory_for_each_step():
    made = Plan(tuple(step(f"{number}_t") for number in range(1000)))

    tracemalloc.start()
    try:
        plan_hash.digest(made, History(), table="t", settings={})
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 30_000  # the document has 80,000 bytes
