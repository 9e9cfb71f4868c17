"""Running pg_dump, and what becomes of its output and its errors. The programs are real ones: small shell scripts."""

from __future__ import annotations

import pytest

from dbmigrate.connection.programs import Search
from dbmigrate.errors import ConfigError, DatabaseError, ToolMissing
from dbmigrate.schema.pgdump import dump

NOWHERE = Search(path="", directories=(), packages=())


@pytest.fixture
def program(tmp_path):
    """`program("17", version="17.2", body="echo dumped")` makes ``17/bin/pg_dump``."""

    def make(directory: str, *, version: str, body: str = "echo dumped"):
        path = tmp_path / directory / "bin" / "pg_dump"
        path.parent.mkdir(parents=True)
        path.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo "pg_dump (PostgreSQL) {version}" && exit\n{body}\n')
        path.chmod(0o755)
        return path

    return make


def search_in(tmp_path):
    return Search(path="", directories=(f"{tmp_path}/*/bin",), packages=())


def test_the_newest_writes_the_dump(program, tmp_path):
    program("15", version="15.2", body="echo fifteen")
    program("17", version="17.2", body="echo seventeen")

    assert dump({}, server_version=150002, search=search_in(tmp_path)) == "seventeen\n"


@pytest.mark.parametrize(
    "complaint",
    [
        'sslmode value "require" invalid when SSL support is not compiled in',
        'FATAL:  no pg_hba.conf entry for host "10.0.0.1", user "u", database "d", no encryption',
        "pg_dump: error: aborting because of server version mismatch",
        "pg_dump: error while loading shared libraries: libpq.so.5: cannot open shared object file",
    ],
)
def test_another_one_takes_over_where_one_is_unfit(program, tmp_path, complaint):
    program("17", version="17.2", body=f"echo '{complaint}' >&2; exit 1")
    program("16", version="16.2", body="echo sixteen")

    assert dump({}, server_version=150002, search=search_in(tmp_path)) == "sixteen\n"


def test_any_other_failure_is_final_and_told_in_pg_dumps_words(program, tmp_path):
    program("17", version="17.2", body="echo 'pg_dump: error: no such thing' >&2; exit 1")
    program("16", version="16.2")

    with pytest.raises(DatabaseError) as caught:
        dump({}, server_version=150002, search=search_in(tmp_path))

    assert caught.value.code == "E404"
    assert "pg_dump: error: no such thing" in caught.value.message


@pytest.mark.parametrize(("body", "status"), [("kill -9 $$", "status -9"), ("exit 0", "status 0")])
def test_one_that_says_nothing_has_failed(program, tmp_path, body, status):
    program("17", version="17.2", body=body)

    with pytest.raises(DatabaseError) as caught:
        dump({}, server_version=150002, search=search_in(tmp_path))

    assert status in caught.value.message


def test_without_a_pg_dump_both_remedies_are_named():
    with pytest.raises(ToolMissing) as caught:
        dump({}, server_version=160003, search=NOWHERE)

    assert caught.value.code == "E206"
    assert "there is no pg_dump" in caught.value.message
    assert caught.value.hint is not None
    for remedy in ("postgresql-client-16", "dbmigrate[embedded]", "DBMIGRATE_PG_DUMP"):
        assert remedy in caught.value.hint


def test_one_that_is_too_old_is_named_and_not_asked(program, tmp_path):
    program("15", version="15.2", body=f"touch {tmp_path}/ran")

    with pytest.raises(ToolMissing) as caught:
        dump({}, server_version=180001, search=search_in(tmp_path))

    assert "the server is PostgreSQL 18" in caught.value.message
    assert f"15.2 ({tmp_path}/15/bin/pg_dump)" in caught.value.message
    assert not (tmp_path / "ran").exists()


def test_where_only_tls_is_missing_no_wheel_is_recommended(program, tmp_path):
    program("17", version="17.2", body="echo 'SSL support is not compiled in' >&2; exit 1")

    with pytest.raises(ToolMissing) as caught:
        dump({}, server_version=150002, search=search_in(tmp_path))

    assert "SSL support is not compiled in" in caught.value.message
    assert "embedded" not in (caught.value.hint or "")


def test_an_override_is_the_only_candidate_and_may_have_arguments(program, tmp_path):
    program("18", version="18.2")
    mine = program("my own", version="13.2", body='echo "$1 $2"')
    search = Search.from_environ({"DBMIGRATE_PG_DUMP": f"'{mine}' exec -T", "PATH": str(tmp_path)})

    assert dump({}, server_version=180002, search=search) == "exec -T\n"


@pytest.mark.parametrize(
    ("command", "code"), [("/nowhere/pg_dump", "E206"), ("'unclosed", "E205"), ("  ", "E205"), ("/tmp", "E206")]
)
def test_an_override_that_cannot_run_is_an_error(command, code):
    with pytest.raises(ConfigError) as caught:
        dump({}, server_version=180002, search=Search(pg_dump=command))

    assert caught.value.code == code


def test_the_environment_is_the_given_one_in_the_c_locale(program, tmp_path):
    mine = program("mine", version="18.1", body='echo "$PGHOST $PGAPPNAME $LC_ALL $HOME"')
    search = Search(pg_dump=str(mine))

    assert dump({"PGHOST": "h", "LC_ALL": "de_DE.UTF-8"}, server_version=180000, search=search) == "h dbmigrate C \n"


def test_the_dump_is_not_waited_for_by_somebody_who_types_and_leaves_tables_out(program):
    mine = program("mine", version="18.1", body='printf "%s\\n" "$@"; cat')
    text = dump(
        {}, server_version=180000, exclude_tables=['app."Log"'], extra_arguments=["-x"], search=Search(str(mine))
    )

    assert text.splitlines() == [
        "--schema-only",
        "--no-owner",
        "--no-privileges",
        "--no-tablespaces",
        "--encoding=UTF8",
        "--no-password",
        "--lock-wait-timeout=10s",
        '--exclude-table=app."Log"',
        "-x",
    ]


def test_output_keeps_its_line_ends_and_must_be_utf8(program):
    windows = program("windows", version="18.1", body=r"printf 'a\r\nb'")
    latin = program("latin", version="18.1", body=r"printf 'a\n\351'")

    assert dump({}, server_version=180000, search=Search(str(windows))) == "a\r\nb"
    with pytest.raises(DatabaseError) as caught:
        dump({}, server_version=180000, search=Search(str(latin)))
    assert caught.value.code == "E404"
    assert "line 2" in caught.value.message
