"""`up` on one database, the dry run's script by psql on its twin: the same for whatever a file may hold."""

from __future__ import annotations

import os
from dataclasses import dataclass

import psycopg
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from dbmigrate.errors import Error
from dbmigrate.model import ALL
from tests.db.test_dry_run import Twins
from tests.support.catalog import Fingerprint, fingerprint
from tests.support.commands import CompletedRun
from tests.support.psql import psql

# what means something outside of quotes: to psql, to the server or to both
_BITS = ["a", " ", "\\", "''", "\n", ":x", ":USER", ":''USER''", "--", ";", "$$", "/*", "*/", "(", "é", "あ", '"']
_BITS += ["\\! touch PWNED\n", "\\q", "\\.", "\\;", ":{?USER}", "`touch PWNED`", "COPY x FROM stdin;", "begin"]


def _texts(*more: str) -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from([*_BITS, *more]), max_size=6).map("".join)


_plain = _texts().map(lambda text: f"'{text}'")
_escaped = st.lists(
    st.sampled_from(["a", " ", "\\\\", "\\'", "''", "\\n", "\n", "\\! touch PWNED\n", ":USER", ";", "--", "\\x41", "あ"]),
    max_size=6,
).map(lambda parts: f"'{''.join(parts)}'")
_between = st.sampled_from(["\n", "\n\n ", " -- ' \\! x\n", "\t\n-- \"\n"])


@st.composite
def _continued(draw: st.DrawFn, prefix: str, pieces: st.SearchStrategy[str]) -> str:
    first, *rest = draw(st.lists(pieces, min_size=1, max_size=3))
    return prefix + first + "".join(draw(_between) + piece for piece in rest)


_dollars = _texts().filter(lambda text: "$" not in text).map(lambda text: f"$t${text}$t$")
_unicode = st.sampled_from([r"U&'\0061\\'", r"U&'d!0061t\' UESCAPE '!'", r"u&'\+000061:x'", "N'a\\'"])
LITERALS = st.one_of(_continued("E", _escaped), _continued("e", _escaped), _continued("", _plain), _dollars, _unicode)
SLICES = st.sampled_from(
    [
        "(array[10,20,30])[1:PORT]",
        '(array[10,20,30])[1:"USER"]',
        "(array[10,20,30])[:port]",
        "(array[10,20,30])[1::int:port::int]",
        "(array[10,20,30])[1 : port]",
        "(array[10,20,30])[1:'2']",
        "(array[10,20,30])[1:/* \\! x */port]",
        "'{1,2}'::int[]",
    ]
).map(lambda slice: f"(select {slice}::text from (values (2, 3)) as x (port, \"USER\"))")
NAMES = st.lists(st.sampled_from(["a", ":x", "\\", "'", '""', ";", "$$", "--", "é", " ", "\n"]), max_size=4).map("".join)
COMMENTS = st.sampled_from(
    ["", "\n", "-- it's :x \\! touch PWNED\n", "/* ' /* \" */ \\! touch PWNED\n :x */", " -- é'\n", ";;", "/*あ*/"]
)
ROUTINES = st.sampled_from(
    [
        "create or replace function begin() returns int language sql as 'select 1'",
        "create or replace function f(int) returns text language plpgsql as $f$ begin\n\\! touch PWNED\nreturn ':x;'; end $f$",
        "do $$ begin perform ':USER', '\\' || '\\! touch PWNED\n'; end $$",
        "create or replace procedure p() language sql as $$ select ':x' $$",
        "do 'begin perform 1; end'",
    ]
)
DATA = st.lists(st.sampled_from(["a", ":USER", "\\\\", "'", "\\\\! touch PWNED", "é", "--", ";", "$$"]), max_size=4)


@dataclass(frozen=True)
class File:
    """One migration: its statements with what stands before each, and whether it runs in a transaction."""

    parts: tuple[str, ...]
    in_transaction: bool
    down: str

    def text(self) -> str:
        option = "" if self.in_transaction else " transaction:false"
        return f"-- migrate:up{option}\n{''.join(self.parts)}\n-- migrate:down{option}\n{self.down}\n"


@st.composite
def _statement(draw: st.DrawFn, table: str) -> str:
    kind = draw(st.sampled_from(["insert", "insert", "slice", "comment", "table", "routine", "copy", "select"]))
    if kind == "copy":
        rows = draw(st.lists(DATA.map("".join), max_size=3))
        return f"\ncopy {table} (t) from stdin;\n" + "".join(f"{row or 'x'}\n" for row in rows) + "\\.\n"
    if kind == "insert":
        return f"insert into {table} values ({draw(LITERALS)}\n, ':x');"
    if kind == "slice":
        return f"insert into {table} values ({draw(SLICES)}, {draw(LITERALS)}\n);"
    if kind == "comment":
        return f"comment on table {table} is {draw(LITERALS)}\n;"
    if kind == "table":
        return f'create table if not exists "n{draw(NAMES)}" (v text default {draw(LITERALS)}\n);'
    if kind == "routine":
        return f"{draw(ROUTINES)};"
    return f"select {draw(SLICES)}, {draw(LITERALS)}\n, 1::int;"


@st.composite
def files(draw: st.DrawFn) -> list[File]:
    made = []
    for number in range(draw(st.integers(1, 3))):
        table = f"t{number}"
        parts = [draw(COMMENTS) + draw(_statement(table)) for _ in range(draw(st.integers(1, 4)))]
        down = f"{draw(COMMENTS)}select {draw(LITERALS)}\n;{draw(COMMENTS)}drop table {table}"
        made.append(File((f"create table {table} (t text, u text);", *parts), draw(st.booleans()), down))
    return made


class Pair:
    """Two databases that are emptied for every example."""

    def __init__(self, twins: Twins, project) -> None:
        self._twins = twins
        self._project = project

    def replay(self, made: list[File]) -> None:
        self._begin(made)
        if self._up():
            self._back()

    def _begin(self, made: list[File]) -> None:
        for path in self._project.migrations.iterdir():
            path.unlink()
        for number, file in enumerate(made):
            self._project.write(f"{number}_a.sql", file.text())
        for url in (self._twins.migrated_url, self._twins.scripted_url):
            with psycopg.connect(url, autocommit=True) as conn:
                conn.execute("drop schema if exists public cascade; create schema public")

    def _up(self) -> bool:
        """Whether `up` did all; where it fails, the script stops at the same place."""
        script = "".join(self._twins.scripted.script_up())
        try:
            self._twins.migrated.up()
        except Error:
            assert self._run(script).exit_code == 3
            migrated, scripted = self._states()
            assert (scripted.schema, scripted.rows) == (migrated.schema, migrated.rows)
            assert scripted.versions == migrated.versions
            return False
        done = self._run(script)
        assert done.exit_code == 0, done.stderr
        migrated, scripted = self._states()
        assert scripted == migrated
        return True

    def _back(self) -> None:
        script = "".join(self._twins.scripted.script_rollback(ALL))
        self._twins.migrated.rollback(ALL)
        done = self._run(script)
        assert done.exit_code == 0, done.stderr
        migrated, scripted = self._states()
        assert scripted == migrated

    def _run(self, script: str) -> CompletedRun:
        done = psql(self._twins.scripted_url, script, "-v", "x=1", "-v", "PORT=1); drop table t0; --")
        assert os.listdir() == [], "a command ran"
        return done

    def _states(self) -> tuple[Fingerprint, Fingerprint]:
        return fingerprint(self._twins.migrated_url), fingerprint(self._twins.scripted_url)


@pytest.fixture
def pair(database_url, twin_database_url, project, tmp_path, monkeypatch):
    place = tmp_path / "psql runs here"
    place.mkdir()
    monkeypatch.chdir(place)
    return Pair(Twins(database_url, twin_database_url, project.migrations), project)


# an example takes seconds: a failing one is told as it is
PHASES = [Phase.explicit, Phase.reuse, Phase.generate]


@settings(max_examples=8, derandomize=True, phases=PHASES)
@given(made=files())
def test_the_script_of_any_files_leaves_what_the_command_leaves(pair, made):
    pair.replay(made)


@pytest.mark.matrix
@settings(max_examples=300, phases=PHASES)
@given(made=files())
def test_the_script_of_any_files_leaves_what_the_command_leaves_at_length(pair, made):
    pair.replay(made)


@pytest.mark.parametrize("name", ["a=b", "postgres://x/y", 'it\'s "odd" :USER', "back\\slash é"])
@settings(max_examples=2, derandomize=True, phases=PHASES)
@given(made=files())
def test_the_name_of_the_database_does_not_matter(make_database, project, tmp_path, monkeypatch, name, made):
    place = tmp_path / "psql runs here"
    place.mkdir(exist_ok=True)
    monkeypatch.chdir(place)
    urls = [make_database(f"{name} {project.root.name} {len(made)} {os.urandom(3).hex()} {number}") for number in (1, 2)]
    Pair(Twins(*urls, project.migrations), project).replay(made)
