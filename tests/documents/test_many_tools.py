"""A team that has SQL files, a guide over several tools, four metrics and four alerts, works with dbmigrate."""

from __future__ import annotations

import re
from pathlib import Path

import psycopg

from tests.support.documents import Place, Step, work_through

PAGE = Path(__file__).with_name("many_tools.md").read_text("utf-8")
FILES = dict(re.findall(r'^```sql title="([^"]+)"\n(.*?)^```$', PAGE, re.MULTILINE | re.DOTALL))
ENUM = """\
-- migrate:up
CREATE TYPE contribution_type AS ENUM ('task_completion', 'code_review', 'documentation');
ALTER TABLE contributions ADD COLUMN contribution_type contribution_type DEFAULT 'task_completion';

-- migrate:down
ALTER TABLE contributions DROP COLUMN contribution_type;
DROP TYPE contribution_type;
"""
LIMIT = """\
-- migrate:up
UPDATE contributions SET verification_status = 'pending' WHERE verification_status IS NULL LIMIT 1000;

-- migrate:down irreversible:true
"""
INDEX = """\
-- migrate:up transaction:false
CREATE INDEX CONCURRENTLY idx_contributions_status ON contributions (verification_status);

-- migrate:down transaction:false
DROP INDEX CONCURRENTLY idx_contributions_status;
"""
FAILS = """\
-- migrate:up
ALTER TABLE contributions ADD COLUMN points integer;
ALTER TABLE contribution ADD COLUMN grade text;

-- migrate:down
ALTER TABLE contributions DROP COLUMN points;
"""
INSTALL = "installing reaches other machines; what an installed program answers"
TOOL = "the tool of another stack; dbmigrate does it for all of them"
PATTERN = "the guide's steps by hand; the pattern writes them, and they run"
NO_SERVER = "no Prometheus here; what the number is made of"
METRICS = "dbmigrate --metrics-file PATH up: dbmigrate_{}"
ALERT = "examples/alerts.yml: {}"


def the_project(place: Place) -> None:
    """The files are taken over as they are. A down that is commented out is found by lint, and written as one."""
    for name, text in FILES.items():
        place.write(name, text)
    place.env["DATABASE_URL"] = place.new_url()
    done = place.run("dbmigrate import migrations --from node-pg-migrate --option loader=default")
    assert done.exit_code == 0, done.stderr
    paths = sorted((place.root / "db/migrations").glob("*.sql"))
    assert len(paths) == len(FILES) == 7
    assert place.run("dbmigrate lint").stdout.count("[L142]") == 7
    for path in paths:
        up, header, down = path.read_text("utf-8").partition("-- migrate:down")
        path.write_text(up + header + down.replace("\n-- ", "\n"), "utf-8")
    assert "[L142]" not in place.run("dbmigrate lint").stdout


def rows(place: Place) -> None:
    """People use it, so that each change below has something to keep."""
    with psycopg.connect(place.env["DATABASE_URL"]) as conn:
        conn.execute(
            "insert into users (username, email, avatar_url, location, bio)"
            " select 'u' || n, n || '@example.com', 'a' || n, 'Bandung', 'b' from generate_series(1, 50) as n"
        )
        conn.execute("insert into contributions (user_id, verification_status) select id::text, null from users")


def enum(place: Place) -> None:
    place.fill("db/migrations/*_add_contribution_type.sql", ENUM)


def the_limit(place: Place) -> None:
    place.write("limit/1_limit.sql", LIMIT)


def an_index(place: Place) -> None:
    place.write("db/migrations/29990101000000_index_status.sql", INDEX)


def nothing_was_lost(place: Place) -> None:
    """After all changes: every row, in its new form, and the rules hold."""
    with psycopg.connect(place.env["DATABASE_URL"]) as conn:
        moved = conn.execute(
            "select count(*) from users u join profiles p on p.users_id = u.id"
            " where p.bio = 'b' and p.location = 'Bandung' and u.picture_url = 'a' || substr(username, 2)"
        ).fetchone()
        typed = conn.execute(
            "select count(*), count(*) filter (where verification_status = 'pending'), min(pg_typeof(user_id)::text)"
            " from contributions join users on users.id = user_id"
        ).fetchone()
    assert moved == (50,)
    assert typed == (50, 50, "uuid")


def a_failing_file(place: Place) -> None:
    place.write("db/migrations/29990201000000_add_points.sql", FAILS)


def without_it(place: Place) -> None:
    (place.root / "db/migrations/29990201000000_add_points.sql").unlink()


def a_test_database(place: Place) -> None:
    place.env["TEST_DATABASE"] = place.new_url()


def new_file(words: str) -> str:
    """`new` in a directory of its own: the guide makes one change three times, once for each stack."""
    return f"dbmigrate new -d other {words}"


HISTORY = "dbmigrate history --json"
STEPS = [
    the_project,
    Step("npm install knex pg", "dbmigrate --version", ("dbmigrate version",), why=INSTALL),
    Step("pip install alembic psycopg2-binary", "dbmigrate --version", why=INSTALL),
    Step("cargo install diesel_cli --no-default-features --features postgres", "dbmigrate --version", why=INSTALL),
    Step("alembic init migrations", "dbmigrate init", ("dbmigrate.toml",), why=TOOL),
    Step("diesel setup", "dbmigrate create", why=TOOL),
    Step("npx knex migrate:latest", "dbmigrate up", ("7 applied",), why=TOOL),
    Step("alembic upgrade head", "dbmigrate up", ("0 pending",), why=TOOL),
    Step("diesel migration run", "dbmigrate migrate", ("0 pending",), why=TOOL),
    Step("npx knex migrate:rollback", "dbmigrate rollback", ("Rolled back: 20260210170000_",), why=TOOL),
    Step("alembic downgrade -1", "dbmigrate rollback", ("Rolled back: 20260210160000_",), why=TOOL),
    Step("diesel migration revert", "dbmigrate rollback", ("Rolled back: 20260210150000_",), why=TOOL),
    Step("npx knex migrate:latest", "dbmigrate up", ("3 applied",), why=TOOL),
    Step("npx knex migrate:make add_contribution_type", "dbmigrate new add_contribution_type", why=TOOL),
    enum,
    Step('alembic revision -m "add contribution type"', new_file('"add contribution type"'), ("_add",), why=TOOL),
    Step("diesel migration generate add_contribution_type", new_file("generate_it"), ("_generate_it",), why=TOOL),
    Step("npx knex migrate:latest", "dbmigrate up", ("1 applied",), why=TOOL),
    Step(
        'for file in migrations/*.sql; do\n  psql $DATABASE_URL -f "$file" -f "$file"\ndone',
        "dbmigrate check --twice --no-lint",
        ("_add_contribution_type.sql", "not safe to run again"),
        exit_code=1,
        why="psql's loop goes on after an error; this names the file that cannot run twice",
    ),
    rows,
    the_limit,
    Step(
        "psql $DATABASE_URL -c \"UPDATE contributions SET verification_status = 'pending'"
        ' WHERE verification_status IS NULL LIMIT 1000"',
        "dbmigrate lint -d limit",
        ("L151", "LIMIT"),
        exit_code=1,
        why="PostgreSQL has no UPDATE with LIMIT; lint shows the form in batches",
    ),
    Step(
        "psql $DATABASE_URL -f zero_downtime/verification_status.sql",
        "dbmigrate new --pattern add-not-null contributions verification_status \"'pending'\" && dbmigrate up",
        ("1 applied",),
        why=PATTERN,
    ),
    an_index,
    Step(
        'psql $DATABASE_URL -c "CREATE INDEX CONCURRENTLY idx_contributions_status'
        ' ON contributions(verification_status)"',
        "dbmigrate up",
        ("Applied: 29990101000000_index_status.sql",),
        why="a file with transaction:false, so that it is recorded",
    ),
    Step(
        "psql $DATABASE_URL -f zero_downtime/rename_avatar_url.sql",
        "dbmigrate new --pattern rename-column users avatar_url picture_url && dbmigrate up",
        ("2 applied",),
        why=PATTERN,
    ),
    Step(
        "psql $DATABASE_URL -f zero_downtime/split_users_into_profiles.sql",
        "dbmigrate new --pattern split-table users profiles bio location && dbmigrate up",
        ("2 applied",),
        why=PATTERN,
    ),
    Step(
        "psql $DATABASE_URL -f zero_downtime/user_id_to_uuid.sql",
        "dbmigrate new --pattern change-type contributions user_id uuid && dbmigrate up",
        ("2 applied",),
        why=PATTERN,
    ),
    nothing_was_lost,
    a_failing_file,
    Step(
        "migrate_up || migrate_down",
        "dbmigrate deploy --yes --no-backup",
        ("error[E401]", "29990201000000_add_points.sql:3"),
        exit_code=4,
        why="`||` would undo the last good migration; deploy undoes what this run applied",
    ),
    without_it,
    Step(
        'psql $DATABASE_URL -c "SELECT * FROM knex_migrations ORDER BY id DESC LIMIT 1;"',
        "dbmigrate history -n 1 --failed",
        ("29990201000000_add_points.sql",),
        why="the history is in dbmigrate's table, failures included",
    ),
    Step("knex migrate:rollback", "dbmigrate rollback --dry-run", ("-- migrate:down",), why=TOOL),
    Step(
        "knex migrate:down 20260210160000_populate_markov_user_ids.js",
        "dbmigrate rollback --to 20260210160000 --dry-run",
        ("error[E233]", "is irreversible"),
        exit_code=2,
        why="what dropped a column says that it is irreversible: a down that succeeds would have lost the rows",
    ),
    a_test_database,
    Step(
        "docker run -d --name test-db -p 5433:5432 \\\n  -e POSTGRES_PASSWORD=test \\\n  postgres:14",
        "dbmigrate create --url $TEST_DATABASE",
        why="no containers here; a database on a server that is there",
    ),
    Step(
        "DATABASE_URL=postgresql://postgres:test@localhost:5433/test_db \\\n  knex migrate:latest",
        "dbmigrate up --url $TEST_DATABASE",
        ("applied in",),
        why=TOOL,
    ),
    Step("npm test", 'psql -X "$TEST_DATABASE" -c "\\d users"', ("picture_url",), why="the team's own tests"),
    Step(
        "docker stop test-db && docker rm test-db",
        "dbmigrate drop --url $TEST_DATABASE",
        ("Dropping:",),
        why="no containers here",
    ),
    Step(
        "curl -s localhost:9100/metrics | grep migration_duration_seconds",
        f"{HISTORY} | grep duration_ms",
        ("duration_ms",),
        why=NO_SERVER,
        waits_for=METRICS.format("migration_duration_seconds"),
    ),
    Step(
        "curl -s localhost:9100/metrics | grep migration_runs_total",
        "dbmigrate history --failed",
        ("failed", "29990201000000_add_points.sql"),
        why=NO_SERVER,
        waits_for=METRICS.format("runs_total"),
    ),
    Step(
        "curl -s localhost:9100/metrics | grep migration_rollbacks_total",
        f"{HISTORY} | grep -c down",
        why=NO_SERVER,
        waits_for=METRICS.format("rollbacks_total"),
    ),
    Step(
        "curl -s localhost:9100/metrics | grep migration_blocking_seconds",
        "dbmigrate check --locks --no-lint",
        ("ACCESS EXCLUSIVE",),
        why=NO_SERVER,
        waits_for=METRICS.format("blocking_lock_seconds"),
    ),
    Step(
        "curl -s localhost:9090/api/v1/alerts | grep MigrationFailed",
        "dbmigrate history --failed",
        ("29990201000000_add_points.sql",),
        why=NO_SERVER,
        waits_for=ALERT.format("last_run_success == 0"),
    ),
    Step(
        "curl -s localhost:9090/api/v1/alerts | grep RollbackExecuted",
        "dbmigrate history",
        ("20260210150000_add_check_constraint_vouches.sql",),
        why=NO_SERVER,
        waits_for=ALERT.format("last_rollback_timestamp_seconds"),
    ),
    Step(
        "curl -s localhost:9090/api/v1/alerts | grep MigrationSlow",
        f"{HISTORY} | grep duration_ms",
        why=NO_SERVER,
        waits_for=ALERT.format("migration_duration_seconds > 300"),
    ),
    Step(
        "curl -s localhost:9090/api/v1/alerts | grep OutsideWindow",
        HISTORY,
        ("started_at",),
        why=NO_SERVER,
        waits_for=ALERT.format("last_outside_window_timestamp_seconds"),
    ),
]


def test_every_command_of_the_page(place: Place) -> None:
    work_through(PAGE, STEPS, place)
