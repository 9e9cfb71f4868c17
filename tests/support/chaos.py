"""Runs that are disturbed at random, from a seed: what they migrate, what happens to them, what has to hold then."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial

import psycopg

from tests.support.children import eventually
from tests.support.clusters import crash
from tests.support.commands import Runner
from tests.support.databases import query
from tests.support.faults import FALSE
from tests.support.projects import Project
from tests.support.proxy import TO_CLIENT, TO_SERVER, Action, Ending, Fault, Proxy
from tests.support.servers import DatabaseServer

_SLOW = "select pg_sleep(0.02);"
_MARK = "-- mark"
_NOT_WRITTEN = ("W401", "W642", "the schema file is not up to date")
_TABLES = """\
create type mood as enum ('fine');
create table items (id int primary key, n int not null, note text);
insert into items select i, i, 'item ' || i from generate_series(1, 200) i;
create table whole (n int) partition by range (n);
create table part_1 partition of whole for values from (0) to (10);
create table part_2 partition of whole for values from (10) to (20);
"""


@dataclass
class Book:
    """Writes migrations that note in the table `ledger` what ran; `keys` are the notes that there can be, named as the
    log names its entries: version/direction[/step]."""

    project: Project
    keys: list[str] = field(default_factory=list)

    def whole(self, version: int, up: str, down: str) -> None:
        """In transactions, both ways."""
        notes = [self._note(f"{version}/{direction}") for direction in ("up", "down")]
        self.project.migration(f"{version}_whole", up=f"{up}\n{_SLOW}\n{notes[0]}", down=f"{down}\n{notes[1]}")

    def steps(self, version: int, up: Sequence[str], down: Sequence[str]) -> None:
        """Without one, both ways; `_MARK` stands for a statement that writes a note."""
        self.project.migration(
            f"{version}_steps",
            up=self._numbered(version, "up", up),
            down=self._numbered(version, "down", down),
            up_options=FALSE,
            down_options=FALSE,
        )

    def pairs(self, version: int, whole: str, up: Sequence[str], down: Sequence[str]) -> None:
        """Two pairs: a transaction of two statements, which is one step, and one without, undone in reverse order."""
        first = f"{whole}\n{self._note(f'{version}/up/1')}"
        rest = self._numbered(version, "up", up, first=3)
        back = self._numbered(version, "down", down)
        undo = f"drop table if exists pair_{version};\n{self._note(f'{version}/down/{len(down) + 1}')}"
        text = f"-- migrate:up\n{first}\n-- migrate:down\n{undo}\n-- migrate:up {FALSE}\n{rest}\n"
        self.project.write(f"{version}_pairs.sql", f"{text}-- migrate:down {FALSE}\n{back}\n")

    @property
    def ups(self) -> int:
        """The number of notes of an undisturbed run."""
        return sum("/up" in key for key in self.keys)

    def _numbered(self, version: int, direction: str, statements: Sequence[str], *, first: int = 1) -> str:
        lines = []
        for number, text in enumerate(statements, first):
            lines.append(self._note(f"{version}/{direction}/{number}") if text == _MARK else f"{text};")
        return "\n".join(lines)

    def _note(self, key: str) -> str:
        self.keys.append(key)
        return f"insert into ledger values ('{key}');"


def write(project: Project) -> Book:
    """25 migrations of every kind. The table `ledger` has to be there before."""
    book = Book(project)
    book.whole(101, _TABLES, "drop table whole, items; drop type mood;")
    for version in range(102, 126, 6):
        index = f"items_{version}"
        book.steps(
            version,
            [_MARK, f"create index concurrently {index} on items (n, id)", _MARK, f"select {version}", _MARK],
            [_MARK, f"drop index concurrently {index}", _MARK],
        )
        book.whole(
            version + 1, f"create table t_{version} (id int); update items set n = n + 1;", f"drop table t_{version};"
        )
        book.steps(
            version + 2,
            [f"drop index concurrently {index}", _MARK, f"create unique index concurrently u_{version} on items (id)"],
            [f"drop index concurrently u_{version}", _MARK, f"create index concurrently {index} on items (n, id)"],
        )
        book.pairs(
            version + 3,
            f"create table pair_{version + 3} (id int);",
            [f"create index concurrently on pair_{version + 3} (id)", _MARK],
            [_MARK],
        )
    for version in range(106, 126, 6):
        book.steps(
            version,
            [_MARK, f"reindex index concurrently u_{version - 4}", "vacuum items", _MARK],
            [_MARK, "vacuum items"],
        )
    detached = [_MARK, "alter table whole detach partition {} concurrently", _MARK]
    attached = [_MARK, "alter table whole attach partition {} for values from ({}) to ({})", _MARK]
    for version, name, bounds in ((107, "part_1", (0, 10)), (113, "part_2", (10, 20))):
        book.steps(version, [text.format(name) for text in detached], [text.format(name, *bounds) for text in attached])
    book.steps(119, ["alter type mood add value if not exists 'sad'", _MARK], [_MARK])
    book.whole(125, "alter table items add column extra text;", "alter table items drop column extra;")
    return book


@dataclass
class Round:
    """One database, and what happens to the runs on it: when so many notes are in the ledger, or at a message.

    `messages` is how many messages an undisturbed run sends. `said` is what the runs said, for a failure.
    """

    server: DatabaseServer
    name: str
    runner: Runner
    book: Book
    messages: int
    rng: random.Random
    said: list[str] = field(default_factory=list)
    was_lost: bool = False  # whether a run may have ended without the chance to write the schema file

    @property
    def url(self) -> str:
        return self.server.url(self.name)

    # -- harm

    def disturbed(self, *command: str) -> str:
        """Run a command, one to three times at once, while something happens to it; what was said on stderr."""
        with ExitStack() as stack:
            proxy = stack.enter_context(Proxy(self.server))
            count = self.rng.choice((1, 1, 1, 2, 3))
            urls = [proxy.url(self.name), *[self.url] * (count - 1)]
            processes: list = []
            happening = self._happening(proxy, processes)
            processes += [self.runner.start(*command, env={"DATABASE_URL": url}) for url in urls]
            threads = [threading.Thread(target=harm) for harm in happening]
            for thread in threads:
                thread.start()
            errors = []
            for process in processes:
                try:
                    errors.append(process.communicate(timeout=60)[1])
                except ValueError:  # the harm has read what was left
                    errors.append("")
                self.said.append(f"$ {' '.join(command)} -> {process.returncode}\n{errors[-1]}")
                self.was_lost |= process.returncode < 0 or any(word in errors[-1] for word in _NOT_WRITTEN)
            for thread in threads:
                thread.join()
        self._wait_for_server()
        return "\n".join(errors)

    def _happening(self, proxy: Proxy, processes: list) -> list[Callable[[], None]]:
        """What is going to happen: at a moment, in a thread; or at a message, by the proxy."""
        kind = self.rng.choice(
            ("signal", "signal", "kill", "terminate", "cut", "cut", "late", "message", "stall", "crash", "lock")
        )
        moment = partial(self._until, self._notes() + self.rng.randint(0, self._left()), self.rng.uniform(0, 0.03))
        self.said.append(f"# {kind}")
        if kind in ("cut", "late", "message", "stall"):
            proxy.arm(self._fault(kind, processes))
            return []
        harm = {"signal": self._signal, "kill": self._signal, "terminate": self._terminate}.get(kind)
        if harm is self._signal:
            number = signal.SIGKILL if kind == "kill" else self.rng.choice((signal.SIGINT, signal.SIGTERM))
            return [partial(self._after, processes, moment, partial(self._signal, processes, number))]
        if kind == "terminate":
            return [partial(self._after, processes, moment, self._terminate)]
        if kind == "crash":
            self.was_lost = True
            return [partial(self._after, processes, moment, partial(crash, self.server))]
        table = self.rng.choice(("items", "schema_migrations_log", "whole"))
        return [partial(self._after, processes, moment, partial(self._lock, table, processes))]

    def _fault(self, kind: str, processes: list) -> Fault:
        rng = self.rng
        direction = rng.choice((TO_SERVER, TO_CLIENT))
        most = self.messages * (3 if direction is TO_CLIENT else 1)  # there are several answers to one message
        number = rng.randint(8, max(round(most * self._left() / self.book.ups), 20))
        self.said.append(f"# at message {number} {direction.name}")
        if kind == "message":
            which = rng.choice((signal.SIGINT, signal.SIGTERM, signal.SIGKILL))
            return Fault(
                direction,
                rng.choice((Action.BEFORE, Action.AFTER)),
                number=number,
                call=partial(self._signal, processes, which),
            )
        if kind == "stall":
            return Fault(direction, Action.BEFORE, number=number, call=partial(time.sleep, rng.uniform(0.2, 2)))
        if kind == "late":  # the client has gone, and the server does not know it
            return Fault(TO_SERVER, Action.LATE, number=number, seconds=rng.uniform(0.2, 3))
        action = rng.choice((Action.CUT, Action.CUT_AFTER, Action.CUT_INSIDE))
        return Fault(direction, action, number=number, ending=rng.choice((Ending.RESET, Ending.CLOSE)))

    def _notes(self) -> int:
        return int(query(self.url, "select count(*) from ledger")[0][0])

    def _left(self) -> int:
        """How many notes are missing, about, if nothing is undone."""
        return max(self.book.ups - self._notes(), 5)

    def _until(self, notes: int, seconds: float, processes: list) -> None:
        """Wait until there are so many notes, and a little longer."""
        with suppress(psycopg.Error), psycopg.connect(self.url, autocommit=True) as conn:
            while any(process.poll() is None for process in processes):
                if conn.execute("select count(*) from ledger").fetchone()[0] >= notes:
                    break
                time.sleep(0.003)
        time.sleep(seconds)

    def _after(self, processes: list, moment: Callable[[list], None], harm: Callable[[], None]) -> None:
        moment(processes)
        with suppress(psycopg.Error):
            harm()

    def _signal(self, processes: list, number: signal.Signals) -> None:
        for process in processes[:1]:
            with suppress(ProcessLookupError):
                os.kill(process.pid, number)
        time.sleep(0.05)

    def _terminate(self) -> None:
        query(
            self.url,
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database()"
            " and application_name like 'dbmigrate %' and pid <> pg_backend_pid()",
        )

    def _lock(self, table: str, processes: list) -> None:
        """Somebody holds a table, and a signal comes while it is waited for."""
        with psycopg.connect(self.url) as conn:
            conn.execute(f"lock table {table} in share row exclusive mode".encode())
            time.sleep(0.4)
            self._signal(processes, signal.SIGTERM)
            time.sleep(0.3)

    def _wait_for_server(self) -> None:
        def answers() -> bool:
            with suppress(psycopg.OperationalError):
                return query(self.url, "select 1") == [(1,)]
            return False

        assert eventually(answers, seconds=30)

    # -- what a user does then

    def recover(self) -> None:
        """`up`, and `resume` where that says so, until there is nothing left to do."""
        for _ in range(10):
            done = self.undisturbed("up")
            if done.exit_code == 0:
                return
            assert (done.exit_code, "error[E502]" in done.stderr) == (5, True), self.story()
            done = self.undisturbed("resume")
            assert done.exit_code == 0, self.story()
        raise AssertionError(f"no end\n{self.story()}")

    def undisturbed(self, *command: str):
        done = self.runner.run(*command, env={"DATABASE_URL": self.url}, timeout=120)
        self.said.append(f"$ {' '.join(command)} -> {done.exit_code}\n{done.stdout}{done.stderr}")
        return done

    def story(self) -> str:
        return "\n".join(self.said)


LOG = """
select version || '/' || direction || coalesce('/' || step, ''), count(*) filter (where state = 'done')
from schema_migrations_log group by 1
"""
UNTRUE = """
select event_id, version, direction, step, state, error, finished_at from schema_migrations_log
where state = 'started' or finished_at is null or finished_at < started_at
   or (state = 'done') <> (error is null) or (state = 'done' and sqlstate is not null)
order by event_id
"""
LASTING = """
select 'item', id::text, n::text from items union all
select 'enum', enumlabel::text, null from pg_enum union all
select 'invalid', indexrelid::regclass::text, null from pg_index where not indisvalid union all
select 'version', version, null from schema_migrations union all
select 'half', inhrelid::regclass::text, null from pg_inherits where inhdetachpending
order by 1, 2
"""


def untruths(url: str, keys: Sequence[str]) -> list[str]:
    """What the log says that the ledger does not, or the other way round."""
    ledger = Counter({key: count for key, count in query(url, "select who, count(*) from ledger group by 1")})
    log = Counter({key: count for key, count in query(url, LOG)})
    found = [f"{key}: ran {ledger[key]} times, logged {log[key]} times" for key in keys if ledger[key] != log[key]]
    for (version,) in query(url, "select version from schema_migrations"):
        if log[f"{version}/up"] - log[f"{version}/down"] != 1:
            found.append(f"{version}: logged {log[f'{version}/up']} times up, {log[f'{version}/down']} times down")
    return [*found, *(f"untrue entry: {row}" for row in query(url, UNTRUE))]
