"""Services: several projects in one database, each with its own versions, tracking table and schema file."""

from __future__ import annotations

import json

import pytest

from tests.support import services

NAMES = ("discovery-svc", "ai", "chat")


@pytest.fixture
def three(tmp_path):
    return services.three(tmp_path)


@pytest.fixture
def service(run, three, database_url):
    """Runs a command for one service, without a schema file unless `env` says otherwise."""

    def run_it(name, *arguments, env=None):
        chosen = ("--service", name) if name else ()
        values = {"DATABASE_URL": database_url, "DBMIGRATE_NO_DUMP_SCHEMA": "true", **(env or {})}
        return run(*chosen, *arguments, env=values)

    return run_it


@pytest.fixture
def filled(service):
    for name in NAMES:
        done = service(name, "up")
        assert done.exit_code == 0, done.stderr
    return service


DUMPED = {"DBMIGRATE_NO_DUMP_SCHEMA": "false"}


# ---------------------------------------------------------------------------------------------------- tables, versions


def test_each_service_has_its_own_versions_in_its_own_tables(filled, database_url, query):
    tables = query(
        database_url,
        "select relname::text from pg_class where relkind = 'r' and relname ~ 'migrations|versions'"
        " and relnamespace = 'public'::regnamespace order by 1",
    )

    assert [name for (name,) in tables] == [
        "ai_schema_migrations",
        "ai_schema_migrations_log",
        "chat_versions",
        "chat_versions_log",
        "discovery_svc_schema_migrations",
        "discovery_svc_schema_migrations_log",
    ]
    for table in ("ai_schema_migrations", "chat_versions", "discovery_svc_schema_migrations"):
        assert query(database_url, f"select version from {table}") == [("001",)]
        assert query(database_url, f"select file, state from {table}_log where state = 'done'")[0][1] == "done"


@pytest.mark.parametrize(
    "chosen", [{"arguments": ("status", "--service", "ai")}, {"env": {"DBMIGRATE_SERVICE": "ai"}}], ids=["flag", "env"]
)
def test_a_service_is_chosen_by_option_and_by_variable(filled, chosen):
    done = filled(None, *chosen.get("arguments", ("status",)), env=chosen.get("env"))

    assert (done.exit_code, done.stdout) == (0, "[X] 001_requests.sql\n\nApplied: 1\nPending: 0\n")


def test_variables_of_the_project_do_not_reach_a_service(service, database_url, query):
    """With one table for all of them, a service would take the versions of another for its own."""
    env = {"DBMIGRATE_MIGRATIONS_TABLE": "schema_migrations", "DBMATE_MIGRATIONS_DIR": "./nowhere"}

    assert service("chat", "up", env=env).exit_code == 0
    assert query(database_url, "select to_regclass('schema_migrations')::text") == [(None,)]
    assert service("chat", "--migrations-table", "other", "status").stdout.startswith("[ ] 001_rooms.sql")


def test_messages_name_the_service(service):
    done = service("discovery-svc", "up")

    assert done.stderr.startswith("service discovery-svc · "), done.stderr
    messages = service("discovery-svc", "status", "-v").stderr
    assert messages.endswith("\nservice discovery-svc · team discovery · PostgreSQL only\n")
    shown = json.loads(service("discovery-svc", "status", "--json").stdout)
    assert shown["service"] == {"name": "discovery-svc", "owner": "team discovery", "notes": "PostgreSQL only"}


def test_a_new_migration_is_written_to_the_directory_of_the_service(service, three):
    done = service("chat", "new", "--sequential", "add messages")

    assert done.stdout == "chat-svc/migrations/002_add_messages.sql\n"


@pytest.mark.parametrize("env", ["", "production"])
def test_tables_of_another_service_are_no_reason_to_stop(service, database_url, env):
    assert service("discovery-svc", "up").exit_code == 0

    named = {"PRODUCTION_DATABASE_URL": database_url} if env else {}
    words = ("-e", env, "up", "--yes") if env else ("up",)
    done = service("chat", *words, env=named)

    assert done.exit_code == 0, done.stderr
    assert "W666" not in done.stderr


# --------------------------------------------------------------------------------------------------------- wrong input


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--service", "nosuch", "up"), "E268", "the services are discovery-svc, ai, chat"),
        (("--service", "", "up"), "E205", "the name of the service is empty"),
        (("-d", "ai-svc/migrations", "up"), "E269", "--service ai"),
        (("up",), "E235", "--service discovery-svc, --service ai, --service chat"),
        (("--service", "ai", "status", "--all-services"), "E200", "leave out one"),
        (("status", "--all-services", "--all"), "E200", "dbmigrate -e NAME status --all-services"),
    ],
)
def test_a_wrong_or_missing_service_is_an_error(service, arguments, code, words, database_url, query):
    done = service(None, *arguments)

    assert (done.exit_code, done.stdout) == (2, "")
    assert f"error[{code}]" in done.stderr
    assert words in done.stderr
    assert query(database_url, "select count(*) from pg_class where relnamespace = 'public'::regnamespace") == [(0,)]


@pytest.mark.parametrize(
    ("text", "code", "place", "words"),
    [
        ('[service.ai]\nowner = "x"', "E272", "dbmigrate.toml:1", "has no directory"),
        ('[service.AI]\ndir = "x/m"', "E272", "dbmigrate.toml:1", "cannot be the name of a service"),
        ('[service.a]\ndir = "x/m"\n[service.b]\ndir = "./x/m/"', "E269", "dbmigrate.toml:4", "the same directory"),
        ('[service.a-b]\ndir = "x/m"\n[service.a_b]\ndir = "y/m"', "E269", "dbmigrate.toml:1", "same tracking table"),
        ('[service.a]\ndir = "x/m"\n[service.b]\ndir = "x/n"', "E269", "dbmigrate.toml:3", "same schema file"),
        ('[service.a]\ndirs = "x"', "E254", "dbmigrate.toml:2", "did you mean dir?"),
        ("[service.a]\ndir = 3", "E255", "dbmigrate.toml:2", "service.a.dir must be"),
        ('[service.a]\ndir = "x"\nurl = "postgres://x"', "E256", "dbmigrate.toml:3", "does not belong"),
        ('service = "x"', "E255", "dbmigrate.toml:1", "service must be a table"),
        ('[service.a]\ndir = "x"\nschema_file = "a"\nschema-file = "b"', "E209", "dbmigrate.toml", "given twice"),
    ],
)
def test_a_wrong_service_in_the_project_file_is_an_error_with_its_place(run, project, text, code, place, words):
    (project.root / "dbmigrate.toml").write_text(text)

    done = run("status", env={"DATABASE_URL": "postgres://localhost:1/x"})

    assert done.exit_code == 2
    assert f"error[{code}]" in done.stderr
    assert place in done.stderr
    assert words in done.stderr


def test_a_project_without_services_says_how_to_have_them(run, project):
    done = run("--service", "ai", "status", env={"DATABASE_URL": "postgres://localhost:1/x"})

    assert (done.exit_code, done.stdout) == (2, "")
    assert "E268" in done.stderr
    assert '`[service.ai]` with dir = "ai/migrations" to dbmigrate.toml' in done.stderr


# --------------------------------------------------------------------------------------------------------- dependencies


def test_what_depends_on_another_service_waits_for_it(service, database_url, query):
    for words in (("up",), ("up", "--dry-run", "--no-locks"), ("migrate",)):
        done = service("ai", *words)

        assert done.exit_code == 7, words
        assert "error[E753]: 001_requests.sql depends on discovery-svc:001, which is not applied" in done.stderr
        assert "ai-svc/migrations/001_requests.sql:1:1" in done.stderr
        assert "dbmigrate --service discovery-svc up" in done.stderr
    assert query(database_url, "select count(*) from pg_class where relnamespace = 'public'::regnamespace") == [(0,)]

    assert service("discovery-svc", "up").exit_code == 0
    assert service("ai", "up").exit_code == 0


def test_a_database_is_not_created_for_what_cannot_run(service, server):
    done = service("ai", "up", env={"DATABASE_URL": server.url("dbmigrate_test_not_there")})

    assert (done.exit_code, "E753" in done.stderr, "Creating" in done.stderr) == (7, True, False)


@pytest.mark.parametrize(
    ("depends", "words"),
    [
        ("nosuch:001", "there is no service nosuch"),
        ("discovery-svc:009", "depends on discovery-svc:009, which does not exist"),
        ("discovery-svc:1", "did you mean 001?"),
    ],
)
def test_an_unknown_service_or_version_is_an_error_before_anything_runs(service, three, depends, words):
    assert service("discovery-svc", "up").exit_code == 0
    three.write("ai-svc/migrations/002_b.sql", "select 1;", depends=depends)

    for command in (("up",), ("lint", "--all"), ("check",)):
        done = service("ai", *command)

        assert done.exit_code == (2 if command == ("up",) else 1), done.stderr
        assert "E293" in done.stderr + done.stdout
        assert words in done.stderr + done.stdout
    assert service("ai", "status").stdout.startswith("[ ] 001_requests.sql\n[ ] 002_b.sql\n")


def test_services_that_wait_for_each_other_are_an_error(service, three):
    three.write("discovery-svc/migrations/002_b.sql", "select 1;", depends="ai:002")
    three.write("ai-svc/migrations/002_c.sql", "select 1;", depends="discovery-svc:002")
    assert service("discovery-svc", "up", "--to", "001").exit_code == 0

    done = service("ai", "up")

    assert done.exit_code == 2
    assert "E293" in done.stderr
    assert "002_c.sql depends on discovery-svc:002, but it depends on ai:002" in done.stderr


def test_what_another_service_depends_on_is_not_rolled_back(filled):
    done = filled("discovery-svc", "rollback")

    assert done.exit_code == 7
    assert "error[E730]" in done.stderr
    assert "001_requests.sql of service ai is applied and depends on it" in done.stderr
    assert filled("ai", "rollback").exit_code == 0
    assert filled("discovery-svc", "rollback").exit_code == 0


def test_services_may_depend_on_each_other_in_turns(service, three):
    more, less = "alter table requests add b int;", "alter table requests drop b;"
    three.write("discovery-svc/migrations/002_b.sql", more, down=less, depends="ai:001")
    strict, lax = "alter table requests alter b set not null;", "alter table requests alter b drop not null;"
    three.write("ai-svc/migrations/002_c.sql", strict, down=lax, depends="discovery-svc:002")

    assert service("discovery-svc", "up").exit_code == 7
    assert service("discovery-svc", "up", "-n", "1").exit_code == 0
    assert service("ai", "up", "-n", "1").exit_code == 0
    assert service("discovery-svc", "up").exit_code == 0
    assert service("ai", "up").exit_code == 0
    done = service("ai", "check", "--no-lint")
    assert done.exit_code == 0, done.stdout + done.stderr


def test_the_files_of_the_others_are_not_needed_on_a_machine_that_runs_one(filled, three):
    """As in an image that holds the migrations of one service alone."""
    for path in (three.root / "discovery-svc" / "migrations").iterdir():
        path.unlink()
    (three.root / "discovery-svc" / "migrations").rmdir()
    assert filled("ai", "rollback").exit_code == 0
    assert filled("ai", "up").exit_code == 0


# --------------------------------------------------------------------------------------------------------------- status


def test_all_services_in_one_table(filled, three):
    three.write("chat-svc/migrations/002_bad.sql", "create table messages (id int references nosuch);")
    assert filled("chat", "up").exit_code == 4

    done = filled(None, "status", "--all-services", "--exit-code")

    assert (done.exit_code, done.stderr) == (1, "")
    assert done.stdout == (
        "service        version  applied  pending  failed\n"
        "discovery-svc  001      1        0        none\n"
        "ai             001      1        0        none\n"
        "chat           001      1        1        002\n"
    )
    shown = json.loads(filled(None, "status", "--all-services", "--json").stdout)
    assert [(each["name"], each["version"], each["pending"], each["failed"]) for each in shown["services"]] == [
        ("discovery-svc", "001", [], []),
        ("ai", "001", [], []),
        ("chat", "001", ["002"], ["002"]),
    ]
    assert shown["current"] is False
    assert "team discovery  PostgreSQL only" in filled(None, "status", "--all-services", "-v").stdout


def test_a_service_whose_files_are_gone_does_not_hide_the_others(filled, three):
    (three.root / "chat-svc/migrations/001_rooms.sql").unlink()
    (three.root / "chat-svc/migrations").rmdir()

    done = filled(None, "status", "--all-services", env={"DBMIGRATE_SERVICE": "ai"})

    assert done.exit_code == 0
    assert "ai             001      1        0        none\n" in done.stdout
    assert "chat           001      1        ?        none\n" in done.stdout
    assert "[chat] could not find migrations directory `chat-svc/migrations`\n" in done.stdout
    assert filled(None, "status", "--all-services", "-q").exit_code == 1


def test_migrations_of_no_service_are_one_of_the_rows(filled, project):
    project.migration("001_shared", up="create table shared ();", down="drop table shared;")

    assert filled(None, "up").exit_code == 0
    shown = json.loads(filled(None, "status", "--all-services", "--json").stdout)["services"]
    assert [(each["name"], each["version"]) for each in shown][-1] == (None, "001")
    assert filled(None, "status", "--all-services").stdout.endswith("-              001      1        0        none\n")


def test_a_server_that_is_away_is_said_once(service, unused_port):
    done = service(None, "status", "--all-services", env={"DATABASE_URL": f"postgres://localhost:{unused_port}/x"})

    assert (done.exit_code, done.stdout, done.stderr.count("error[")) == (3, "", 1)


# ---------------------------------------------------------------------------------------------------- whose tables


def written(path):
    return [line for line in path.read_text().splitlines() if line.startswith(("CREATE", "ALTER", "INSERT"))]


def test_the_schema_file_of_a_service_has_its_own_objects_alone(service, three):
    for name in NAMES:
        done = service(name, "up", env=DUMPED)
        assert done.exit_code == 0, done.stderr
        assert "W401" not in done.stderr

    assert written(three.root / "ai-svc/schema.sql") == [
        "CREATE TABLE public.ai_schema_migrations (",
        "CREATE TABLE public.requests (",
        "ALTER TABLE ONLY public.ai_schema_migrations",
        "ALTER TABLE ONLY public.requests",
        "CREATE INDEX requests_user ON public.requests USING btree (user_id);",
        "ALTER TABLE ONLY public.requests",
        "INSERT INTO public.ai_schema_migrations (version) VALUES",
    ]
    first = (three.root / "discovery-svc/schema.sql").read_text()
    assert "CREATE FUNCTION public.touch()" in first
    assert "rooms" not in first
    assert "requests" not in first
    assert "CREATE TABLE public.rooms (" in written(three.root / "chat-svc/chat.sql")
    assert service("discovery-svc", "dump", env=DUMPED).exit_code == 0
    assert (three.root / "discovery-svc/schema.sql").read_text() == first, "alone in the database it was the same"


def test_check_and_drift_know_whose_tables_are_whose(service, three, database_url, query):
    for name in NAMES:
        assert service(name, "up", env=DUMPED).exit_code == 0

    for name in NAMES:
        for words in (("check", "--no-lint"), ("drift",), ("drift", "--against", "migrations")):
            done = service(name, *words, env=DUMPED)
            assert done.exit_code == 0, (name, words, done.stdout, done.stderr)

    query(database_url, "alter table users add phone text; create table by_hand (); create index i on rooms (id)")
    found = {name: service(name, "drift", "--json").stdout for name in NAMES}
    names = {
        name: [each["name"] for each in json.loads(text)["differences"] if each["kind"] in ("column", "table", "index")]
        for name, text in found.items()
    }
    assert names == {
        "discovery-svc": ["public.by_hand", "public.users.phone"],
        "ai": ["public.by_hand"],
        "chat": ["public.by_hand", "public.i"],
    }


@pytest.mark.matrix
def test_drift_between_environments_is_that_of_the_service(service, twin_database_url, three):
    staging = {"STAGING_DATABASE_URL": twin_database_url}
    for name in NAMES:
        assert service(name, "up").exit_code == 0
    for name in NAMES:
        assert service(name, "-e", "staging", "up", env=staging).exit_code == 0
    three.write("chat-svc/migrations/002_more.sql", "create table more ();", down="drop table more;")
    assert service("chat", "-e", "staging", "up", env=staging).exit_code == 0

    assert service("ai", "drift", "--against", "staging", env=staging).exit_code == 0
    done = service("chat", "drift", "--against", "staging", env=staging)
    assert (done.exit_code, "table public.more is missing" in done.stdout) == (1, True)


def test_what_a_service_does_to_the_table_of_another_is_said(filled, three):
    three.write("ai-svc/migrations/002_flag.sql", "alter table users add ai_flag boolean;")

    done = filled("ai", "up", env=DUMPED)

    assert done.exit_code == 0
    assert "warning[W740]: service ai changes table public.users of another service" in done.stderr
    assert "ai_flag" not in (three.root / "ai-svc/schema.sql").read_text()
    assert "note[W740]: these migrations change table public.users" in filled("ai", "check", env=DUMPED).stdout
    assert filled("discovery-svc", "drift", "--against", "migrations").exit_code == 0


def test_a_schema_file_that_cannot_be_made_is_a_warning(filled, three):
    """The migrations of the others have to be there: whose an object is, is known by them."""
    (three.root / "discovery-svc/migrations/001_users.sql").unlink()
    three.write("ai-svc/migrations/002_b.sql", "create table b ();", down="drop table b;")

    done = filled("ai", "up", env=DUMPED)

    assert done.exit_code == 0
    assert "the files of applied migrations of service discovery-svc are gone: 001" in done.stderr


def test_another_table_of_the_same_name_is_no_reason_to_stop(run, project, database_url):
    """With a schema for each service, all tracking tables may have one name, and hold the same versions."""
    (project.root / "dbmigrate.toml").write_text(
        '[service.ai]\ndir = "ai/migrations"\nmigrations-table = "ai.schema_migrations"\n'
    )
    made = services.Services(project.root)
    made.write("ai/migrations/001_a.sql", "create table ai.a ();")
    project.migration("001_root", up="create table root ();", down="drop table root;")
    env = {"DATABASE_URL": database_url, "DBMIGRATE_NO_DUMP_SCHEMA": "true"}
    assert run("--service", "ai", "up", env=env).exit_code == 0
    from tests.support import databases

    databases.query(database_url, "drop table ai.schema_migrations_log")  # as dbmate would have made it

    done = run("up", env=env)

    assert done.exit_code == 0, done.stderr


# ---------------------------------------------------------------------------------------------------------------- graph


def test_the_graph_shows_what_comes_from_other_services(run, three):
    assert run("--service", "ai", "graph").stdout == ("service ai\n001_requests.sql (depends on discovery-svc:001)\n")
    assert run("--service", "ai", "graph", "--mermaid").stdout == (
        "flowchart LR\n"
        '    v001["001_requests.sql"]\n'
        '    sdiscovery_svc_001[["discovery-svc#58;001"]]\n'
        "    sdiscovery_svc_001 --> v001\n"
    )
    shown = json.loads(run("--service", "discovery-svc", "graph", "--json").stdout)
    assert shown["service"]["owner"] == "team discovery"


# --------------------------------------------------------------------------------------------------------------- rights


def test_a_role_needs_no_rights_on_services_that_it_does_not_depend_on(filled, three, database_url, query, server):
    query(database_url, "drop role if exists dbmigrate_test_ai")
    query(database_url, "create role dbmigrate_test_ai createdb; grant create on schema public to dbmigrate_test_ai")
    query(
        database_url,
        "grant select on discovery_svc_schema_migrations to dbmigrate_test_ai;"
        " grant select on discovery_svc_schema_migrations_log to dbmigrate_test_ai;"
        " grant references on users to dbmigrate_test_ai;"
        " alter table requests owner to dbmigrate_test_ai; alter table ai_schema_migrations owner to dbmigrate_test_ai;"
        " alter table ai_schema_migrations_log owner to dbmigrate_test_ai",
    )
    try:
        three.write(
            "ai-svc/migrations/002_more.sql",
            "create table more (user_id int references users);",
            down="drop table more;",
            depends="discovery-svc:001",
        )
        words = ("--url", f"{database_url}{'&' if '?' in database_url else '?'}role=dbmigrate_test_ai")
        for command in (("up",), ("dump",), ("rollback",)):
            done = filled("ai", *words, *command, env=DUMPED)
            assert (done.exit_code, "W401" in done.stderr) == (0, False), done.stderr
        denied = filled("chat", *words, "status")
        assert (denied.exit_code, "permission denied for table chat_versions" in denied.stderr) == (4, True), (
            denied.stderr
        )
    finally:
        query(database_url, "drop owned by dbmigrate_test_ai; drop role dbmigrate_test_ai")


# ------------------------------------------------------------------------------------------------ beside other commands


def test_what_a_wait_recommends_is_for_the_service(service):
    service("chat", "up")
    (hint,) = (
        line
        for line in service("ai", "wait", "--for", "current", "--wait-timeout", "1s").stderr.splitlines()
        if line.startswith("hint:")
    )

    assert "`dbmigrate --service ai up` applies it, `dbmigrate --service ai history --failed` says" in hint


def test_status_opens_with_the_service(filled):
    assert filled("ai", "status").stderr.startswith("service ai · ")


NO_DIRECTORY = [
    ("doctor",),
    ("status",),
    ("verify",),
    ("lint",),
    ("check",),
    ("graph",),
    ("report", "-o", "report.html"),
    ("squash", "--to", "001"),
    ("dump", "--from-migrations"),
    ("deploy",),
    ("up", "--targets", "targets.txt"),
]


@pytest.mark.parametrize("command", NO_DIRECTORY, ids=lambda words: words[0])
def test_where_no_service_is_chosen_every_command_names_them(service, three, database_url, command):
    (three.root / "targets.txt").write_text(f"{database_url}\n")

    done = service(None, *command)

    assert "hint: name one: --service discovery-svc, --service ai, --service chat\n" in done.stderr + done.stdout


def test_where_a_service_has_no_directory_one_is_made_for_it(service, three):
    (three.root / "ai-svc" / "migrations").rename(three.root / "ai-svc" / "elsewhere")

    for command in ("status", "lint"):
        assert "hint: create one with `dbmigrate --service ai new NAME`, or name" in service("ai", command).stderr


def test_hints_of_all_services_are_for_their_own(service, three):
    extra = three.write("chat-svc/migrations/002_more.sql", "select 1;")
    service("chat", "up")
    extra.unlink()

    shown = service(None, "status", "--all-services")

    assert "  hint: `dbmigrate --service chat verify` says how to restore or forget each;" in shown.stderr


def test_the_catalogue_of_a_service_has_what_depends_on_others(service, three, database_url):
    done = service("ai", "report", "--markdown", env={"DBMIGRATE_SCRATCH_URL": database_url})

    assert (done.exit_code, "W773" in done.stderr) == (0, False)
    written = (three.root / "ai-svc" / "MIGRATIONS.md").read_text()
    assert "table public.requests`" in written.partition("- Creates: ")[2].partition("\n")[0]
    assert "touch" not in written
