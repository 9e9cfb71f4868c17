"""The files of patterns while an application writes: no write fails, and both forms are equal at the end."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from dbmigrate.api.migrator import Migrator, Options
from dbmigrate.connection import dsn
from dbmigrate.migrations import find
from dbmigrate.patterns.write import Project, write
from dbmigrate.scratch.choose import Choice
from tests.support.databases import MakeDatabase, query
from tests.support.rewriting import OWN, migrations, rewritten, text_of, write_project

SETUP = """
create table parcel (id serial primary key, code text not null default 'none', weight integer);
create index parcel_code on parcel (code);
insert into parcel (code, weight) select 'c' || n, n from generate_series(1, 5000) n;
"""
WRITES = (
    "insert into parcel (code, weight) values ('new', 1)",
    "update parcel set code = code || 'x', weight = weight + 1 where id = 1 + (random() * 4999)::int",
    "update parcel set weight = weight where id % 500 = 3",
)
# what is true after the first file, whatever was written meanwhile
CASES = [
    (("rename-column", "parcel", "code", "label"), "select count(*) from parcel where label is distinct from code"),
    (("change-type", "parcel", "weight", "bigint"), "select count(*) from parcel where weight <> weight__old"),
    (
        ("serial-to-identity", "parcel", "id"),
        "select count(*) from (select from parcel group by id having count(*) > 1) x",
    ),
]


class Application:
    """Writes as fast as it can, and keeps what failed."""

    def __init__(self, url: str, writes: tuple[str, ...] = WRITES) -> None:
        self._writes = writes
        self.failed: list[str] = []
        self.count = 0
        self._url = url
        self._is_done = threading.Event()

    @contextmanager
    def running(self):
        threads = [threading.Thread(target=self._write) for _ in range(2)]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._is_done.set()
            for thread in threads:
                thread.join()

    def _write(self) -> None:
        with psycopg.connect(self._url, autocommit=True) as conn:
            while not self._is_done.is_set():
                for sql in self._writes:
                    try:
                        conn.execute(sql)
                        self.count += 1
                    except psycopg.Error as exc:
                        self.failed.append(f"{exc.sqlstate} {exc}")


@pytest.mark.matrix
@pytest.mark.parametrize(("words", "unequal"), CASES, ids=[case[0][0] for case in CASES])
def test_no_write_fails_while_the_files_of_a_pattern_run(
    words: tuple[str, ...], unequal: str, make_database: MakeDatabase, tmp_path: Path
) -> None:
    (tmp_path / "20260101000000_setup.sql").write_text(f"-- migrate:up\n{SETUP}\n-- migrate:down irreversible:true\n")
    url, runs = make_database(), tmp_path / "runs"
    written = write(
        Project(migrations(tmp_path), [str(tmp_path)], OWN),
        words[0],
        words[1:],
        Choice(explicit=dsn.parse(url)),
        find.seconds(datetime.now(UTC)),
    )
    runs.mkdir()
    (runs / "20260101000000_setup.sql").write_text((tmp_path / "20260101000000_setup.sql").read_text())
    migrator = Migrator(url, Options(directories=(str(runs),)))
    migrator.up()

    with Application(url).running() as application:
        first, *later = written.paths
        (runs / Path(first).name).write_text(Path(first).read_text())
        migrator.up()
        assert query(url, unequal) == [(0,)]
        if not later:
            migrator.rollback()
            migrator.up()

    assert application.failed == []
    assert application.count > 0
    for path in later:
        (runs / Path(path).name).write_text(Path(path).read_text())
        migrator.up()
    assert query(
        url, "select count(*) >= 5000, max(id) < nextval(pg_get_serial_sequence('parcel', 'id')) from parcel"
    ) == [(True, True)]


KEYS = """
create table crate (id serial primary key, name text);
create table item (id bigint generated always as identity primary key,
  crate_id int not null references crate on delete cascade);
create index on item (crate_id);
insert into crate (name) select 'n' || n from generate_series(1, 2000) n;
insert into item (crate_id) select 1 + n % 2000 from generate_series(1, 8000) n;
"""
WRITES_OF_KEYS = (
    "insert into item (crate_id) values (1 + (random() * 1000)::int)",
    "with made as (insert into crate (name) values ('new') returning id)"
    " insert into item (crate_id) select id from made",
    "update item set crate_id = 1 + (random() * 1000)::int where id = 1 + (random() * 7000)::int",
    "update crate set name = name || 'x' where id = 1 + (random() * 1900)::int",
    "delete from crate where id = (select max(id) from crate where name = 'new')",
)


@pytest.mark.matrix
def test_no_write_fails_while_a_primary_key_and_the_foreign_key_to_it_change(
    make_database: MakeDatabase, tmp_path: Path
) -> None:
    (tmp_path / "20260101000000_setup.sql").write_text(f"-- migrate:up\n{KEYS}\n-- migrate:down irreversible:true\n")
    url = make_database()
    project = Project(migrations(tmp_path), [str(tmp_path)], OWN)
    migrator = Migrator(url, Options(directories=(str(tmp_path),)))
    migrator.up()
    choice = Choice(explicit=dsn.parse(url))
    write(project, "change-type", ("crate", "id", "bigint"), choice, find.seconds(datetime.now(UTC)))

    with Application(url, WRITES_OF_KEYS).running() as application:
        migrator.up()

    assert application.failed == []
    assert application.count > 0
    assert query(url, "select count(*) from item left join crate c on c.id = crate_id where c.id is null") == [(0,)]
    columns = "information_schema.columns where column_name in ('id', 'crate_id') and table_name in ('crate', 'item')"
    assert query(url, f"select count(*) from {columns} and data_type = 'bigint'") == [(3,)]
    assert query(url, "select max(id) < nextval('crate_id_seq') from crate") == [(True,)]
    assert query(url, "select bool_and(convalidated) from pg_constraint where conrelid = 'item'::regclass") == [(True,)]
    left = (
        "select count(*) from information_schema.columns where column_name like '%\\_\\_%' and table_schema = 'public'"
    )
    assert query(url, left) == [(0,)]


FIXED = ("13-add-column-volatile", "14-add-column-serial")


@pytest.mark.matrix
@pytest.mark.parametrize("fixture", FIXED)
def test_no_write_fails_while_a_column_of_a_fixed_file_is_filled(
    fixture: str, make_database: MakeDatabase, tmp_path: Path
) -> None:
    """The CHECK comes behind the backfill: it is asked of each row that somebody changes."""
    path = write_project(tmp_path, text_of(fixture, "setup"), text_of(fixture, "unsafe"))
    found = rewritten(make_database(), tmp_path)
    assert found is not None
    assert found.is_changed
    path.unlink()
    url = make_database()
    migrator = Migrator(url, Options(directories=(str(tmp_path),)))
    migrator.up()
    path.write_bytes(found.fixed.text.encode())

    with Application(url, WRITES).running() as application:
        migrator.up()

    assert application.failed == []
    assert application.count > 0
    (column,) = query(
        url, "select attname from pg_attribute where attrelid = 'parcel'::regclass order by attnum desc limit 1"
    )[0]
    assert query(url, f"select count(*) > 3000, count(*) - count(distinct {column}) from parcel") == [(True, 0)]
