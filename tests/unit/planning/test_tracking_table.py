"""Which tracking table is ours: the cases as a table."""

from __future__ import annotations

import pytest

from dbmigrate.migrations import other_tools
from dbmigrate.model import MigrationFile
from dbmigrate.planning import tracking_table
from dbmigrate.planning.tracking_table import Candidate, Entry, Location, Seen
from dbmigrate.reports import FileSum
from dbmigrate.tracking.tables import NEIGHBOURS

FILES = {
    "1": (FileSum(MigrationFile("1", "1_a.sql", "1_a.sql"), "sum-a", "tokens-a"),),
    "2": (FileSum(MigrationFile("2", "2_b.sql", "2_b.sql"), "sum-b", "tokens-b"),),
    "3": (FileSum(MigrationFile("3", "3_large.sql", "3_large.sql"), "sum-c", None),),
}
OURS = (Entry("1", "sum-a", "tokens-a"),)
EDITED = (Entry("1", "another sum", "tokens-a"),)
LARGE = (Entry("3", "sum-c", None),)
FOREIGN = (Entry("1", "sum-z", "tokens-z"), Entry("9", "sum-a", "tokens-a"))


def public(**known):
    return Candidate("public", owner="app", owner_home="app", **known)


def by_role(role, **known):
    return Candidate(role, owner=role, owner_home=role, **known)


MOVED = {"schema": "shop", "role": "app", "home": "app"}  # ALTER DATABASE ... SET search_path = shop
HERE, NEW, ELSEWHERE = Location.HERE, Location.NEW, Location.ELSEWHERE
CASES = {
    "the table is there": (Seen("public", exists=True, candidates=(by_role("x", entries=OURS),)), HERE),
    "an empty database": (Seen("public"), NEW),
    "the search_path of the database was moved": (Seen(**MOVED, candidates=(public(entries=OURS),)), ELSEWHERE),
    "... and a comment was edited since": (Seen(**MOVED, candidates=(public(entries=EDITED),)), ELSEWHERE),
    "... and the file is too large for tokens": (Seen(**MOVED, candidates=(public(entries=LARGE),)), ELSEWHERE),
    "... and only dbmate has been at work": (Seen(**MOVED, candidates=(public(versions=("0", "2")),)), ELSEWHERE),
    "... and the log is there but is empty": (Seen(**MOVED, candidates=(public(entries=()),)), NEW),
    "... but the schema was named all the same": (
        Seen(**MOVED, is_chosen=True, candidates=(public(entries=OURS),)),
        NEW,
    ),
    "the search_path of the role was moved": (
        Seen("shop", role="app", home="shop", candidates=(public(entries=OURS),)),
        ELSEWHERE,
    ),
    "a schema named like the role appeared": (
        Seen("app", role="app", home="app", candidates=(public(entries=OURS),)),
        ELSEWHERE,
    ),
    "the schema named like the role is gone": (
        Seen("public", role="app", home="app", candidates=(by_role("app", entries=OURS),)),
        ELSEWHERE,
    ),
    "another role's schema, seen by a superuser": (
        Seen("public", role="postgres", home="postgres", candidates=(by_role("app", entries=OURS),)),
        ELSEWHERE,
    ),
    "a schema per service by URL": (
        Seen("b", is_chosen=True, role="app", home="app", candidates=(Candidate("a", "app", "app", entries=OURS),)),
        NEW,
    ),
    "a schema per service by role": (
        Seen("b", role="b", home="b", candidates=(by_role("a", entries=OURS), by_role("c", versions=("1", "2")))),
        NEW,
    ),
    "a schema per service, other files of the same versions": (
        Seen("b", role="app", home="app", candidates=(Candidate("a", "app", "app", entries=FOREIGN),)),
        NEW,
    ),
    "300 tenants, each with its role": (
        Seen("t0", role="t0", home="t0", candidates=tuple(by_role(f"t{n}", entries=OURS) for n in range(1, 301))),
        NEW,
    ),
    "Supabase's auth": (Seen("public", candidates=(Candidate("auth", versions=("1", "2")),)), NEW),
    "a Rails project that has moved to these files": (
        Seen(**MOVED, candidates=(public(tool="Rails", versions=("1", "2")),)),
        NEW,
    ),
    "golang-migrate's": (Seen(**MOVED, candidates=(public(tool="golang-migrate", versions=("2",)),)), NEW),
    "an extension's table": (Seen("public", candidates=(Candidate("x", is_extensions=True, versions=("1",)),)), NEW),
    "other versions, as a Rails project of another schema has": (
        Seen("shop", candidates=(public(versions=("20240101000000",)),)),
        NEW,
    ),
    "one of several is ours": (
        Seen(**MOVED, candidates=(Candidate("a", "app", entries=FOREIGN), public(entries=OURS))),
        ELSEWHERE,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_which_table_is_ours(case):
    seen, location = CASES[case]

    assert tracking_table.decide(seen, FILES).location is location


def test_the_places_and_how_much_is_there_are_told():
    several = (Candidate("a", "app", entries=FOREIGN), public(entries=(*OURS, *LARGE)), Candidate("z", versions=("2",)))

    found = tracking_table.decide(Seen(**MOVED, candidates=several), FILES).found

    assert [(candidate.schema, number) for candidate, number in found] == [("public", 2), ("z", 1)]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (None, "app"),
        ("", "app"),
        ('"$user", public', "app"),
        ("shop, public", "shop"),
        ("Shop", "shop"),
        ('"Shop ""1""", public', 'Shop "1"'),
    ],
)
def test_where_a_role_begins(path, expected):
    assert tracking_table.home("app", path) == expected


# columns as the catalog names their types, in their order
VARCHAR, BIGINT, BOOLEAN = "character varying", "bigint", "boolean"
TABLES = {
    "dbmate": ("schema_migrations", {"version": VARCHAR}, (), None),
    "dbmate, old": ("schema_migrations", {"version": "text"}, ("orders",), None),
    "Rails": ("schema_migrations", {"version": VARCHAR}, ("ar_internal_metadata",), "Rails"),
    "golang-migrate": ("schema_migrations", {"version": BIGINT, "dirty": BOOLEAN}, (), "golang-migrate"),
    "Ecto": ("schema_migrations", {"version": BIGINT, "inserted_at": "timestamp"}, (), "Ecto"),
    "Supabase": ("schema_migrations", {"version": "text", "statements": "text[]", "name": "text"}, (), "Supabase"),
    "Diesel": ("__diesel_schema_migrations", {"version": VARCHAR, "run_on": "timestamp"}, (), "Diesel"),
    "knex": (
        "knex_migrations",
        {"id": "integer", "name": VARCHAR, "batch": "integer", "migration_time": "t"},
        (),
        "knex",
    ),
    "node-pg-migrate": ("pgmigrations", {"id": "integer", "name": VARCHAR, "run_on": "t"}, (), "node-pg-migrate"),
    "Alembic": ("alembic_version", {"version_num": VARCHAR}, (), "Alembic"),
    "tern": ("schema_version", {"version": "integer"}, (), "tern"),
    "hand-made": ("schema_migrations", {"migration_name": "text", "at": "t"}, (), other_tools.HAND_MADE),
    "a plain table": ("orders", {"id": BIGINT, "name": "text", "version": "integer"}, (), None),
    "bird migrations": ("bird_migrations", {"id": BIGINT, "species": "text"}, (), None),
}


def test_the_neighbours_that_are_looked_for_are_those_that_tell_a_table_like_ours():
    alike = [table for table in other_tools.TABLES if table.columns == {"version"} and table.name is None]

    assert frozenset(NEIGHBOURS) == frozenset().union(*(table.beside for table in alike))


@pytest.mark.parametrize("case", TABLES)
def test_whose_history_a_table_is(case):
    name, columns, neighbours, expected = TABLES[case]
    found = other_tools.tool_of_table(name, columns, neighbours)

    assert (found and found[0]) == expected


FILES_OF_TOOLS = {
    ("V001__a.sql", ""): "Flyway",
    ("V1.2__a b.sql", ""): "Flyway",
    ("v1__a.sql", ""): "Flyway",
    ("U2__undo.sql", ""): "Flyway",
    ("R__views.sql", ""): "Flyway",
    ("afterMigrate.sql", ""): "Flyway",
    ("a.up.sql", ""): "golang-migrate",
    ("001_x.down.sql", ""): "golang-migrate",
    ("001_x_up.sql", ""): "golang-migrate",
    ("v1.sql", ""): "numbered files",
    ("rollback-005.sql", ""): "numbered files",
    ("undo_005.sql", ""): "numbered files",
    ("up.sql", ""): "Diesel",
    ("first.sql", "-- Up Migration\ncreate table a ();"): "node-pg-migrate",
    ("first.sql", "-- a comment\n-- +goose Up\n"): "goose",
    ("first.sql", "-- +migrate Up\n"): "sql-migrate",
    ("changelog.sql", "\ufeff--liquibase formatted sql\n--changeset a:1\n"): "Liquibase",
    ("flipr.sql", "-- Deploy flipr:appschema to pg\n"): "Sqitch",
    ("x.sql", "--! Previous: -\n--! Hash: sha1:1\n"): "graphile-migrate",
    ("x.sql", "create table a ();\n---- create above / drop below ----\n"): "tern",
    ("schema.sql", "create table a ();\n"): None,
    ("seeds.sql", ""): None,
}


@pytest.mark.parametrize("file", FILES_OF_TOOLS, ids=lambda file: f"{file[0]} {file[1][:12]!r}")
def test_what_a_file_looks_like(file):
    assert other_tools.tool_of_file(*file) == FILES_OF_TOOLS[file]


def test_what_a_folder_looks_like():
    assert other_tools.tool_of_folder(["up.sql", "down.sql"]) == ("Diesel", "up.sql")
    assert other_tools.tool_of_folder(["migration.sql"]) == ("Prisma", "migration.sql")
    assert other_tools.tool_of_folder(["a.sql"]) is None
