"""A team that runs Flyway in Docker Compose takes its files over, and works with dbmigrate."""

from __future__ import annotations

from pathlib import Path

from tests.support import web
from tests.support.documents import Place, Step, work_through
from tests.support.git import Repository

PAGE = Path(__file__).with_name("flyway_docker.md").read_text("utf-8")
APP = "CREATE TABLE app (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), name text)"
FILES = {
    "V001__baseline_schema.sql": f"{APP};\n\nCOMMIT;\n",
    "V002__workspace_invites.sql": "CREATE TABLE IF NOT EXISTS invite (id uuid PRIMARY KEY, email text);\n\nCOMMIT;\n",
    "V003__channel_starring.sql": "ALTER TABLE app ADD COLUMN IF NOT EXISTS starred boolean;\n\nCOMMIT;\n",
}
BADGES = """\
-- migrate:up
-- Badges for users
CREATE TABLE IF NOT EXISTS user_badge (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    app_id uuid REFERENCES app (id) ON DELETE CASCADE,
    badge_type varchar(50) NOT NULL
);
COMMENT ON TABLE user_badge IS 'Badges';

-- migrate:down
DROP TABLE user_badge;
"""
BROKEN = "-- migrate:up\nCREATE TABLE badge_kind (id int, nmae txt);\n\n-- migrate:down\nDROP TABLE badge_kind;\n"
MENDED = "-- migrate:up\nCREATE TABLE badge_kind (id int, name text);\n\n-- migrate:down\nDROP TABLE badge_kind;\n"
FEATURE = "-- migrate:up\nCREATE TABLE new_table (id int);\n\n-- migrate:down\nDROP TABLE IF EXISTS new_table;\n"
NO_DOCKER = "no containers here; the service `migrate` runs this before the others start"
IN_IMAGE = "no containers here; what the image's ENTRYPOINT runs"
NPM = "no npm here; the script that init wrote"
BACKUP = "it names the file, writes it whole or not at all, and restore reads it"
DOCTOR = "doctor looks at each part of the way to the database"
LOGS = "no containers here; what happened is in the history"


def the_project(place: Place) -> None:
    """Flyway's directory, taken over in one command."""
    for name, text in FILES.items():
        place.write(f"docker/migrations/{name}", text)
    place.write("docker/docker-compose.yml", 'services:\n  postgres:\n    ports: ["5434:5432"]\n')
    place.env["DATABASE_URL"] = place.empty_database()
    done = place.run("dbmigrate import docker/migrations --from flyway")
    assert done.exit_code == 0, done.stderr
    done = place.run("dbmigrate init --npm")
    assert done.exit_code == 0, done.stderr
    Repository.made(place.root, place.runner.home).commit("feat: take Flyway's files over")


def badges(place: Place) -> None:
    place.fill("db/migrations/*_add_user_badges.sql", BADGES)


def staging(place: Place) -> None:
    place.env["STAGING_DATABASE_URL"] = place.empty_database()
    assert place.run("dbmigrate -e staging up --to 003").exit_code == 0


def without_history(place: Place) -> None:
    """The baseline is for a database with the first schema and no history."""
    place.env["DATABASE_URL"] = place.empty_database()
    _first_schema(place, "DATABASE_URL")


def _first_schema(place: Place, name: str) -> None:
    made = place.run(f"psql -X -q ${name} -c '{APP}'")
    assert made.exit_code == 0, made.stderr


def a_mistake(place: Place) -> None:
    place.write("db/migrations/005_add_badge_kinds.sql", BROKEN)
    assert place.run("dbmigrate up").exit_code == 4


def mended(place: Place) -> None:
    place.write("db/migrations/005_add_badge_kinds.sql", MENDED)


def committed_and_edited(place: Place) -> None:
    Repository(place.root, place.runner.home).commit("feat: badges")
    (path,) = (place.root / "db/migrations").glob("002_*.sql")
    path.write_text(path.read_text("utf-8").replace("email text", "email varchar"), "utf-8")
    assert place.run("dbmigrate verify").exit_code == 1


def skipped(place: Place) -> None:
    place.write("db/migrations/006_new_table.sql", FEATURE)


def the_feature(place: Place) -> None:
    """The one that was skipped runs after all: its record is taken back first."""
    assert place.run("dbmigrate mark pending 006 --reason 'the cause is gone'").exit_code == 0
    assert place.run("dbmigrate up").exit_code == 0


def production(place: Place) -> None:
    Repository(place.root, place.runner.home).commit("feat: new table")
    place.env["PRODUCTION_DATABASE_URL"] = place.empty_database()
    _first_schema(place, "PRODUCTION_DATABASE_URL")


def revert_is_written(place: Place) -> None:
    assert list((place.root / "db/migrations").glob("007_*rollback_feature.sql"))


def backups(place: Place) -> None:
    done = place.run("dbmigrate backup")
    assert done.exit_code == 0, done.stderr
    place.env["BACKUP"] = done.stdout.strip()


STEPS = [
    the_project,
    Step("ls docker/migrations/ | grep '^V' | sort -V", shows=("V003__channel_starring.sql",)),
    Step(
        "touch docker/migrations/V004__add_user_badges.sql",
        "dbmigrate new --sequential add user badges",
        ("db/migrations/004_add_user_badges.sql",),
        why="new makes the file, with its number",
    ),
    badges,
    Step("docker compose down", "true", why="no containers here"),
    Step(
        "docker compose up -d", "dbmigrate up --wait", ("Applied: 004_add_user_badges.sql", "4 applied"), why=NO_DOCKER
    ),
    Step("docker compose logs flyway", "dbmigrate history -n 1", ("004_add_user_badges.sql",), why=LOGS),
    Step(
        "psql postgres://chat:chat_dev@localhost:5434/chat",
        "dbmigrate connect -c 'SELECT version, file, state FROM schema_migrations_log ORDER BY event_id'"
        " -c '\\d user_badge'",
        ("004_add_user_badges.sql", "badge_type"),
        why="nobody types at a test; the commands are handed over",
    ),
    staging,
    Step(
        "pg_dump -h staging -U chat chat > staging-backup.sql",
        "dbmigrate -e staging backup",
        ("backups/",),
        why=BACKUP,
    ),
    Step(
        "docker compose -f docker-compose.staging.yml up -d", "dbmigrate -e staging up", ("1 applied",), why=NO_DOCKER
    ),
    Step(
        "curl https://staging.example.com/health",
        "dbmigrate -e staging deploy --no-backup --health-url $HEALTH",
        ("health   http", "200 after 1 try"),
        why="the application is not here; with nothing pending deploy asks a page of this test",
    ),
    Step("docker compose up -d", "dbmigrate up --wait", ("0 pending",), why=NO_DOCKER),
    Step("docker compose run --rm flyway migrate", "dbmigrate migrate", ("0 pending",), why=IN_IMAGE),
    Step("docker compose run --rm flyway info", "dbmigrate info", ("[X] 001_", "Pending: 0"), why=IN_IMAGE),
    Step("docker compose run --rm flyway validate", "dbmigrate validate", ("Files and history agree",), why=IN_IMAGE),
    Step("docker compose run --rm flyway repair", "dbmigrate repair --yes", why=IN_IMAGE),
    Step("npm run db:migrate", "script db:migrate", ("0 pending",), why=NPM),
    Step("npm run db:info", "script db:info", ("Applied: 4",), why=NPM),
    Step("npm run db:validate", "script db:validate", ("Files and history agree",), why=NPM),
    Step("npm run db:repair", "script db:repair", ("Nothing to change",), why=NPM),
    Step(
        "npm run db:baseline",
        "script db:baseline 001",
        ("error[E240]: 4 migrations are recorded already",),
        exit_code=2,
        why=f"{NPM}, with a version behind --; a baseline is made once",
    ),
    Step(
        "npm run db:connect",
        "script db:connect -c 'select 1 as here'",
        ("here",),
        why=f"{NPM}; nobody types at a test",
    ),
    Step("docker compose run --rm flyway info", "dbmigrate info", ("Applied: 4",), why=IN_IMAGE),
    Step(
        "psql postgres://chat:chat_dev@localhost:5434/chat \\\n"
        '  -c "SELECT version, description, installed_on, success FROM flyway_schema_history ORDER BY installed_rank;"',
        "psql -X $DATABASE_URL -c 'SELECT version, file, state FROM schema_migrations_log ORDER BY event_id'",
        ("001_baseline_schema.sql", "done"),
        why="the history is in dbmigrate's table",
    ),
    Step("docker compose run --rm flyway info", "dbmigrate info", ("Pending: 0",), why=IN_IMAGE),
    a_mistake,
    Step("docker compose logs flyway", "dbmigrate history -n 1", ('type "txt" does not exist',), why=LOGS),
    Step(
        "psql postgres://chat:chat_dev@localhost:5434/chat \\\n"
        '  -c "SELECT * FROM flyway_schema_history WHERE success = false;"',
        "dbmigrate history --failed",
        ("005_add_badge_kinds.sql",),
        why="the history is in dbmigrate's table",
    ),
    mended,
    Step(
        "nano docker/migrations/V005__failed_migration.sql",
        "cat db/migrations/005_add_badge_kinds.sql",
        ("name text",),
        why="nobody types at a test; the file is corrected",
    ),
    Step(
        "docker compose run --rm flyway repair", "dbmigrate repair --yes", why=f"{IN_IMAGE}: nothing is left to repair"
    ),
    Step("docker compose up -d", "dbmigrate up --wait", ("Applied: 005_add_badge_kinds.sql",), why=NO_DOCKER),
    without_history,
    Step(
        'docker compose run --rm flyway baseline \\\n  -baselineVersion=1 \\\n  -baselineDescription="Initial schema"',
        "dbmigrate baseline 001 --description 'Initial schema'",
        ("001_baseline_schema.sql",),
        why=IN_IMAGE,
    ),
    Step("docker compose up -d", "dbmigrate up --wait", ("Applied: 002_", "4 applied"), why=NO_DOCKER),
    Step("docker compose run --rm flyway info", "dbmigrate info", ("Applied: 5",), why=IN_IMAGE),
    committed_and_edited,
    Step(
        "git checkout docker/migrations/V002__workspace_invites.sql",
        "git checkout -q db/migrations/002_workspace_invites.sql && dbmigrate verify",
        ("Files and history agree",),
        why="the files are in db/migrations",
    ),
    Step("docker compose up -d", "dbmigrate up --wait", ("0 pending",), why=NO_DOCKER),
    skipped,
    Step("docker compose run --rm flyway repair", "dbmigrate repair --yes", why=IN_IMAGE),
    Step(
        "psql postgres://chat:chat_dev@localhost:5434/chat",
        "dbmigrate mark applied 006 --reason 'skipped until the table is free'",
        ("006_new_table.sql",),
        why="nothing is written into the history by hand",
    ),
    Step('grep "5434:5432" docker/docker-compose.yml', shows=("5434:5432",)),
    Step("docker compose ps postgres", "dbmigrate doctor", ("login",), why=f"no containers here; {DOCTOR}"),
    Step(
        "docker compose logs postgres",
        "dbmigrate doctor --report",
        ("PostgreSQL",),
        why=f"no containers here; {DOCTOR}",
    ),
    Step(
        "nc -zv localhost 5434",
        "dbmigrate doctor --url postgres://nobody@127.0.0.1:1/none",
        ("port 1 of 127.0.0.1 cannot be reached: connection refused",),
        exit_code=3,
        why=f"an open port is not a server that answers; {DOCTOR}",
    ),
    the_feature,
    production,
    Step(
        "pg_dump -h prod-db -U chat chat > backup-$(date +%Y%m%d-%H%M%S).sql",
        "dbmigrate -e production backup",
        ("backups/",),
        why=BACKUP,
    ),
    Step(
        "docker compose -f docker-compose.prod.yml run --rm flyway baseline \\\n"
        "  -baselineVersion=1 \\\n"
        '  -baselineDescription="Production baseline before migration system"',
        "dbmigrate -e production baseline 001 --yes --description 'Production baseline'",
        ("001_baseline_schema.sql",),
        why=IN_IMAGE,
    ),
    Step(
        "docker compose -f docker-compose.prod.yml up -d",
        "dbmigrate -e production up --wait --yes",
        ("Applied: 002_", "5 applied"),
        why=NO_DOCKER,
    ),
    Step(
        "docker compose -f docker-compose.prod.yml run --rm flyway info",
        "dbmigrate -e production info",
        ("Pending: 0",),
        why=IN_IMAGE,
    ),
    Step(
        "curl https://chat.example.com/health",
        "dbmigrate -e production deploy --yes --no-backup --health-url $HEALTH",
        ("200 after 1 try",),
        why="the application is not here; a page of this test",
    ),
    Step(
        'curl https://chat.example.com/api/channels -H "X-API-Key: KEY" -H "Authorization: Bearer TOKEN"',
        "dbmigrate -e production deploy --yes --no-backup --health-url $HEALTH --health-header 'X-API-Key: KEY'",
        ("200 after 1 try",),
        why="the application is not here; a page of this test",
    ),
    Step(
        "docker compose -f docker-compose.prod.yml up -d",
        "dbmigrate -e production up --wait --yes",
        ("0 pending",),
        why=NO_DOCKER,
    ),
    Step(
        "docker compose -f docker-compose.prod.yml run --rm flyway info",
        "dbmigrate -e production info",
        ("Pending: 0",),
        why=IN_IMAGE,
    ),
    Step(
        "cat > docker/migrations/V007__rollback_feature.sql << 'EOF'\n"
        "-- Description: Rollback V006\nDROP TABLE IF EXISTS new_table;\n\nCOMMIT;\nEOF",
        "dbmigrate new --sequential --revert 006 rollback feature",
        ("db/migrations/007_",),
        why="new writes it, from the down section",
    ),
    revert_is_written,
    Step("docker compose up -d", "dbmigrate up --wait", ("Applied: 007_", "1 applied"), why=NO_DOCKER),
    backups,
    Step("docker compose down", "true", why="no containers here"),
    Step(
        "psql postgres://chat:chat_dev@localhost:5434/chat < backup.sql",
        "dbmigrate restore $BACKUP --replace",
        ("what it was before is",),
        why="the database before is kept by another name",
    ),
    Step("docker compose up -d postgres", "dbmigrate wait", why="no containers here"),
    Step("docker compose run --rm flyway repair", "dbmigrate repair --yes", why=IN_IMAGE),
    Step("docker compose up -d", "dbmigrate up --wait", ("0 pending",), why=NO_DOCKER),
    Step("docker compose down", "true", why="no containers here"),
    Step(
        "psql postgres://chat:chat_dev@localhost:5434/chat < backup-20260106.sql",
        "dbmigrate restore $BACKUP",
        ("_restore_",),
        why="into a database beside it, never over it; two renames are shown",
    ),
    Step(
        "psql postgres://chat:chat_dev@localhost:5434/chat \\\n"
        '  -c "SELECT version FROM flyway_schema_history ORDER BY version;"',
        "dbmigrate verify",
        ("Files and history agree",),
        why="verify compares the history with the files",
    ),
    Step("docker compose up -d", "dbmigrate up --wait", ("0 pending",), why=NO_DOCKER),
]


def test_every_command_of_the_page(place: Place) -> None:
    with web.site(web.status(200)) as application:
        place.env["HEALTH"] = application.url
        work_through(PAGE, STEPS, place)

        assert application.requests[-1][1].get("X-Api-Key") == "KEY"
