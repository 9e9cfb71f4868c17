"""Who waits for whom, for people and for programs. Pure."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

from dbmigrate.output import text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from dbmigrate.diagnostics.lock_values import Node, Picture, Session

_SHOWN = 120  # characters of a query
_INDENT = "  "


def lines(picture: Picture, environment: str | None = None) -> Iterator[str]:
    """The trees of blockers, then open transactions that nobody waits for, then what to do."""
    trees = picture.trees()
    if not trees:
        yield "Nobody waits for a lock"
    for node in trees:
        yield from _tree(node, picture.now, 0)
    if picture.idle:
        yield ""
        yield "Open transactions that nobody waits for:"
        for session in picture.idle:
            yield from _session(session, picture.now, 1)
    yield from _prepared(picture)
    if trees:
        yield ""
        named = f" -e {environment}" if environment else ""
        yield f"End a session with: dbmigrate{named} locks --kill {trees[0].session.pid}"


def _tree(node: Node, now: datetime, depth: int) -> Iterator[str]:
    yield from _session(node.session, now, depth, blocks=node.count)
    for child in node.behind:
        yield from _tree(child, now, depth + 1)


def _session(session: Session, now: datetime, depth: int, *, blocks: int = 0) -> Iterator[str]:
    indent = _INDENT * depth
    yield indent + one_line(session, now) + (f" · blocks {text.count(blocks, 'session')}" if blocks else "")
    if session.query:
        yield f"{indent}{_INDENT * 2}{_shortened(session.query)}"
    elif session.query is None and session.role:
        yield f"{indent}{_INDENT * 2}(its query is hidden from this role: grant pg_read_all_stats)"
    if session.holds and (blocks or session.wait is None):
        yield f"{indent}{_INDENT * 2}holds {text.one_line(', '.join(session.holds))}"


def one_line(session: Session, now: datetime) -> str:
    """``process 4711 · app · idle in transaction for 3 min 20 s · psql from 10.0.0.5``"""
    parts = [f"process {session.pid}", session.role or session.kind or "?", _activity(session, now)]
    client = f" from {session.client}" if session.client else ""
    if session.application:
        parts.append(session.application + client)
    elif client:
        parts.append(client.strip())
    if session.is_run:
        parts.append("holds the migration lock")
    return text.one_line(" · ".join(filter(None, parts)))


def _activity(session: Session, now: datetime) -> str:
    wait = session.wait
    if wait is not None:
        return f"waits{_ago(wait.since, now)} for {wait.mode} on {wait.on}"
    state = session.state or ""
    since = session.since or session.transaction_since
    return f"{state}{_ago(since, now)}" if state else ""


def _ago(since: datetime | None, now: datetime) -> str:
    return f" for {text.duration(max((now - since).total_seconds(), 0))}" if since else ""


def _shortened(query: str) -> str:
    line = " ".join(query.split())
    return text.one_line(line if text.cells(line) <= _SHOWN else f"{text.cut(line, _SHOWN)} ...")


def _prepared(picture: Picture) -> Iterator[str]:
    if not picture.prepared:
        return
    yield ""
    what = "one of them blocks others" if picture.blocks_by_prepared else "nobody waits for them"
    yield f"Prepared transactions, which hold locks without a session; {what}:"
    for each in picture.prepared:
        name = "'" + each.gid.replace("'", "''") + "'"
        shown = f"{name} · {each.owner}{_ago(each.since, picture.now)} · end it with ROLLBACK PREPARED {name}"
        yield _INDENT + text.one_line(shown)


# -------------------------------------------------------------------------------------------------------- for programs


def value(picture: Picture) -> dict[str, object]:
    """All sessions flat, with the process ids of their blockers; times are ISO 8601 in UTC."""
    return {
        "at": _time(picture.now),
        "waiting": len(picture.waiting),
        "sessions": [_session_value(session, picture) for session in picture.sessions.values()],
        "prepared": [
            {"gid": each.gid, "owner": each.owner, "prepared_at": _time(each.since)} for each in picture.prepared
        ],
    }


def _session_value(session: Session, picture: Picture) -> dict[str, object]:
    wait = session.wait
    behind = [each.pid for each in picture.waiting if each.wait and session.pid in each.wait.blockers]
    return {
        "pid": session.pid,
        "database": session.database,
        "role": session.role,
        "application": session.application,
        "client": session.client,
        "kind": session.kind,
        "state": session.state,
        "connected_at": _time(session.started_at),
        "transaction_since": _time(session.transaction_since),
        "since": _time(session.since),
        "query": session.query,
        "holds_migration_lock": session.is_run,
        "holds": list(session.holds),
        "waits_for": None if wait is None else {"mode": wait.mode, "on": wait.on, "since": _time(wait.since)},
        "blocked_by": list(wait.blockers) if wait else [],
        "blocks": behind,
    }


def _time(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat() if moment else None
