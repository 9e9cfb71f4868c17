"""A team that runs numbered SQL files with psql and node scripts takes them over, and works with dbmigrate."""

from __future__ import annotations

from pathlib import Path

from tests.support.documents import Place, Step, work_through

PAGE = Path(__file__).with_name("psql_scripts.md").read_text("utf-8")
FILES = {
    "001_create_platform_schema.sql": """\
-- Purpose: the schema of the platform
BEGIN;
CREATE SCHEMA platform;
CREATE TABLE platform.organizations (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), slug text UNIQUE NOT NULL);
CREATE TABLE platform.projects (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    organization_id uuid REFERENCES platform.organizations(id)
);
COMMIT;
""",
    "002_platform_billing_schema.sql": """\
-- Purpose: billing
-- Dependencies: 001_create_platform_schema.sql
BEGIN;
ALTER TABLE platform.organizations ADD COLUMN billing_email text;
COMMIT;
""",
    "003_user_management.sql": """\
-- Purpose: users and their roles
-- Dependencies: 001_create_platform_schema.sql
BEGIN;
CREATE TABLE platform.user_roles (id serial PRIMARY KEY, role text NOT NULL);
INSERT INTO platform.user_roles (role) VALUES ('owner'), ('member');
COMMIT;
""",
    "004_create_first_org.sql": """\
-- Purpose: the first organization
BEGIN;
INSERT INTO platform.organizations (slug) VALUES ('acme') ON CONFLICT DO NOTHING;
COMMIT;
""",
}
LIMITS = """\
-- migrate:up
-- Limits for each project
ALTER TABLE platform.projects ADD COLUMN max_databases integer DEFAULT 10;
CREATE TABLE platform.project_limits (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    project_id uuid REFERENCES platform.projects(id) ON DELETE CASCADE,
    limit_value integer NOT NULL
);
CREATE INDEX idx_project_limits_project_id ON platform.project_limits (project_id);

-- migrate:down
DROP TABLE IF EXISTS platform.project_limits;
ALTER TABLE platform.projects DROP COLUMN IF EXISTS max_databases;
"""
FIX = """\
-- migrate:up
-- Fewer databases for each project
ALTER TABLE platform.projects ALTER COLUMN max_databases SET DEFAULT 5;

-- migrate:down
ALTER TABLE platform.projects ALTER COLUMN max_databases SET DEFAULT 10;
"""
SCRIPT = "the team's own script; dbmigrate does it"
PSQL = "psql records nothing; dbmigrate applies and records it"


def the_project(place: Place) -> None:
    """The old directory, taken over in one command."""
    for name, text in FILES.items():
        place.write(f"migrations/{name}", text)
    place.env["DATABASE_URL"] = place.empty_database()
    done = place.run("dbmigrate import migrations --from numbered --missing-down empty")
    assert done.exit_code == 0, done.stderr
    # the special runner validated the roles: now the migration does
    (path,) = (place.root / "db/migrations").glob("003_*.sql")
    text = path.read_text("utf-8")
    path.write_text("-- migrate:check select count(*) = 2 from platform.user_roles\n" + text, "utf-8")


def limits(place: Place) -> None:
    place.fill("db/migrations/005_*.sql", LIMITS)


def another_database(place: Place) -> None:
    place.env["DEVELOPMENT"] = place.env["DATABASE_URL"]
    place.env["DATABASE_URL"] = place.empty_database()


def production(place: Place) -> None:
    """A database in which the first four are applied."""
    place.env["DATABASE_URL"] = place.empty_database()
    assert place.run("dbmigrate up --to 004").exit_code == 0


def the_fix(place: Place) -> None:
    done = place.run("dbmigrate new --sequential fix 005 issues")
    assert "db/migrations/006_fix_005_issues.sql" in done.stdout
    place.fill("db/migrations/006_*.sql", FIX)
    assert place.run("dbmigrate up --to 005").exit_code == 0


def backed_up(place: Place) -> None:
    place.env["BACKUP"] = place.the_backup()


STEPS = [
    the_project,
    Step(
        "psql $DATABASE_URL -f 001_create_platform_schema.sql",
        "dbmigrate up --only 001",
        ("Applied: 001_create_platform_schema.sql", "1 applied"),
        why=PSQL,
    ),
    Step(
        "node ../apply-migration.js migrations/001_create_platform_schema.sql",
        "dbmigrate up --to 001",
        ("0 pending",),
        why=SCRIPT,
    ),
    Step("psql $DATABASE_URL -f 002_platform_billing_schema.sql", "dbmigrate up -n 1", ("Applied: 002_",), why=PSQL),
    Step(
        "node ../apply-migration.js migrations/002_platform_billing_schema.sql",
        "dbmigrate status",
        ("[X] 002_", "[ ] 003_"),
        why=SCRIPT,
    ),
    Step("node ../run-migration-003.js", "dbmigrate up --to 003", ("Applied: 003_",), why=f"{SCRIPT}: migrate:check"),
    Step("psql $DATABASE_URL -f 004_create_first_org.sql", "dbmigrate up", ("Applied: 004_",), why=PSQL),
    Step("ls -1 migrations/ | tail -1", shows=("004_create_first_org.sql",)),
    Step(
        "touch migrations/005_add_project_limits.sql",
        "dbmigrate new --sequential add project limits",
        ("db/migrations/005_add_project_limits.sql",),
        why="new makes the file, with its number",
    ),
    limits,
    Step(
        "touch migrations/rollback-005.sql",
        "grep -c '^-- migrate:down' db/migrations/005_add_project_limits.sql",
        ("1",),
        why="the rollback is in the same file",
    ),
    Step(
        "node ../apply-migration.js migrations/005_add_project_limits.sql",
        "dbmigrate up",
        ("Applied: 005_add_project_limits.sql",),
        why=SCRIPT,
    ),
    Step("node ../check-schema.js", "dbmigrate drift --against migrations", ("no drift",), why=SCRIPT),
    Step(
        "psql $DATABASE_URL -f migrations/rollback-005.sql",
        "dbmigrate rollback",
        ("Rolled back: 005_add_project_limits.sql",),
        why=PSQL,
    ),
    Step(
        "node ../apply-migration.js migrations/005_add_project_limits.sql", "dbmigrate up", ("1 applied",), why=SCRIPT
    ),
    another_database,
    Step(
        'for file in migrations/*.sql; do\n  node ../apply-migration.js "$file"\ndone',
        "dbmigrate up",
        ("5 applied",),
        why=SCRIPT,
    ),
    Step(
        "node ../apply-migration.js migrations/005_add_project_limits.sql", "dbmigrate up", ("0 pending",), why=SCRIPT
    ),
    production,
    Step(
        "pg_dump $DATABASE_URL > backup-$(date +%Y%m%d-%H%M%S).sql",
        "dbmigrate backup",
        ("backups/",),
        why="it names the file, writes it whole or not at all, and restore reads it",
    ),
    backed_up,
    Step(
        "psql $DATABASE_URL -f migrations/005_add_project_limits.sql",
        "dbmigrate up --backup backups",
        ("backup", "Applied: 005_"),
        why=f"{PSQL}, after a backup",
    ),
    Step("node ../check-schema.js", "dbmigrate drift", ("no drift",), why=SCRIPT),
    Step(
        "tail -f /var/log/postgresql/postgresql.log",
        "dbmigrate history -n 1",
        ("005_add_project_limits.sql",),
        why="the server's log is on its machine; the messages of a run show waits and notices",
    ),
    Step(
        "psql $DATABASE_URL -f migrations/rollback-005.sql",
        "dbmigrate rollback --reason 'slow'",
        ("Rolled back: 005_",),
        why=PSQL,
    ),
    Step(
        "psql $DATABASE_URL < backup-20251121-120000.sql",
        "dbmigrate restore $BACKUP",
        ("_restore_", "004"),
        why="into a database beside it, never over it; its history is compared with the files",
    ),
    the_fix,
    Step(
        "node ../apply-migration.js migrations/006_fix_005_issues.sql",
        "dbmigrate up",
        ("Applied: 006_fix_005_issues.sql",),
        why=SCRIPT,
    ),
    Step('psql $DATABASE_URL -c "\\d+ platform.projects"', shows=("max_databases", "5")),
    Step(
        "cat migrations/005_add_project_limits.sql",
        "cat db/migrations/005_add_project_limits.sql",
        ("-- Limits for each project",),
        why="the files are in db/migrations",
    ),
    Step(
        "psql -f migrations/005_add_project_limits.sql --dry-run",
        "dbmigrate rollback --dry-run",
        ("max_databases SET DEFAULT 10",),
        why="psql has no such option; dbmigrate has",
    ),
    Step(
        'psql $DATABASE_URL -c "SELECT * FROM pg_stat_activity;"',
        "dbmigrate locks",
        ("Nobody waits for a lock",),
        why="it shows who waits for whom",
    ),
    Step(
        'psql $DATABASE_URL -c "SELECT * FROM platform.schema_migrations ORDER BY id;"',
        'psql "$DATABASE_URL" -c "SELECT file, direction FROM schema_migrations_log ORDER BY event_id;"',
        ("006_fix_005_issues.sql", "005_add_project_limits.sql"),
        why="the history is in dbmigrate's table, with more in it",
    ),
]


def test_every_command_of_the_page(place: Place) -> None:
    work_through(PAGE, STEPS, place)
