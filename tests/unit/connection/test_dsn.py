"""URLs: what they mean, what they must not give away, and what is handed to libpq and to other programs."""

import getpass
import traceback

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict

from dbmigrate.connection import dsn, libpq_keywords
from dbmigrate.errors import ConfigError

SENTENCE = "invalid url, have you set your --url flag or DATABASE_URL environment variable?"


def conninfo(url, **options):
    return dict(dsn.parse(url, **options).conninfo)


# ------------------------------------------------------------------------------------------------------------- meaning


@pytest.mark.parametrize(
    "url",
    [
        "postgres://",
        "postgresql:///app",
        "postgres://u@h/app",
        "postgres://u:p%40ss%2Fw%25@h:5433/app",
        "postgres://u:p#x?y@h/app",
        "postgres://u:a:b@h/app",
        "postgres://:p@h/app",
        "postgres://@h/app",
        "postgres://[::1]:5432/app",
        "postgres://[fe80::1%25eth0]/app",
        "postgres://h1:1,h2:2/app?target_session_attrs=read-write",
        "postgres://h1:1,h2/app",
        "postgres://%2Fvar%2Frun%2Fpostgresql:5433/app",
        "postgres://u@/app?host=/tmp&port=5433",
        "postgres://old:1/app?host=new&port=9999",
        "postgres://h/app?dbname=other&user=me&password=p%26w",
        "postgres://h/app?sslmode=verify-full&sslrootcert=system&channel_binding=require&gssencmode=disable",
        "postgres://h/app?ssl=true",
        "postgres://h/app?application_name=a+b%20c",
        "postgres://h/my%20db",
        "postgres://h/a/b",
        "postgres://h/d%C3%A9j%C3%A0",
        "host=/tmp port=5433 dbname=app",
        "  host = 'a b'  password='it\\'s \\\\'dbname=x\\ y",
        "dbname=app user=",
    ],
)
def test_a_url_means_what_it_means_to_libpq(url):
    expected = {key: str(value) for key, value in conninfo_to_dict(url.strip()).items() if value != ""}

    assert conninfo(url) == expected


HOST = st.sampled_from(["", "db", "db:5433", "[::1]", "[::1]:1", "%2Ftmp", "a:1,b:2", "a,b"])
WORD = st.text(alphabet="aé:#?%&=+'\"\\ $[],", max_size=6)


@settings(max_examples=150)
@given(user=WORD, password=WORD, host=HOST, database=WORD, name=WORD)
def test_encoded_parts_come_back_as_libpq_has_them(user, password, host, database, name):
    def encoded(text):
        return "".join(f"%{byte:02X}" for byte in text.encode())

    login = f"{encoded(user)}:{encoded(password)}@"
    url = f"postgres://{login}{host}/{encoded(database)}?application_name={encoded(name)}"

    assert conninfo(url) == {key: str(value) for key, value in conninfo_to_dict(url).items() if value != ""}


def test_every_keyword_of_libpq_is_known():
    known = {option.keyword.decode() for option in psycopg.pq.Conninfo.get_defaults()}

    assert known - libpq_keywords.KEYWORDS == set()


def test_the_variables_of_the_keywords_are_those_of_libpq():
    options = psycopg.pq.Conninfo.get_defaults()
    theirs = {option.keyword.decode(): option.envvar.decode() for option in options if option.envvar}

    assert {key: libpq_keywords.VARIABLES[key] for key in theirs} == theirs
    assert {option.keyword.decode() for option in options if not option.envvar} <= libpq_keywords.WITHOUT_VARIABLE


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgres:///app?socket=/tmp", {"host": "/tmp", "dbname": "app"}),
        ("postgres://u@old/app?socket=/run/pg", {"host": "/run/pg", "dbname": "app", "user": "u"}),
        ("redshift://h/app", {"host": "h", "port": "5439", "dbname": "app"}),
        ("redshift://h:1/app", {"host": "h", "port": "1", "dbname": "app"}),
        ("spanner-postgres://h/app", {"host": "h", "dbname": "app"}),
        ("POSTGRES://h/app", {"host": "h", "dbname": "app"}),
        ("  postgres://h/app\r\n", {"host": "h", "dbname": "app"}),
        ("postgres://h/app?", {"host": "h", "dbname": "app"}),
        ("postgres://h/app?sslmode=disable&&", {"host": "h", "dbname": "app", "sslmode": "disable"}),
        ("postgres://h/app?binary_parameters=yes&disable_prepared_binary_result=yes", {"host": "h", "dbname": "app"}),
        ("postgres://h/app?krbspn=x&sslinline=false", {"host": "h", "dbname": "app"}),
    ],
)
def test_a_url_of_dbmate_is_accepted(url, expected):
    read = dsn.parse(url)

    assert (read.conninfo, read.settings) == (expected, {})


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("lock_timeout=3s&search_path=app,public", {"lock_timeout": "3s", "search_path": "app,public"}),
        ("TimeZone=UTC", {"timezone": "UTC"}),
        ("tz=UTC&datestyle=ISO&geqo=off", {"timezone": "UTC", "datestyle": "ISO", "geqo": "off"}),
        ("app.tenant=5", {"app.tenant": "5"}),
        ("search_path=", {"search_path": ""}),
        ("search_path=%22My%22%2Cpublic", {"search_path": '"My",public'}),
        ("options=-c%20lock_timeout%3D3s", {"lock_timeout": "3s"}),
        ("options=-c lock_timeout=3s".replace(" ", "%20"), {"lock_timeout": "3s"}),
        ("options=-clock_timeout%3D3s%20--statement-timeout%3D5s", {"lock_timeout": "3s", "statement_timeout": "5s"}),
        ("options=-c%20app.name%3Da%5C%20b%5C%5C", {"app.name": "a b\\"}),
        ("lock_timeout=1s&options=-c%20lock_timeout%3D3s", {"lock_timeout": "1s"}),
    ],
)
def test_what_libpq_does_not_know_is_a_server_setting(query, expected):
    read = dsn.parse(f"postgres://h/app?{query}")

    assert read.settings == expected
    assert read.conninfo == {"host": "h", "dbname": "app"}


def test_other_options_of_the_server_stay_options():
    read = dsn.parse("postgres://h/app?options=-c%20geqo%3Doff%20-e%20-S%2064")

    assert (read.settings, read.options) == ({"geqo": "off"}, ("-e", "-S", "64"))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("app", ("app",)),
        ("foo,bar, public", ("foo", "bar", "public")),
        ('"My",Public', ("My", "public")),
        ('"a ""b"" , c" ,d', ('a "b" , c', "d")),
        ('"$user",public', ("$user", "public")),
        ("custom-schema", ("custom-schema",)),
        ("", ()),
    ],
)
def test_a_search_path_is_split_as_postgresql_does(value, expected):
    assert dsn.from_keywords({"search_path": value}).search_path == expected


@pytest.mark.parametrize("value", ["a,,b", ",", '"open', "a b", '""', "a,"])
def test_a_search_path_that_postgresql_refuses_is_an_error(value):
    with pytest.raises(ConfigError, match="search_path is not a list of names") as caught:
        dsn.from_keywords({"search_path": value})

    assert caught.value.code == "E202"


@pytest.mark.parametrize(
    ("url", "directory", "database"),
    [
        ("embedded:", ".dbmigrate/postgres", "app"),
        ("embedded:data/pg", "data/pg", "app"),
        ("embedded:/srv/my%20pg?dbname=shop", "/srv/my pg", "shop"),
        ("embedded:///srv/pg", "/srv/pg", "app"),
        ("embedded:?dbname=shop", ".dbmigrate/postgres", "shop"),
    ],
)
def test_the_embedded_server_has_a_directory_and_a_database(url, directory, database):
    read = dsn.parse(url)

    assert (read.embedded, read.database) == (directory, database)


def test_an_embedded_server_keeps_its_settings_once_it_runs():
    read = dsn.parse("embedded:?search_path=shop&lock_timeout=3s")

    served = read.served_by({"host": "/tmp/x", "port": "5432", "user": "postgres", "dbname": "app"})

    assert served.embedded is None
    assert served.display == "postgres@/tmp/x:5432/app"
    assert served.settings == {"search_path": "shop", "lock_timeout": "3s"}
    assert served.environment()["PGHOSTADDR"] == ""


def test_an_embedded_server_that_does_not_run_cannot_be_connected_to():
    with pytest.raises(ConfigError) as caught:
        dsn.parse("embedded:").conninfo_for_connect("x")

    assert caught.value.code == "E202"


# -------------------------------------------------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", SENTENCE),
        ("//hi", SENTENCE),
        ("hi", SENTENCE),
        ("postgres:u@h", SENTENCE),
        ("foo=bar", SENTENCE),
        ("foo://bar", "unsupported driver: foo"),
        ("mysql://localhost/app", "unsupported driver: mysql"),
        ("postgres://h:abc/d", "invalid url: the host is wrong, or the port is not a number"),
        ("postgres://h:0/d", "invalid url: the port is not a number from 1 to 65535"),
        ("postgres://h/d?port=x", "invalid url: the port is not a number from 1 to 65535"),
        ("postgres://h/d?x", "invalid url: a parameter has no ="),
        ("postgres://h/d?a%20b=1", "invalid url: the name of a parameter is invalid"),
        ("postgres://h/%zz", "invalid url: a % is not followed by two hexadecimal digits"),
        ("postgres://h/%00", "invalid url: it contains %00, or bytes that are not UTF-8"),
        ("postgres://h/a\0b", "invalid url: it contains a NUL character"),
        ("postgres://h/d?sslinline=true&sslkey=PEM", "invalid url: sslinline is not supported"),
        ("host=h port", "invalid url: it is not a list of key=value"),
    ],
)
def test_a_bad_url_is_an_error_that_says_why(url, message):
    with pytest.raises(ConfigError) as caught:
        dsn.parse(url)

    assert (caught.value.code, caught.value.message) == ("E202", message)
    assert caught.value.hint


def test_the_error_says_where_the_url_is_from():
    with pytest.raises(ConfigError, match=r"invalid url from \.env:3: it contains a blank"):
        dsn.parse("postgres://u:a b@h/d", origin=".env:3")


def test_a_driver_replaces_the_scheme():
    assert conninfo("foo://h/app", driver="postgres") == {"host": "h", "dbname": "app"}


def test_an_unknown_driver_is_an_error_whatever_the_url():
    with pytest.raises(ConfigError, match=r"^unsupported driver: notadriver$"):
        dsn.parse("postgres://h/app", driver="notadriver")


LEAKY_URLS = [
    "postgres://u:s3cret%zzword@h/d",
    "postgres://u:s3cret word@h/d",
    "postgres://u:s3cret@word@h/d",
    "postgres://u:s3cret/word@h/d",
    "postgres://u:12345/s3cretword@h/d",
    "postgres://u:s3cretword@[::1/d",
    "postgres://u:s3cretword@[::1]x/d",
    "postgres://u:s3cretword@::1/d",
    "postgres://u:s3cretword@h:54x/d",
    "postgres://u:s3cretword@h:99999/d",
    "postgres://u:s3cretword@h/d?oops",
    "postgres://u:s3cret%00word@h/d",
    "postgres://u:s3cret%ffword@h/d",
    "mysql://u:s3cretword@h/x",
    "jdbc:postgresql://u:s3cretword@h/d",
    "postgresql+psycopg://u:s3cretword@h/d",
    "//u:s3cretword@h/d",
    "u:s3cretword@h/d",
    "'postgres://u:s3cretword@h/d'",
    "DATABASE_URL=postgres://u:s3cretword@h/d",
    "host=h password=s3cretword oops",
    "host=h password='s3cretword",
    "postgres://h/d?password=s3cret word",
    "postgres://u:s3cret\nword@h/d",
]


@pytest.mark.parametrize("url", LEAKY_URLS)
def test_a_bad_url_does_not_give_away_any_part_of_the_password(url):
    with pytest.raises(ConfigError) as caught:
        dsn.parse(url, origin="--url")

    told = f"{caught.value!r} {caught.value.message} {caught.value.hint} " + "".join(
        traceback.format_exception_only(caught.value)
    )
    assert "s3cret" not in told
    assert "word@" not in told
    assert "word " not in told.replace("password ", "")


def told_about(url):
    """All that is said about a URL: the error, or how it is shown and how it is hidden in other texts."""
    try:
        read = dsn.parse(url)
    except ConfigError as error:
        return f"{error!r} {error.message} {error.hint}"
    return f"{read!r} {read.redact(url)}"


SHAPES = [
    "postgres://u:{}@h/d",
    "postgres://:{}@[::1]:1/d",
    "pg://u:{}@h",
    "host=h password='{}'",
    "u:{}@h",
    "//u:{}@h",
]


@settings(max_examples=200)
@given(password=st.text(alphabet="xyz/@#?%[]: &,", min_size=8, max_size=14), shape=st.sampled_from(SHAPES))
def test_nothing_that_is_said_about_a_url_holds_the_password_as_it_was_written(password, shape):
    assert password not in told_about(shape.format(password))


# ------------------------------------------------------------------------------------------------------------- display


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgres://u:s3cret@h:5433/app", "u@h:5433/app"),
        ("postgres://u@h/app", "u@h:5432/app"),
        ("postgres://u@h", "u@h:5432/u"),
        ("postgres://u@[::1]/app", "u@[::1]:5432/app"),
        ("postgres://u@%2Frun%2Fpg/app", "u@/run/pg:5432/app"),
        ("postgres://u@a:1,b/app", "u@a:1,b:5432/app"),
        ("postgres://u@a,b/app?port=7", "u@a:7,b:7/app"),
        ("postgres://u@h/app?hostaddr=10.0.0.1", "u@h(10.0.0.1):5432/app"),
        ("postgres://u@/app?hostaddr=10.0.0.1", "u@10.0.0.1:5432/app"),
        ("postgres://u@h/a%1B%5B31mb%0Ac", "u@h:5432/a?[31mb?c"),
        ("postgres://u@/app?service=prod", "u@service prod/app"),
        ("embedded:x", "embedded:x?dbname=app"),
    ],
)
def test_the_display_says_where_it_goes_without_secrets(url, expected):
    assert dsn.parse(url).display == expected


def test_without_a_role_it_is_the_user_of_the_system():
    assert dsn.parse("postgres://h").user == getpass.getuser()
    assert dsn.parse("postgres://h").database == getpass.getuser()


def test_a_repr_holds_no_secret():
    read = dsn.parse("postgres://u:s3cretword@h/d?sslpassword=t0psecret&app.token=hush")

    assert repr(read) == "<Dsn u@h:5432/d>"


def test_another_database_keeps_everything_else():
    other = dsn.parse("postgres://u:p@h/app?lock_timeout=3s").with_database("postgres")

    assert other.display == "u@h:5432/postgres"
    assert (other.conninfo["password"], other.settings) == ("p", {"lock_timeout": "3s"})


# ----------------------------------------------------------------------------------------------------------- redaction


@pytest.mark.parametrize(
    ("url", "text", "expected"),
    [
        ("postgres://u:s3cr%2Ft@h/d", "raw s3cr%2Ft, plain s3cr/t", "raw ********, plain ********"),
        ("postgres://u:p%20w%26rd@h/d", "p w&rd p%20w%26rd p+w%26rd", "******** ******** ********"),
        ("postgres://h/d?password=s3cret", "got s3cret", "got ********"),
        ("postgres://h/d?sslpassword=t0psecret", "got t0psecret", "got ********"),
        ("host=h password='it\\'s me'", "it's me; it\\'s me", "********; ********"),
        ("postgres://u:ab@h/d", "ab abc cab", "******** abc cab"),
        ("postgres://u:(@h/d", "f ( x", "f ******** x"),
        ("postgres://postgres:post@h/d", "postgres post", "postgres ********"),
        ("postgres://app:app@h/app", 'role "app" does not exist', 'role "app" does not exist'),
        ("postgres://app:appl@h/apple", 'database "apple", not appl', 'database "apple", not ********'),
        ("postgres://h/d", "postgres://u:other@h/d", "postgres://u:********@h/d"),
        ("postgres://h/d", "postgres://:other@h/d", "postgres://:********@h/d"),
        ("postgres://h/d", "a://u:x/y@z@h:1/d end", "a://u:********@h:1/d end"),
        ("postgres://h/d", "?user=a&password=x1&port=5", "?user=a&password=********&port=5"),
        ("postgres://h/d", "password='a \\' b' host=x", "password=******** host=x"),
        ("postgres://h/d", "PGPASSWORD=x1", "PGPASSWORD=********"),
        ("postgres://h/d", "mysql://localhost:abc/database", "mysql://localhost:abc/database"),
        (
            "postgres://h/d",
            "mysql://username:otS33+tb/e4=@localhost:3306/database",
            "mysql://username:********@localhost:3306/database",
        ),
        ("postgres://h/d", "plain text: 1 + 1 = 2, me@example.com", "plain text: 1 + 1 = 2, me@example.com"),
    ],
)
def test_secrets_are_hidden(url, text, expected):
    assert dsn.parse(url).redact(text) == expected


# -------------------------------------------------------------------------------------- what others are told to connect


def test_a_connection_gets_keywords_and_settings():
    read = dsn.parse("postgres://u:p%20w@h:5433/app?sslmode=disable&lock_timeout=3s&search_path=a,b")

    assert read.conninfo_for_connect("dbmigrate up") == {
        "application_name": "dbmigrate up",
        "client_encoding": "UTF8",
        "user": "u",
        "password": "p w",
        "host": "h",
        "port": "5433",
        "dbname": "app",
        "sslmode": "disable",
        "options": "-c lock_timeout=3s -c search_path=a,b",
    }


def test_blanks_and_backslashes_of_settings_are_escaped():
    read = dsn.from_keywords({"app.path": "C:\\my dir\t", "options": "-e"})

    assert read.conninfo_for_connect("x")["options"] == "-e -c app.path=C:\\\\my\\ dir\\\t"


def test_the_users_application_name_wins_and_his_encoding_does_not():
    read = dsn.parse("postgres://h/app?application_name=mine&client_encoding=latin1")

    assert read.conninfo_for_connect("dbmigrate up")["application_name"] == "mine"
    assert read.conninfo_for_connect("dbmigrate up")["client_encoding"] == "UTF8"


def test_a_program_gets_the_whole_url_as_variables():
    read = dsn.parse(
        "postgres://u:p%20w@a:1,b:2/app?sslmode=disable&lock_timeout=3s&search_path=a&role=owner&keepalives=0"
    )

    assert read.environment() == {
        "PGUSER": "u",
        "PGPASSWORD": "p w",
        "PGHOST": "a,b",
        "PGPORT": "1,2",
        "PGDATABASE": "app",
        "PGSSLMODE": "disable",
        "PGCLIENTENCODING": "UTF8",
        "PGOPTIONS": "-c lock_timeout=3s -c search_path=a -c role=owner",
    }


def test_settings_are_left_out_by_their_names():
    read = dsn.parse("postgres://h/app?lock_timeout=3s&search_path=a&role=owner")

    kept = read.without_settings({"lock_timeout", "search_path", "work_mem"})

    assert kept.settings == {"role": "owner"}
    assert (kept.conninfo, kept.search_path) == (read.conninfo, ())


# ------------------------------------------------------------------------------------------------- libpq's environment


def test_the_environment_fills_in_what_the_url_leaves_open():
    read = dsn.parse("postgres://u@h/app").completed({"PGUSER": "x", "PGPORT": "7", "PGPASSWORD": "s3cretword"})

    assert read.conninfo == {"user": "u", "host": "h", "port": "7", "dbname": "app", "password": "s3cretword"}
    assert read.redact("s3cretword") == "********"


def test_without_any_host_it_is_the_socket_directory():
    assert dsn.parse("postgres:///app").completed({}).conninfo["host"] == dsn.SOCKET_DIRECTORY


def test_options_of_the_environment_are_kept_beside_the_settings_of_the_url():
    environ = {"PGOPTIONS": "-c lock_timeout=1s -c geqo=off -e", "PGTZ": "UTC"}

    read = dsn.parse("postgres://h/app?lock_timeout=3s").completed(environ)

    assert read.settings == {"lock_timeout": "3s", "geqo": "off", "timezone": "UTC"}
    assert read.options == ("-e",)


def test_a_service_comes_before_the_environment_and_after_the_url():
    service = {"host": "service-host", "dbname": "service-db", "port": "6000"}

    read = dsn.parse("postgres:///app?service=prod").completed({"PGHOST": "x", "PGUSER": "me"}, service=service)

    assert read.conninfo == {"host": "service-host", "dbname": "app", "port": "6000", "user": "me"}


def test_a_service_that_only_libpq_can_find_is_left_to_it():
    read = dsn.parse("postgres:///app").completed({"PGSERVICE": "ldap", "PGHOST": "x"}, service=None)

    assert read.conninfo == {"dbname": "app", "service": "ldap"}


def test_a_wrong_port_in_the_environment_is_an_error():
    with pytest.raises(ConfigError, match=r"from the PG\* variables: the port is not a number"):
        dsn.parse("postgres://h").completed({"PGPORT": "five"})


# ----------------------------------------------------------------------------------- parameters for other programs


@pytest.mark.parametrize(
    ("query", "name", "instead"),
    [
        ("pgbouncer=true", "pgbouncer", "direct URL"),
        ("pgbouncer=true&connection_limit=1", "pgbouncer", "direct URL"),
        ("connection_limit=5&pool_timeout=10", "connection_limit", "connection pool"),
        ("schema=public", "schema", "search_path=NAME"),
        ("currentSchema=app", "currentSchema", "search_path=NAME"),
        ("sslmode=no-verify", "sslmode", "sslmode=require"),
        ("sslmode=Require", "sslmode", "sslmode=require"),
        ("ssl=no-verify", "ssl", "sslmode=require"),
        ("ssl=1", "ssl", "sslmode=require"),
        ("sslaccept=strict", "sslaccept", "sslmode=require"),
        ("supa=base-pooler.x", "supa", "direct URL"),
        ("targetServerType=primary", "targetServerType", "target_session_attrs=primary"),
        ("ApplicationName=x", "ApplicationName", "application_name=NAME"),
        ("prepareThreshold=0", "prepareThreshold", "prepared statements"),
        ("x-migrations-table=m", "x-migrations-table", "--migrations-table"),
        ("encoding=utf8&pool=5", "encoding", "UTF-8"),
    ],
)
def test_a_parameter_for_another_program_is_named_with_what_to_write(query, name, instead):
    with pytest.raises(ConfigError) as caught:
        dsn.parse(f"postgres://u:s3cret@h/app?{query}", origin="DATABASE_URL")

    assert caught.value.code == "E280"
    assert name in caught.value.message
    assert "DATABASE_URL" in caught.value.message
    assert instead in caught.value.hint
    assert "s3cret" not in caught.value.message + caught.value.hint


@pytest.mark.parametrize(
    "query",
    [
        "sslmode=require&channel_binding=require",  # Neon
        "options=endpoint%3Dep-cool-1",  # Neon without SNI
        "sslmode=verify-full&target_session_attrs=primary&connect_timeout=10",
        "ssl=true",
        "sslmode=",
        "application_name=x&tcp_user_timeout=10000&keepalives=1",
        "statement_timeout=5s&search_path=app&app.pool=1",
    ],
)
def test_what_libpq_or_a_server_knows_is_not_taken_for_another_programs(query):
    dsn.parse(f"postgres://h/app?{query}")


def test_no_setting_of_a_server_is_among_the_parameters_of_other_programs():
    from dbmigrate.connection.libpq_keywords import KEYWORDS, foreign

    assert [name for name in KEYWORDS if foreign(name, "")] == []
