"""The tree of blockers: who stands below whom."""

from __future__ import annotations

from datetime import UTC, datetime

from dbmigrate.diagnostics.lock_values import Picture, Session, Wait

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def session(pid: int, *blockers: int) -> Session:
    wait = Wait("ShareLock", "t", NOW, blockers) if blockers else None
    return Session(pid, "app", "me", "", None, "client backend", "active", NOW, NOW, NOW, "select 1", wait=wait)


def shape(*sessions: Session) -> list[object]:
    def drawn(node):
        return (node.session.pid, [drawn(child) for child in node.behind]) if node.behind else node.session.pid

    return [drawn(node) for node in Picture(NOW, {each.pid: each for each in sessions}).trees()]


def test_a_queue_stands_below_its_root_once_each() -> None:
    assert shape(session(1), session(2, 1), session(3, 1, 2), session(4, 1, 2, 3)) == [(1, [2, 3, 4])]
    assert shape(session(1), session(2, 1), session(3, 2), session(4, 2)) == [(1, [(2, [3, 4])])]


def test_two_roots_share_what_waits_for_both() -> None:
    assert shape(session(1), session(2), session(3, 1, 2), session(4, 3)) == [(1, [(3, [4])]), 2]


def test_a_deadlock_is_a_tree_too() -> None:
    assert shape(session(1, 2), session(2, 1), session(3, 2)) == [(1, [(2, [3])])]


def test_a_blocker_without_a_session_leaves_its_waiter_at_the_root() -> None:
    assert shape(session(5, 0), session(6, 5)) == [(5, [6])]
