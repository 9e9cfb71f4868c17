"""The graph of dependencies as text."""

from __future__ import annotations

from dbmigrate.planning.graph import Node, tree


def test_a_chain_that_is_longer_than_functions_can_call_themselves():
    chain = [Node(str(number), f"{number}.sql", (str(number - 1),) if number else ()) for number in range(3000)]

    lines = list(tree(chain))

    assert (len(lines), lines[0], lines[-1]) == (3000, "0.sql", "    " * 2998 + "`-- 2999.sql")
