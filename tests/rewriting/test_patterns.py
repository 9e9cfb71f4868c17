"""`new --pattern`: the files end in the schema and the rows of the plain change; what would be lost is refused."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from dbmigrate import catalog
from dbmigrate.api.migrator import Migrator, Options
from dbmigrate.catalog import Kind, Scope
from dbmigrate.connection import dsn
from dbmigrate.errors import Error
from dbmigrate.lint import LintConfig, lint
from dbmigrate.migrations import find
from dbmigrate.patterns import schema
from dbmigrate.patterns.catalogue import PATTERNS
from dbmigrate.patterns.write import Project, write
from dbmigrate.scratch.choose import Choice
from tests.support.databases import MakeDatabase, query
from tests.support.rewriting import OWN, migrations, text_of

# what depends on backfills, and an index that another pattern makes
NOT_MEANT = {"W202", "L115", "L135", "L173"}
BOUNDS = "from ('2025-01-01') to ('2026-01-01')"

# the fixture with the table, the pattern, its arguments, the number of files
CASES = [
    ("17-type-int-to-bigint", "change-type", ("parcel", "weight", "bigint"), 2),
    ("22-rename-column", "rename-column", ("parcel", "code", "barcode"), 2),
]
MORE = [
    ("30-change-primary-key", "change-primary-key", ("parcel", "code"), 1),
    ("32-serial-to-identity", "serial-to-identity", ("crate", "id"), 1),
    ("27-unique-partitioned", "add-unique", ("ledger", "id", "booked_on"), 1),
    ("37-type-bigint-primary-key", "change-type", ("crate", "id", "bigint"), 2),
    ("18-type-varchar-shrink", "change-type", ("parcel", "label", "varchar(20)"), 2),
    ("20-type-text-to-uuid", "change-type", ("parcel", "token", "uuid"), 2),
    ("36-type-text-to-enum", "change-type", ("parcel", "state", "state"), 2),
    ("21-rename-table", "rename-table", ("parcel", "shipment"), 2),
    ("38-split-table", "split-table", ("parcel", "address", "street", "city"), 2),
    ("38-split-table", "drop-column", ("parcel", "street"), 1),
    ("20-type-text-to-uuid", "add-not-null", ("parcel", "note", "'x'"), 1),
    ("15-add-column-identity", "add-identity", ("parcel", "position"), 1),
    ("05-add-foreign-key", "add-foreign-key", ("parcel", "depot_id", "depot"), 1),
    ("28-foreign-key-partitioned", "add-foreign-key", ("ledger", "account_id", "account"), 1),
    ("10-add-unique", "add-unique", ("parcel", "code"), 1),
    ("07-add-check", "add-check", ("parcel", "weight >= 0"), 1),
    ("23-enum-add-value", "add-enum-value", ("mood", "sleepy", "after", "calm"), 1),
    ("25-attach-partition", "attach-partition", ("ledger", "ledger_2025", BOUNDS), 1),
    ("26-index-partitioned", "index-partitioned", ("ledger", "account_id"), 1),
]
# the plain change, where the fixture's is another one
PLAIN = {
    "change-type crate": "alter table crate alter id type bigint; alter table item alter crate_id type bigint;"
    " alter sequence crate_id_seq as bigint;",
    "add-not-null": "alter table parcel alter note set default 'x'; update parcel set note = 'x' where note is null;"
    " alter table parcel alter note set not null;",
    "drop-column": "alter table parcel drop column street;",
    "add-unique": "alter table {0} add unique ({1});",
    "add-foreign-key": "alter table {0} add foreign key ({1}) references {2};",
    "add-check": "alter table parcel add constraint parcel_check check (weight >= 0);",
    "add-enum-value": "alter type mood add value 'sleepy' after 'calm';",
}


def test_every_pattern_is_tried() -> None:
    assert {case[1] for case in (*CASES, *MORE)} == set(PATTERNS)


@pytest.mark.parametrize(("fixture", "pattern", "arguments", "files"), CASES)
def test_the_files_of_a_pattern_end_as_the_plain_change_does(
    fixture: str, pattern: str, arguments: tuple[str, ...], files: int, make_database: MakeDatabase, tmp_path: Path
) -> None:
    _try(fixture, (pattern, *arguments), files, make_database, tmp_path)


@pytest.mark.matrix
@pytest.mark.parametrize(("fixture", "pattern", "arguments", "files"), MORE)
def test_the_files_of_the_other_patterns_end_so_too(
    fixture: str, pattern: str, arguments: tuple[str, ...], files: int, make_database: MakeDatabase, tmp_path: Path
) -> None:
    _try(fixture, (pattern, *arguments), files, make_database, tmp_path)


def _try(fixture: str, words: tuple[str, ...], files: int, make_database: MakeDatabase, directory: Path) -> None:
    setup = text_of(fixture, "setup")
    (directory / "20260101000000_setup.sql").write_text(f"-- migrate:up\n{setup}\n-- migrate:down irreversible:true\n")
    url, plain = make_database(), make_database()
    project = Project(migrations(directory), [str(directory)], OWN)

    written = write(project, words[0], words[1:], Choice(explicit=dsn.parse(url)), find.seconds(datetime.now(UTC)))

    assert len(written.paths) == files
    versions = [Path(path).name.partition("_")[0] for path in written.paths]
    found = lint(migrations(directory), config=OWN, only=set(versions))
    assert {problem.code for problem in found} <= NOT_MEANT, found
    runs = directory / "runs"
    runs.mkdir()
    migrator = Migrator(url, Options(directories=(str(runs),)))
    (runs / "20260101000000_setup.sql").write_text((directory / "20260101000000_setup.sql").read_text())
    migrator.up()
    before = _rows(url)
    for number, path in enumerate(written.paths):
        text = Path(path).read_text()
        assert f"-- migrate:depends {versions[0]}\n" in text or number == 0
        (runs / Path(path).name).write_text(text)
        migrator.up()
        if "irreversible:true" not in text:
            migrator.rollback()
            assert number > 0 or _rows(url) == before or words[0] == "add-not-null"
            migrator.up()
    change = PLAIN.get(" ".join(words[:2])) or PLAIN.get(words[0]) or _up(text_of(fixture, "unsafe"))
    _run(plain, setup)
    _run(
        plain, change.format(words[1], ", ".join(words[2:3] if words[0] == "add-foreign-key" else words[2:]), words[-1])
    )
    query(url, "drop table schema_migrations, schema_migrations_log")
    assert _differences(plain, url) == []
    assert _rows(plain) == _rows(url)


def _up(text: str) -> str:
    return text.partition("-- migrate:up")[2].partition("-- migrate:down")[0]


def _run(url: str, sql: str) -> None:
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute(sql.encode())


def _differences(one: str, two: str) -> list[str]:
    with psycopg.connect(one, autocommit=True) as first, psycopg.connect(two, autocommit=True) as second:
        found = catalog.compare(catalog.read(first), catalog.read(second), scope=Scope.ALL)
    return [each.sentence for each in found if each.kind is not Kind.COLUMN_ORDER]


def _rows(url: str) -> dict[str, list[tuple[object, ...]]]:
    """The rows of all tables, by the columns' names."""
    tables = query(
        url,
        "select table_name, array_agg(quote_ident(column_name) order by column_name)"
        " from information_schema.columns where table_schema = 'public' group by 1",
    )
    own = ("schema_migrations", "schema_migrations_log")
    return {
        name: sorted(query(url, f"select md5(concat_ws('|', {', '.join(columns)})) from \"{name}\""))
        for name, columns in tables
        if name not in own
    }


# -------------------------------------------------------------------------------------------------------------- refused

OBJECTS = """
create table t (id serial primary key, a text, b text, c int, d int generated always as identity, f int not null);
create view v as select a from t;
create table other (t_id int references t (id));
create table r (id int primary key);
create table self (id int primary key, parent int references self);
create table keyless (r_id int references r);
alter table r enable row level security;
create function mentions() returns int language sql as 'select c from t';
"""
REFUSED = {
    ("change-type", "t", "a", "varchar(9)"): ("E770", "view v"),
    ("change-type", "self", "id", "bigint"): ("E770", "refers to itself"),
    ("change-type", "r", "id", "bigint"): ("E770", "the primary key, and keyless has none"),
    ("change-type", "r", "id", "bigint", "id", "id"): ("E266", "is copied as it is"),
    ("change-type", "t", "d", "bigint"): ("E770", "is an identity column"),
    ("change-type", "t", "nix", "bigint"): ("E266", "t has no column nix"),
    ("change-type", "t", "c", "boolean"): ("E266", "how a boolean becomes a integer again"),
    ("change-type", "nix", "c", "boolean"): ("E266", "no table nix"),
    ("rename-column", "t", "b", "c"): ("E266", "has a column c already"),
    ("rename-column", "t", "a", "z"): ("E770", "view v"),
    ("rename-table", "r", "z"): ("E770", "row level security"),
    ("drop-column", "t", "a"): ("E770", "view v"),
    ("drop-column", "t", "id"): ("E770", "primary key t_pkey"),
    ("split-table", "other", "z", "t_id"): ("E266", "primary key of one column"),
    ("change-primary-key", "t", "f"): ("E770", "foreign keys of other"),
    ("add-identity", "t", "a"): ("E266", "has a column a already"),
    ("add-identity", "t", "z", "text"): ("E266", "cannot be of type text"),
    ("add-identity", "other", "z"): ("E266", "other has none"),
    ("serial-to-identity", "t", "c"): ("E266", "is not a serial column"),
    ("add-not-null", "t", "f"): ("E266", "is NOT NULL already"),
    ("add-foreign-key", "t", "c", "other"): ("E266", "no primary key of one column"),
    ("add-enum-value", "mood", "x", "behind", "y"): ("E266", "after VALUE"),
}


@pytest.fixture
def objects(database_url: str) -> Iterator[schema.Schema]:
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute(OBJECTS)

        def attempt(sql: str) -> str:
            try:
                with conn.transaction(force_rollback=True):
                    conn.execute(sql.encode())
            except psycopg.Error as exc:
                return exc.sqlstate or "unknown"
            return ""

        yield schema.read(conn, 13, attempt)


def test_what_would_be_lost_or_does_not_fit_is_named(objects: schema.Schema) -> None:
    wrong = {}
    for (name, *arguments), (code, words) in REFUSED.items():
        try:
            PATTERNS[name].plan(objects, arguments)
            wrong[name, *arguments] = "nothing was refused"
        except Error as exc:
            if exc.code != code or words not in exc.message:
                wrong[name, *arguments] = f"{exc.code} {exc.message}"

    assert wrong == {}


def test_a_function_that_mentions_the_column_is_named_and_a_required_column_is_freed_first(
    objects: schema.Schema,
) -> None:
    renamed = PATTERNS["rename-column"].plan(objects, ["t", "c", "z"])
    dropped = PATTERNS["drop-column"].plan(objects, ["t", "f"])

    assert ["mentions()" in note for note in renamed.notes] == [True]
    assert [draft.name for draft in dropped.files] == ["free t f", "drop t f"]
    assert "alter column f drop not null" in dropped.files[0].text()


def test_nothing_is_written_where_a_pattern_does_not_fit(database_url: str, tmp_path: Path) -> None:
    (tmp_path / "20260101000000_setup.sql").write_text(f"-- migrate:up\n{OBJECTS}\n-- migrate:down irreversible:true\n")
    project = Project(migrations(tmp_path), [str(tmp_path)], LintConfig(uses_squawk=False))
    choice = Choice(explicit=dsn.parse(database_url))

    with pytest.raises(Error) as refused:
        write(project, "add-unique", ["t", "c", "c"], choice, find.seconds(datetime.now(UTC)))

    assert refused.value.code == "E771"
    assert [path.name for path in tmp_path.iterdir()] == ["20260101000000_setup.sql"]
