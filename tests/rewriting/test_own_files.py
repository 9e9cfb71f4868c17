"""Two forms in each file, odd comments, odd names: rewritten, cut off before each statement, resumed, compared."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path

import psycopg
import pytest

from dbmigrate import catalog
from dbmigrate.api.migrator import Migrator
from dbmigrate.catalog import Kind, Scope
from dbmigrate.lint.fix.pieces import cut
from dbmigrate.model import Direction
from tests.support.databases import MakeDatabase
from tests.support.faults import finish
from tests.support.projects import Project
from tests.support.proxy import TO_SERVER, Action, Fault, Proxy
from tests.support.rehearsals import tell
from tests.support.rewriting import rewritten, write_project

LONG = "x" * 40 + "é" * 11 + "y"  # 63 bytes
TABLES = ["plain", '"Order"', f'"{LONG}"', '"a""b; -- c"', "public.plain"]
SETUP = "\n".join(
    f"create table {table} (id bigint, a text, b integer, {column} integer, at timestamp);\n"
    f"create index on {table} (b);\ninsert into {table} select n, 'a' || n, n, n, now() from generate_series(1, 50) n;"
    for table, column in (("plain", '"Ä"'), ('"Order"', '"Ä"'), (f'"{LONG}"', '"Ä"'), ('"a""b; -- c"', '"Ä"'))
) + (
    "\ncreate table target (id integer primary key);\ninsert into target select n from generate_series(1, 50) n;"
    "\ncreate index to_drop on target ((id + 1));\ncreate index to_rebuild on target ((id + 2));"
    "\ncreate materialized view seen as select id from target;\ncreate unique index seen_id on seen (id);"
    "\ncreate type mood as enum ('sad');\ncreate table parted (a int not null, b int) partition by range (a);"
    "\ncreate table part_one partition of parted for values from (0) to (10);"
    "\ncreate table part_two (a int not null, b int);"
)
# a form, and its down section
FORMS = [
    ("create index {n} on {t} (a, b desc)", "drop index {n}"),
    ("create unique index on {t} (id) where a is not null", ""),
    ('create index on {t} using btree (("Ä" + 1), lower(a))', ""),
    ("drop index to_drop", "create index to_drop on target ((id + 1))"),
    ("reindex index to_rebuild", ""),
    ('alter table {t} add constraint {n} check ("Ä" > 0)', "alter table {t} drop constraint {n}"),
    ("alter table {t} add check (b > 0 and a <> 'it''s; -- no comment')", ""),
    ('alter table {t} add foreign key ("Ä") references target', ""),
    (
        "alter table {t} add constraint {n} foreign key (b) references target (id) deferrable",
        "alter table {t} drop constraint {n}",
    ),
    (
        'alter table {t} alter "Ä" set not null, alter column b set not null',
        'alter table {t} alter "Ä" drop not null, alter b drop not null',
    ),
    ("alter table {t} add unique (a), add constraint {n} unique (b, a) include (id)", ""),
    ("alter table {t} add constraint {n} primary key (id, b)", ""),
    ("refresh materialized view seen", ""),
    ("create index {n} on parted (b)", "drop index {n}"),
    (
        "alter table parted attach partition part_two for values from (10) to (20)",
        "alter table parted detach partition part_two",
    ),
]
COMMENTS = [
    ("{0};\n{1};", "plain"),
    ("-- before; the first\n{0}; -- behind 'the' first\n\n/* two\n lines; */\n{1} ; -- behind", "lines"),
    ("/* a */ {0} /* b */; /* c */ {1}; /* d", "one line"),
    ("{0}\n-- inside\n;\n\n\n   {1} -- no semicolon", "open"),
    ("begin;\n{0};\n-- w\n{1};\ncommit;\n-- after", "wrapped"),
]
FILES = 30


def text_of(number: int) -> str:
    one, two = FORMS[number % len(FORMS)], FORMS[(number * 7 + 3) % len(FORMS)]
    if one is two:
        two = FORMS[(number + 1) % len(FORMS)]
    table = TABLES[number % len(TABLES)]
    names = (f'"{number} {LONG[: 63 - len(str(number)) - 13]}"', f'"N{number}"')
    ups = [form[0].format(t=table, n=name) for form, name in zip((one, two), names, strict=True)]
    downs = [form[1].format(t=table, n=name) for form, name in zip((one, two), names, strict=True)]
    shape, kind = COMMENTS[number % len(COMMENTS)]
    body = shape.format(*ups) + (" */" if kind == "one line" else "")
    has_down = all(downs)
    down = f"-- migrate:down\n{downs[1]};\n{downs[0]};\n" if has_down else "-- migrate:down irreversible:true\n"
    text = f"-- {number}\n\n-- migrate:up\n{body}\n\n{down}"
    return text.replace("\n", "\r\n") if number % 3 == 0 else text


@pytest.mark.parametrize("number", [1, 9])
def test_two_forms_in_a_file(number: int, make_database: MakeDatabase, server, tmp_path: Path) -> None:
    _try(number, make_database, server, Project(tmp_path), _cut)


@pytest.mark.matrix
@pytest.mark.parametrize("number", range(FILES))
def test_two_forms_in_each_of_thirty_files_cut_off_before_each_statement(
    number: int, make_database: MakeDatabase, server, tmp_path: Path
) -> None:
    _try(number, make_database, server, Project(tmp_path), _cut)


@pytest.mark.matrix
@pytest.mark.parametrize("number", [2, 5, 12, 19, 23, 28])
def test_killed_before_each_statement_a_rewritten_file_is_resumed(
    number: int, make_database: MakeDatabase, server, project: Project, start
) -> None:
    _try(number, make_database, server, project, partial(_killed, start))


Stop = Callable[[Proxy, Project, str, str], object]  # what it says, for a failure


def _cut(proxy: Proxy, project: Project, url: str, sql: str) -> object:
    fault = proxy.arm(Fault(TO_SERVER, Action.CUT, text=sql.encode()[:50], kind=b""))
    told = tell(url, project, Migrator.migrate)
    assert fault.happened, (sql, told.error)
    return told.error


def _killed(start, proxy: Proxy, project: Project, url: str, sql: str) -> object:
    """kill -9, and the statement is not sent any more."""
    processes: list = []
    fault = Fault(TO_SERVER, Action.CUT, text=sql.encode()[:50], call=lambda: os.kill(processes[0].pid, signal.SIGKILL))
    proxy.arm(fault)
    processes.append(start("up", "--no-dump-schema", env={"DATABASE_URL": url}))
    _, errors = processes[0].communicate(timeout=60)
    assert (fault.happened, processes[0].returncode) == (True, -signal.SIGKILL), (sql, errors)
    return errors


def _try(number: int, make_database: MakeDatabase, server, project: Project, stop: Stop) -> None:
    text = text_of(number)
    project.migrations.mkdir(parents=True, exist_ok=True)
    path = write_project(project.migrations, SETUP, text.encode())

    found = rewritten(make_database(), project.migrations)

    assert found is not None
    assert (found.reason, found.fixed.left) == ("", ())
    assert len(found.fixed.changes) == 2, found.fixed
    plain = _applied(make_database(), project)
    path.write_bytes(found.fixed.text.encode())
    again = rewritten(make_database(), project.migrations)
    assert again is None or not again.is_changed
    sent = [
        piece.sql
        for section in cut(found.fixed.text).sections
        if section.direction is Direction.UP
        for piece in section.pieces
        if piece.sql not in ("begin;", "commit;")
    ]
    for which, sql in zip(count(), sent, strict=False):
        url = make_database()
        _only_first(url, project, path)
        with Proxy(server) as proxy:
            said = stop(proxy, project, proxy.url(url.partition("?")[0].rpartition("/")[2]), sql)
        finish(url, project)
        assert _differences(plain, url) == [], (which, sql, said)


def _applied(url: str, project: Project) -> str:
    finish(url, project)
    return url


def _only_first(url: str, project: Project, path: Path) -> None:
    text = path.read_bytes()
    path.unlink()
    finish(url, project)
    path.write_bytes(text)


def _differences(one: str, two: str) -> list[str]:
    with psycopg.connect(one, autocommit=True) as first, psycopg.connect(two, autocommit=True) as second:
        found = catalog.compare(catalog.read(first), catalog.read(second), scope=Scope.ALL)
    return [each.sentence for each in found if each.kind is not Kind.COLUMN_ORDER]
