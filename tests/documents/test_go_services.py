"""Three services that share a database leave their Go engine: its files and its history are taken over first."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import psycopg
import pytest

from dbmigrate import Migrator, Options
from tests.documents.go_services_page import Place, Step, commands, work_through
from tests.support import databases

PAGE = Path(__file__).with_name("go_services.md").read_text("utf-8")
SERVICES = ("discovery-svc", "ai-svc", "chat-svc")
PROJECT = """\
[service.discovery-svc]
dir = "discovery-svc/migrations"
owner = "team discovery"
notes = "user discovery, availability; PostgreSQL only"

[service.ai-svc]
dir = "ai-svc/migrations"
owner = "team ai"
notes = "AI chat history, usage; PostgreSQL only"

[service.chat-svc]
dir = "chat-svc/migrations"
owner = "team chat"
notes = "messaging, rooms; PostgreSQL and Redis"
"""
# in the form of the engine: pairs of files, in a directory of each service
FILES = {
    "discovery-svc/001_create_users": (
        # the page takes uuid-ossp, which not every server has
        "CREATE TABLE users (id UUID PRIMARY KEY DEFAULT gen_random_uuid(), email VARCHAR, status VARCHAR);\n",
        "DROP TABLE IF EXISTS users;\n",
    ),
    "discovery-svc/002_add_user_avatar": (
        "ALTER TABLE users ADD COLUMN avatar_url VARCHAR(500);\n"
        "CREATE INDEX idx_users_avatar_url ON users(avatar_url) WHERE avatar_url IS NOT NULL;\n",
        "DROP INDEX IF EXISTS idx_users_avatar_url;\nALTER TABLE users DROP COLUMN IF EXISTS avatar_url;\n",
    ),
    "ai-svc/001_create_ai_tables": (
        "CREATE TABLE ai_conversations (id SERIAL PRIMARY KEY, user_id UUID);\n"
        "CREATE TABLE ai_requests (id SERIAL PRIMARY KEY, conversation_id INT REFERENCES ai_conversations);\n",
        "DROP TABLE IF EXISTS ai_requests;\nDROP TABLE IF EXISTS ai_conversations;\n",
    ),
    "chat-svc/001_create_chat_tables": (
        "CREATE TABLE chat_rooms (id SERIAL PRIMARY KEY);\n"
        "CREATE TABLE messages (id SERIAL PRIMARY KEY, room_id INT REFERENCES chat_rooms);\n",
        "DROP TABLE IF EXISTS messages;\nDROP TABLE IF EXISTS chat_rooms;\n",
    ),
}
ENGINE = """
CREATE TABLE migration_records (id SERIAL PRIMARY KEY, service VARCHAR NOT NULL, version INTEGER NOT NULL,
    name VARCHAR NOT NULL, applied_at TIMESTAMP NOT NULL DEFAULT NOW(), checksum VARCHAR NOT NULL);
CREATE TABLE schema_versions (service VARCHAR PRIMARY KEY, version INTEGER NOT NULL,
    applied_at TIMESTAMP NOT NULL DEFAULT NOW(), description VARCHAR);
"""
PREFERENCES = """\
-- migrate:up
CREATE TABLE user_preferences (
    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id UUID NOT NULL UNIQUE,
    theme VARCHAR(20) DEFAULT 'light' CHECK (theme IN ('light', 'dark')),
    notifications JSONB DEFAULT '{"email": true, "push": true}'
);
CREATE INDEX idx_user_preferences_theme ON user_preferences(theme);

-- migrate:down
DROP INDEX IF EXISTS idx_user_preferences_theme;
DROP TABLE IF EXISTS user_preferences;
"""
DISCOVERY, AI = "dbmigrate --service discovery-svc", "dbmigrate --service ai-svc"
NEW = "discovery-svc/migrations/003_add_user_preferences.sql"


def pending_preferences(place: Place) -> None:
    place.write(NEW, PREFERENCES)


def without_table(place: Place) -> None:
    (place.root / "discovery-svc/migrations/003_add_user_preferences_table.sql").unlink()


def edited(place: Place) -> None:
    path = place.root / "ai-svc/migrations/001_create_ai_tables.sql"
    path.write_text(path.read_text("utf-8").replace("user_id UUID", "user_id TEXT"), "utf-8")


def mended(place: Place) -> None:
    path = place.root / "ai-svc/migrations/001_create_ai_tables.sql"
    path.write_text(path.read_text("utf-8").replace("user_id TEXT", "user_id UUID"), "utf-8")


def broken(place: Place) -> None:
    place.write("chat-svc/migrations/002_members.sql", "-- migrate:up\ncreate tabel m ();\n-- migrate:down\n")
    done = place.run("dbmigrate --service chat-svc up")
    assert (done.exit_code, "rolled back; nothing of 002_members.sql was applied" in done.stderr) == (4, True)


def whole(place: Place) -> None:
    (place.root / "chat-svc/migrations/002_members.sql").unlink()
    mended(place)


# what cannot run here has a stand-in: go, containers, an editor, a remote repository
STEPS = [
    Step("go run cmd/migrate/main.go -action=up", f"{DISCOVERY} up", shows=("service discovery-svc · ",)),
    Step("go run cmd/migrate/main.go -action=up -dry-run", f"{DISCOVERY} up --dry-run"),
    Step("go run cmd/migrate/main.go -action=status", f"{DISCOVERY} status", shows=("[X] 001_", "Pending: 0")),
    Step("go run main.go -service=discovery-svc -action=up", f"{DISCOVERY} up"),
    Step("go run main.go -service=ai-svc -action=status", f"{AI} status", shows=("[X] 001_create_ai_tables.sql",)),
    Step(
        'go run cmd/migrate/main.go -action=generate -description="add user preferences table"',
        f'{DISCOVERY} new --sequential "add user preferences table"',
        shows=("discovery-svc/migrations/003_add_user_preferences_table.sql",),
    ),
    Step("go run cmd/migrate/main.go -action=down", f"{AI} rollback", shows=("001_create_ai_tables.sql",)),
    Step(
        "go run cmd/migrate/main.go -action=down -dry-run",
        f"{DISCOVERY} rollback --dry-run --no-locks",
        shows=("DROP COLUMN IF EXISTS avatar_url",),
    ),
    Step("go run cmd/migrate/main.go -action=status", f"{AI} status", shows=("[ ] 001_create_ai_tables.sql",)),
    Step("go run cmd/migrate/main.go -action=verify", f"{DISCOVERY} verify", shows=("Files and history agree",)),
    Step("docker-entrypoint.sh", "true"),  # the two commands below, and then the service
    Step("nc -z postgres 5432", "dbmigrate wait"),
    Step("./migrate -action=up", f"{AI} up", shows=("001_create_ai_tables.sql",)),
    Step("./main", "true"),  # the service itself
    Step("docker exec -it discovery-svc /bin/sh", "true"),  # no containers here
    Step("./migrate -action=status", f"{DISCOVERY} status", shows=("[X] 002_add_user_avatar.sql",)),
    Step("./migrate -action=up -dry-run", f"{DISCOVERY} up --dry-run --no-locks", before=without_table),
    # these variables are what all steps run with, with the values of this test's server
    Step("DB_HOST=postgres", 'test -n "$DB_HOST"'),
    Step("DB_PORT=5432", 'test -n "$DB_PORT"'),
    Step("DB_USER=linkuser", 'test -n "$DB_USER"'),
    Step("DB_PASSWORD=linkpass", 'test -n "$DB_PASSWORD"'),
    Step("DB_NAME=linkdb", 'test -n "$DB_NAME"'),
    Step("DB_SSLMODE=disable", 'test -n "$DB_SSLMODE"'),
    Step("git checkout -b feature/add-user-preferences"),
    Step(
        'go run cmd/migrate/main.go -action=generate -description="add user preferences"',
        f'{DISCOVERY} new --sequential "add user preferences"',
        shows=(NEW,),
    ),
    Step("vim migrations/003_add_user_preferences.up.sql", "true"),  # one file has both: written before the next step
    Step("vim migrations/003_add_user_preferences.down.sql", "true"),
    Step(
        "go run cmd/migrate/main.go -action=up -dry-run",
        f"{DISCOVERY} up --dry-run --no-locks",
        before=pending_preferences,
        shows=("CREATE TABLE user_preferences",),
    ),
    Step("go run cmd/migrate/main.go -action=up", f"{DISCOVERY} up", shows=("discovery-svc/schema.sql",)),
    Step(
        "go run cmd/migrate/main.go -action=down -dry-run",
        f"{DISCOVERY} rollback --dry-run --no-locks",
        shows=("DROP TABLE IF EXISTS user_preferences",),
    ),
    Step("git add migrations/", "git add discovery-svc/migrations/"),
    Step('git commit -m "feat: add user preferences table migration"'),
    Step("git push origin feature/add-user-preferences", "true"),  # there is no other repository
    Step("go run cmd/migrate/main.go -action=status", "dbmigrate --service chat-svc status", before=broken),
    Step("go run cmd/migrate/main.go -action=verify", "dbmigrate --service chat-svc verify"),
    Step(
        "go run cmd/migrate/main.go -action=up -dry-run",
        "dbmigrate --service chat-svc up --dry-run --execute",
        code=4,
        shows=('syntax error at or near "tabel"', "chat-svc/migrations/002_members.sql:2:8"),
    ),
    Step(
        "go run cmd/migrate/main.go -action=verify",
        f"{AI} verify",
        code=1,
        before=edited,
        shows=("001_create_ai_tables.sql",),
    ),
    Step("echo $DB_HOST $DB_PORT $DB_USER $DB_NAME"),
    Step("psql -h $DB_HOST -p $DB_PORT -U $DB_USER -d $DB_NAME", "dbmigrate wait"),  # no psql on every machine
    Step("docker logs discovery-svc", f"{DISCOVERY} history -n 5", shows=("003_add_user_preferences.sql",)),
    Step("docker exec -it discovery-svc /bin/sh", "true"),
    Step("./migrate -action=status", f"{DISCOVERY} status", shows=("Pending: 0",)),
    Step(
        "go run cmd/migrate/main.go -action=status",
        "dbmigrate status --all-services",
        shows=("chat-svc       001      1        1        002",),
    ),
    Step("ls migrations/*down.sql", "grep -l migrate:down discovery-svc/migrations/*.sql", shows=(NEW,), before=whole),
    Step("go run cmd/migrate/main.go -action=down -dry-run", f"{DISCOVERY} rollback --dry-run --no-locks"),
    Step('find . -name "*.sql" -exec sqlcheck {} \\;', f"{DISCOVERY} lint --all --fail-on error"),
    Step("./scripts/validate_migration_names.sh", "dbmigrate --service chat-svc lint --all --fail-on error"),
    Step("docker-compose -f docker-compose.test.yml up -d postgres-test", "dbmigrate wait"),
    *(
        Step(f"go run {name}/cmd/migrate/main.go -action=up -dry-run", f"dbmigrate --service {name} check --no-lint")
        for name in SERVICES
    ),
    Step(
        "for service in discovery-svc ai-svc chat-svc; do\n"
        '    echo "=== $service ==="\n'
        "    go run shared-libs/migrations/cmd/migrate/main.go -service=$service -action=status\n"
        "done",
        "for service in discovery-svc ai-svc chat-svc; do\n"
        '    echo "=== $service ==="\n'
        f"    {sys.executable} -m dbmigrate --service $service status\n"
        "done",
        shows=("=== chat-svc ===\n[X] 001_create_chat_tables.sql\n\nApplied: 1\nPending: 0\n",),
    ),
    Step("docker exec -it service-name ./migrate -action=up", "dbmigrate --service chat-svc up"),
    Step("go run cmd/migrate/main.go -help", "dbmigrate --help", shows=("up", "status", "verify")),
]


@pytest.fixture
def place(tmp_path, runner, database_url):
    """The project with the files of the engine in `old`, and a database in which the engine has applied all of them."""
    keywords = psycopg.conninfo.conninfo_to_dict(database_url)
    env = {
        "DB_HOST": str(keywords["host"]),
        "DB_PORT": str(keywords.get("port", "5432")),
        "DB_USER": str(keywords["user"]),
        "DB_PASSWORD": str(keywords.get("password") or "not asked for"),
        "DB_NAME": str(keywords["dbname"]),
        "DB_SSLMODE": "disable",
        "GIT_AUTHOR_NAME": "A",
        "GIT_AUTHOR_EMAIL": "a@example.com",
        "GIT_COMMITTER_NAME": "A",
        "GIT_COMMITTER_EMAIL": "a@example.com",
        "PYTHONPATH": os.getcwd(),
    }
    made = Place(tmp_path, runner, env)
    made.write("dbmigrate.toml", PROJECT)
    databases.query(database_url, ENGINE)
    for name, (up, down) in FILES.items():
        service, _, stem = name.partition("/")
        made.write(f"old/{service}/migrations/{stem}.up.sql", up)
        made.write(f"old/{service}/migrations/{stem}.down.sql", down)
        databases.query(database_url, up)
        version, _, label = stem.partition("_")
        values = (service, int(version), label, "")
        databases.query(
            database_url,
            "insert into migration_records (service, version, name, checksum) values (%s, %s, %s, %s)",
            values,
        )
    done = made.run("git init -q -b main . && git add -A && git commit -qm 'before'")
    assert done.exit_code == 0, done.stderr
    return made


def test_the_engine_is_left_and_every_command_of_its_page_has_an_answer(place):
    for name in SERVICES:
        done = place.run(f"dbmigrate import old/{name}/migrations --service {name} --history --yes")
        assert done.exit_code == 0, done.stderr

    work_through(PAGE, STEPS, place)

    assert "CREATE TABLE public.users" in (place.root / "discovery-svc/schema.sql").read_text()
    assert "ai_requests" not in (place.root / "discovery-svc/schema.sql").read_text()


def test_a_command_that_is_not_listed_fails(place):
    with pytest.raises(AssertionError, match="each command of the page"):
        work_through(f"{PAGE}\n```sh\ngo test ./...\n```\n", STEPS, place)


def test_the_loop_is_one_command():
    assert len([each for each in commands(PAGE) if each.startswith("for ")]) == 1
    assert not any(each in ("done", "do") for each in commands(PAGE))


# what the page says in Go and in SQL


def test_the_engine_in_code(tmp_path, database_url):
    """`NewMigrationEngine(db, "my-service", dir)`, its status, and the health check."""
    directory = tmp_path / "migrations"
    directory.mkdir()
    (directory / "001_a.sql").write_text("-- migrate:up\ncreate table a ();\n-- migrate:down\ndrop table a;\n")
    engine = Migrator(database_url, Options(directories=(str(directory),)), service="my-service")

    before = engine.status()
    assert (before.service.name, before.current, len(before.pending)) == ("my-service", None, 1)
    engine.up()
    after = engine.status()
    assert (after.current, after.pending) == ("001", ())
    assert databases.query(database_url, "select version from my_service_schema_migrations") == [("001",)]


CAREFUL = {
    "010_new_email": "ALTER TABLE users ADD COLUMN new_email VARCHAR;",
    "011_fill_email": "UPDATE users SET new_email = email WHERE new_email IS NULL;",
    "012_drop_email": "ALTER TABLE users DROP COLUMN email;\nALTER TABLE users RENAME COLUMN new_email TO email;",
    "013_preferences": "ALTER TABLE users ADD COLUMN preferences JSONB DEFAULT '{}';",
    "014_sessions": "CREATE TABLE IF NOT EXISTS user_sessions (id int);\nDROP INDEX IF EXISTS old_index_name;",
    "015_status": "UPDATE users SET status = 'active' WHERE status IS NULL;",
}


def test_the_statements_of_the_page(place):
    """What it advises runs, what it warns of is found by `lint`; an index is built outside a transaction."""
    for name in SERVICES:
        assert place.run(f"dbmigrate import old/{name}/migrations --service {name} --history --yes").exit_code == 0
    for name, up in CAREFUL.items():
        place.write(f"discovery-svc/migrations/{name}.sql", f"-- migrate:up\n{up}\n-- migrate:down\n")
    index = "-- migrate:up transaction:false\nCREATE INDEX CONCURRENTLY idx_users_email ON users(email);\n"
    place.write("discovery-svc/migrations/016_index.sql", f"{index}-- migrate:down\nDROP INDEX idx_users_email;\n")

    found = place.run(f"{DISCOVERY} lint --all")
    for rule in ("L121", "L123"):
        assert rule in found.stdout, found.stdout
    done = place.run(f"{DISCOVERY} up")
    assert done.exit_code == 0, done.stderr
