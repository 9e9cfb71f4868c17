"""A team that uses dbmate, with environments in ``.env.dbmate`` and a workflow, works with dbmigrate."""

from __future__ import annotations

from pathlib import Path

from tests.support import web
from tests.support.documents import Place, Step, work_through
from tests.support.git import Repository

PAGE = Path(__file__).with_name("dbmate_guide.md").read_text("utf-8")
INIT = """\
-- migrate:up
create table customers (id uuid primary key default gen_random_uuid(), email varchar(255) not null);

-- migrate:down
drop table customers;
"""
PREFERENCES = """\
-- migrate:up
-- A language for each customer
alter table customers add column language varchar(10) default 'en';

-- migrate:down
alter table customers drop column if exists language;
"""
TAGS = """\
-- migrate:up
-- Tags by which customers are found (CRM-123)
create table customer_tags (
    id uuid primary key default gen_random_uuid(),
    customer_id uuid not null references customers (id) on delete cascade,
    tag varchar(100) not null,
    unique (customer_id, tag)
);
create index idx_customer_tags_tag on customer_tags (tag);

-- migrate:down
drop table if exists customer_tags;
"""
INSTALL = "installing reaches other machines; what an installed program answers"
WORKFLOW = "the workflow runs on GitHub's machines; tests/ci runs its steps, this is what it calls"


def the_project(place: Place) -> None:
    place.write("db/migrations/0001_init.sql", INIT)
    place.write("db/migrations/0002_add_preferences.sql", PREFERENCES)
    place.write(
        ".env.dbmate",
        f'STAGING_DATABASE_URL="{place.new_url()}"\nPRODUCTION_DATABASE_URL="{place.new_url()}"\n',
    )
    done = place.run("dbmigrate init --npm")
    assert done.exit_code == 0, done.stderr
    repository = Repository.made(place.root, place.runner.home)
    repository.commit("feat: first migrations")


def a_database(place: Place) -> None:
    place.env["DATABASE_URL"] = place.empty_database()


def tags(place: Place) -> None:
    place.fill("db/migrations/*_add_customer_tags.sql", TAGS)


def production(place: Place) -> None:
    """A plain URL in the environment, as in an emergency."""
    place.env["DEVELOPMENT"] = place.env["DATABASE_URL"]
    text = (place.root / ".env.dbmate").read_text("utf-8")
    place.env["DATABASE_URL"] = text.split('PRODUCTION_DATABASE_URL="')[1].split('"')[0]


def development(place: Place) -> None:
    place.env["DATABASE_URL"] = place.env["DEVELOPMENT"]


def committed(place: Place) -> None:
    Repository(place.root, place.runner.home).commit("feat: customer tags")


HEALTHY = "dbmigrate -e production deploy --yes --no-backup --health-url $HEALTH"
STEPS = [
    the_project,
    Step("brew install dbmate", "dbmigrate --version", ("dbmigrate version",), why=INSTALL),
    Step(
        "sudo curl -fsSL -o /usr/local/bin/dbmate \\\n"
        "  https://github.com/amacneil/dbmate/releases/latest/download/dbmate-linux-amd64",
        "dbmigrate --version",
        why=INSTALL,
    ),
    Step("sudo chmod +x /usr/local/bin/dbmate", "dbmigrate --version", why=INSTALL),
    Step("scoop install dbmate", "dbmigrate --version", why=INSTALL),
    a_database,
    Step(
        'export DATABASE_URL="postgresql://crm:password@localhost:5432/crm_dev"',
        'test -n "$DATABASE_URL"',
        why="a database of this test",
    ),
    Step("dbmate new add_customer_tags", shows=("db/migrations/20", "_add_customer_tags.sql")),
    tags,
    Step("dbmate status", shows=("[ ] 0001_init.sql", "Applied: 0", "Pending: 3")),
    Step("dbmate up", shows=("Applied: 0001_init.sql", "_add_customer_tags.sql", "3 applied")),
    Step("dbmate rollback", shows=("Rolled back: 20", "_add_customer_tags.sql")),
    Step("dbmate up", shows=("1 applied",)),
    Step(
        "psql $DATABASE_URL",
        "dbmigrate connect -c '\\dt' -c '\\d customers' -c 'select * from customers limit 5'",
        ("customer_tags", "language", "(0 rows)"),
        why="nobody types at a test; the commands are handed over",
    ),
    Step("dbmate up --dry-run", shows=("0 pending",)),
    Step("dbmate rollback --dry-run", shows=("drop table if exists customer_tags;", "delete from")),
    Step("docker-compose up -d db", "dbmigrate wait", why="no containers here; wait until the server answers"),
    Step(
        "docker-compose exec backend npm run db:migrate",
        "script db:migrate",
        ("0 pending",),
        why="no containers here; the script that init wrote",
    ),
    a_database,
    Step(
        'export DATABASE_URL="postgresql://crm:password@localhost:5432/crm_dev"',
        'test -n "$DATABASE_URL"',
        why="another database of this test",
    ),
    Step("dbmate up", shows=("3 applied",)),
    committed,
    Step(
        "gh workflow run db-migrate.yml \\\n  -f environment=staging \\\n  -f action=up \\\n  -f dry_run=false",
        "dbmigrate -e staging up --wait",
        ("Creating: ", "3 applied"),
        why=WORKFLOW,
    ),
    Step(
        "gh workflow run db-migrate.yml \\\n  -f environment=production \\\n  -f action=up \\\n  -f dry_run=true",
        "dbmigrate -e production up --dry-run",
        ("create table customer_tags", "sha256:"),
        why=WORKFLOW,
    ),
    Step(
        "gh workflow run db-migrate.yml \\\n  -f environment=production \\\n  -f action=up \\\n  -f dry_run=false",
        "dbmigrate -e production create && dbmigrate -e production deploy --yes --require-applied-in staging"
        " --health-url $HEALTH",
        ("backup   ", "health   http", "Deployed: 3 migrations"),
        why=WORKFLOW,
    ),
    Step(
        "curl https://crm.example.com/health/db",
        HEALTHY,
        ("health   http", "200 after 1 try"),
        why="the application is not here; with nothing pending deploy asks a page of this test",
    ),
    Step(
        "gh workflow run db-migrate.yml \\\n  -f environment=production \\\n  -f action=status",
        "dbmigrate -e production status",
        ("Applied: 3", "Pending: 0"),
        why=WORKFLOW,
    ),
    Step(
        "gh workflow run db-migrate.yml \\\n  -f environment=production \\\n  -f action=rollback \\\n  -f dry_run=true",
        "dbmigrate -e production rollback --dry-run",
        ("drop table if exists customer_tags;",),
        why=WORKFLOW,
    ),
    Step(
        "gh workflow run db-migrate.yml \\\n"
        "  -f environment=production \\\n  -f action=rollback \\\n  -f dry_run=false",
        "dbmigrate -e production rollback --yes --reason 'checkout fails'",
        ("Rolled back: 20",),
        why=WORKFLOW,
    ),
    Step(
        "curl https://crm.example.com/health/db",
        "dbmigrate -e production history -n 1",
        ("checkout fails",),
        why="the application is not here; what was done and why is in the history",
    ),
    Step("ssh production-server", "cd /", why="no other machine here"),
    production,
    Step(
        'export DATABASE_URL="postgresql://crm:password@prod-db:5432/crm_production"',
        'test -n "$DATABASE_URL"',
        why="the production database of this test, by its URL alone",
    ),
    Step("dbmate status", shows=("Applied: 2", "Pending: 1")),
    Step(
        "dbmate rollback",
        "dbmigrate rollback --yes --reason emergency",
        ("Rolled back: 0002_add_preferences.sql",),
        why="the project knows that this database is production, and asks",
    ),
    Step(
        'psql $DATABASE_URL -c "SELECT version FROM schema_migrations ORDER BY version DESC LIMIT 5;"',
        shows=("0001", "(1 row)"),
    ),
    Step(
        "docker-compose restart backend", "dbmigrate history -n 3", ("0002_add_preferences.sql",), why="no containers"
    ),
    development,
    Step("dbmate status", shows=("[X] 0002_add_preferences.sql", "Applied: 3")),
    Step("dbmate rollback", shows=("Rolled back: 20",)),
    Step("dbmate up", shows=("1 applied",)),
    Step("dbmate status", shows=("Applied: 3",)),
    Step('psql $DATABASE_URL -c "SELECT * FROM schema_migrations ORDER BY version;"', shows=("0002", "(3 rows)")),
    Step('psql $DATABASE_URL -c "\\d customers"', shows=("language", "customers_pkey")),
    Step(
        'psql $DATABASE_URL -c "SELECT * FROM pg_locks WHERE NOT granted;"',
        "dbmigrate locks",
        ("Nobody waits for a lock",),
        why="it shows who waits for whom",
    ),
    Step("dbmate status", shows=("Pending: 0",)),
    Step("git log --oneline db/migrations/", shows=("feat: customer tags", "feat: first migrations")),
]


def test_every_command_of_the_guide(place: Place) -> None:
    with web.site(web.status(200)) as application:
        place.env["HEALTH"] = application.url
        work_through(PAGE, STEPS, place)

        assert len(application.requests) >= 2
