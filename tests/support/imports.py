"""Projects of other tools with their databases: one folder of `tests/importing/fixtures` for each."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tests.support import databases
from tests.support.psql import psql

FIXTURES = Path(__file__).parents[1] / "importing" / "fixtures"
# the folders of the tools that most projects come from
FIRST_TIER = ("flyway", "flyway-odd", "golang-migrate", "go-engine", "numbered", "node-pg-migrate", "goose")
_STATES = re.compile(r"applied|pending|failed|baseline|mark_ran|ignored")

# the database as one line for each thing, without the tables of the old tool and of ours
FINGERPRINT = r"""
with own as (
  select c.oid, c.relname, c.relkind, n.nspname from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where n.nspname = 'public' and c.relname !~ %(old)s and c.relname !~ '^(schema|dbmigrate)_migrations'
)
select line from (
  select 'table public.' || relname || ' (' || (select string_agg(
           case when attname ~ '^[a-z_]+$' then attname::text else quote_ident(attname) end
           || ' ' || format_type(atttypid, atttypmod) || case when attnotnull then ' not null' else '' end,
           ', ' order by attname::text collate "C") from pg_attribute a
         where a.attrelid = own.oid and attnum > 0 and not attisdropped) || ')' as line from own where relkind = 'r'
  union all select 'view public.' || relname from own where relkind = 'v'
  union all select 'index public.' || i.relname || case when x.indisvalid then '' else ' INVALID' end
    from pg_index x join pg_class i on i.oid = x.indexrelid join own on own.oid = x.indrelid
  union all select 'function public.' || p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')'
    from pg_proc p where p.pronamespace = 'public'::regnamespace
  union all select 'trigger ' || t.tgname || ' on public.' || own.relname
    from pg_trigger t join own on own.oid = t.tgrelid where not t.tgisinternal
) lines order by line collate "C"
"""


@dataclass(frozen=True, slots=True)
class Fixture:
    """`name` is the folder's, `variant` tells another state of the same files (``-dirty``)."""

    name: str
    variant: str = ""

    @property
    def files(self) -> Path:
        return FIXTURES / self.name / "files"

    def load(self, url: str) -> None:
        """The database as the old tool left it."""
        done = psql(url, self._read(f"database{self.variant}.sql"), "-q", "-v", "ON_ERROR_STOP=1")
        assert done.exit_code == 0, done.stderr

    def expected(self, *, service: str = "") -> list[str]:
        """The states of the versioned migrations in the old order."""
        found = []
        for line in self._section("versions"):
            about = line.removeprefix(service).strip() if service else line
            if (service and not line.startswith(service)) or line.startswith(("- ", "R ", "* ", "current")):
                continue
            state = _STATES.search(about)
            if state and state[0] != "ignored":
                found.append(state[0])
        return found

    @property
    def schema(self) -> list[str]:
        """What the applied migrations make, without the numbers of rows."""
        return [line for line in self._section("schema") if not line.startswith("rows ")]

    @property
    def rows(self) -> dict[str, int]:
        counts = (line.split() for line in self._section("schema") if line.startswith("rows "))
        return {name: int(number) for _, name, number in counts}

    def _section(self, name: str) -> list[str]:
        text = self._read(f"expected{self.variant}.txt")
        part = re.search(rf"(?ms)^\[{name}[^\]]*\]\n(.*?)(?:^\[|\Z)", text)
        return [line for line in part[1].splitlines() if line.strip()] if part else []

    def _read(self, name: str) -> str:
        return (FIXTURES / self.name / name).read_text(encoding="utf-8")


def env(url: str) -> dict[str, str]:
    """The environment of a run: scratch databases are made on the same server, which saves the start of another."""
    return {"DATABASE_URL": url, "DBMIGRATE_SCRATCH_URL": url}


def every() -> list[Fixture]:
    """Every database in the folders."""
    return [
        Fixture(path.parent.name, path.stem.removeprefix("database"))
        for path in sorted(FIXTURES.glob("*/database*.sql"))
    ]


def fingerprint(url: str, *, old: str = "^$") -> list[str]:
    """The lines of a database; `old` is a pattern for the tables of the old tool."""
    return [str(row[0]) for row in databases.query(url, FINGERPRINT, {"old": old})]


def rows_of(url: str, table: str) -> list[tuple[object, ...]]:
    """Every row of a table, its columns as text."""
    return databases.query(url, f"select t::text, t.xmin::text, t.ctid::text from {table} t order by 3")
