"""Tables, migrations and runs for tests of backfills."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from dataclasses import replace

from dbmigrate.api.migrator import Migrator, Options
from dbmigrate.api.records import Upkeep
from dbmigrate.errors import Error
from dbmigrate.events import BackfillProgress, Event, RunStarted, Warned
from dbmigrate.model import Policy, Problem
from tests.support.databases import query
from tests.support.projects import Project

# keys by name: the columns, and what makes row g of many
KEYS = {
    "bigint": ("id bigint primary key", "g * 3"),
    "uuid": ("id uuid primary key", "md5(g::text)::uuid"),
    "text": ('id text collate "C" primary key', "'k''' || g || chr(92)"),
    "composite": ("a int, b text, primary key (a, b)", "g % 7, 'k' || g"),
}
COUNTING = "update t set n = n + 1 where :batch;"


class Told:
    """A listener that keeps what it is told."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def __call__(self, event: Event) -> None:
        self.events.append(event)

    @property
    def codes(self) -> list[str]:
        return [event.problem.code for event in self.events if isinstance(event, Warned)]

    @property
    def planned(self) -> list[Problem]:
        """What is said of the plan that runs."""
        return [problem for each in self.events if isinstance(each, RunStarted) for problem in each.plan.problems]

    @property
    def waits(self) -> list[str]:
        return [each.waiting for each in self.events if isinstance(each, BackfillProgress) and each.waiting]


def fill(url: str, key: str = "bigint", number: int = 5000) -> None:
    """Make the table `t` with a counter `n` in each row."""
    columns, values = KEYS[key]
    names = "a, b" if key == "composite" else "id"
    query(
        url,
        f"create table t (n int not null default 0, {columns});"
        f"insert into t ({names}) select {values} from generate_series(1, {number}) g; analyze t",
    )


def project_of(project: Project, up: str = COUNTING, options: str = "", **more: str) -> None:
    """A migration 1_fill with a backfill of `t`."""
    table = "" if "backfill:" in options else "backfill:t "
    project.migration("1_fill", up=up, up_options=f"{table}{options}".strip(), **more)


def migrator(url: str, project: Project, told: Callable[[Event], None] | None = None, **changes: object) -> Migrator:
    policy = Policy(defers_backfills=bool(changes.pop("defers", False)))
    options = replace(Options(directories=(str(project.migrations),), policy=policy), **changes)  # type: ignore[arg-type]
    return Migrator(url, options, on_event=told or Told())


def upkeep(url: str, project: Project) -> Upkeep:
    return Upkeep(url, Options(directories=(str(project.migrations),)))


def counters(url: str) -> tuple[int, int, int]:
    """The lowest and the highest counter, and how many rows there are."""
    return query(url, "select min(n), max(n), count(*) from t")[0]


def versions(url: str) -> list[str]:
    return [row[0] for row in query(url, "select version from schema_migrations order by 1")]


def killed_until_done(url: str, project: Project, kills: int, seconds: float) -> int:
    """Run `up` again and again, each time in a process that is killed; how often it was, until one came to its end."""
    happened = 0
    while True:
        pid = os.fork()
        if pid == 0:
            _end_with_a_run(url, project)
        if happened < kills:
            time.sleep(random.uniform(0.01, seconds))
            os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        if os.WIFSIGNALED(status):
            happened += 1
        elif os.WEXITSTATUS(status) == 0:
            return happened
        else:
            raise AssertionError(f"a run ended with {os.WEXITSTATUS(status)}")


def _end_with_a_run(url: str, project: Project) -> None:
    code = 9
    try:
        migrator(url, project).up()
        code = 0
    except Error as exc:
        os.write(2, f"{exc.code}: {exc.message}\n".encode())
        code = exc.exit_code
    finally:
        os._exit(code)
