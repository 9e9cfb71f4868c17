"""What `locks` finds, as values, and the tree of blockers that they make. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

__all__ = ["Node", "Picture", "Prepared", "Session", "Wait"]

PREPARED = 0  # the process id of a prepared transaction in pg_blocking_pids()


@frozen
class Wait:
    """A lock that a session waits for: its mode, on what, since when, and who blocks it or is ahead in the queue."""

    mode: str
    on: str
    since: datetime | None
    blockers: tuple[int, ...]


@frozen
class Session:
    """A session of the server. What the role may not see is None.

    `since` is when its state or statement began, `is_run` whether it holds a migration lock, `holds` its locks on
    relations that somebody waits for.
    """

    pid: int
    database: str | None
    role: str | None
    application: str | None
    client: str | None
    kind: str
    state: str | None
    started_at: datetime | None
    transaction_since: datetime | None
    since: datetime | None
    query: str | None
    is_run: bool = False
    wait: Wait | None = None
    holds: tuple[str, ...] = ()


@frozen
class Prepared:
    """A prepared transaction, which holds locks without a session."""

    gid: str
    owner: str
    since: datetime


@frozen
class Node:
    """A session in the tree, and those that wait because of it."""

    session: Session
    behind: tuple[Node, ...] = ()

    @property
    def count(self) -> int:
        """How many wait because of it, directly or through others."""
        return sum(1 + node.count for node in self.behind)


@frozen
class Picture:
    """All of it at one moment of the server's clock."""

    now: datetime
    sessions: Mapping[int, Session]
    prepared: tuple[Prepared, ...] = ()

    @property
    def waiting(self) -> tuple[Session, ...]:
        """The sessions that wait for a lock."""
        return tuple(session for session in self.sessions.values() if session.wait is not None)

    @property
    def idle(self) -> tuple[Session, ...]:
        """The sessions with an open transaction, or a migration lock, that nobody waits for."""
        in_trees = {session.pid for node in self.trees() for session in _all(node)}
        return tuple(session for session in self.sessions.values() if session.pid not in in_trees)

    @property
    def blocks_by_prepared(self) -> bool:
        """Whether a prepared transaction blocks somebody."""
        return any(PREPARED in session.wait.blockers for session in self.waiting if session.wait)

    @property
    def is_partial(self) -> bool:
        """Whether the role may not see what some of the sessions do."""
        return any(each.query is None and each.kind == "client backend" for each in self.sessions.values())

    def trees(self) -> tuple[Node, ...]:
        """The blockers that wait for nobody themselves, each with those behind it; every session stands once.

        It stands below the blocker that is nearest to a root: in a queue everybody also waits for those ahead.
        In a deadlock, which the server ends soon, the lowest process id stands for the root.
        """
        behind = {
            each.pid: [pid for pid in each.wait.blockers if pid in self.sessions] for each in self.waiting if each.wait
        }
        blockers = {pid for pids in behind.values() for pid in pids}
        without = [pid for pid, pids in behind.items() if not pids]  # a prepared transaction, or one that has ended
        roots = sorted((blockers - behind.keys()) | set(without))
        parents = _parents(roots, behind)
        while left := sorted(behind.keys() - parents.keys() - set(roots)):
            roots.append(left[0])
            parents = _parents(roots, behind)
        return tuple(self._node(pid, parents) for pid in roots)

    def _node(self, pid: int, parents: Mapping[int, int]) -> Node:
        children = sorted(child for child, parent in parents.items() if parent == pid)
        return Node(self.sessions[pid], tuple(self._node(child, parents) for child in children))


def _parents(roots: list[int], behind: Mapping[int, list[int]]) -> dict[int, int]:
    """The blocker below which each waiting session stands: found from the roots outwards."""
    parents: dict[int, int] = {}
    level = list(roots)
    while level:
        following = []
        for pid, blockers in behind.items():
            nearest = next((blocker for blocker in level if blocker in blockers), None)
            if nearest is not None and pid not in parents and pid not in roots:
                parents[pid] = nearest
                following.append(pid)
        level = following
    return parents


def _all(node: Node) -> Iterator[Session]:
    yield node.session
    for child in node.behind:
        yield from _all(child)
