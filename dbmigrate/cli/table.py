"""The commands by name: where each one is, and the line that the help shows for it.

A command's module is imported when the command is called, so that one command does not pay for the others; the help
needs no module at all. That each summary is the first line of its command's docstring is tested.
"""

from __future__ import annotations

from keyword import iskeyword
from typing import NamedTuple


class Entry(NamedTuple):
    """A command: the line that the help shows for it, an example, and names that the help leaves out."""

    name: str
    summary: str
    example: str
    aliases: tuple[str, ...] = ()

    @property
    def function(self) -> str:
        """The name of its module in `dbmigrate.cli.commands`, and of the function there."""
        word = self.name.replace("-", "_")
        return f"{word}_" if iskeyword(word) else word


# in the order of the help: first what a user does first
GROUPS: dict[str, tuple[Entry, ...]] = {
    "Write": (
        Entry(
            "new",
            "Make a new migration file and print its path.",
            'dbmigrate new "add user preferences"',
            aliases=("n",),
        ),
        Entry(
            "squash",
            "Make one migration of all up to VERSION, proved to make the same schema.",
            "dbmigrate squash --to 20260301120000",
        ),
        Entry(
            "merge-driver",
            "Merge two versions of the schema file, as git's merge driver; --install sets it up.",
            "dbmigrate merge-driver --install --hooks",
        ),
    ),
    "Run": (
        Entry(
            "up",
            "Create the database if it is missing, and apply what is pending.",
            "dbmigrate -e staging up",
        ),
        Entry(
            "migrate",
            "Apply what is pending to a database that exists.",
            "dbmigrate migrate --to 20260301120000",
        ),
        Entry(
            "rollback", "Undo the last migration (also: down).", "dbmigrate rollback -n 2 --dry-run", aliases=("down",)
        ),
        Entry(
            "redo",
            "Undo the last migration and apply it again.",
            "dbmigrate redo",
        ),
        Entry(
            "deploy",
            "Verify, plan, back up, migrate and check the health; roll back if that fails.",
            "dbmigrate -e production deploy --health-url https://shop.example.com/health",
        ),
        Entry(
            "run",
            "Wait for the server, apply what is pending, then become CMD.",
            "dbmigrate run -- npm start",
        ),
        Entry(
            "backfill",
            "Run the backfills that were deferred, paused or interrupted.",
            "dbmigrate backfill --for 2h",
        ),
        Entry(
            "resume",
            "Continue a non-transactional migration that stopped partway.",
            "dbmigrate resume --retry 3",
        ),
        Entry(
            "seed",
            "Run the seeds: SQL files with rows, which are not recorded.",
            "dbmigrate -e dev seed",
        ),
    ),
    "Review": (
        Entry(
            "status",
            "Show applied and pending migrations.",
            "dbmigrate status --all",
            aliases=("info",),
        ),
        Entry(
            "lint",
            "Find what migrations would block, break or lose; exit with 1 if there is any.",
            "dbmigrate lint --since origin/main",
        ),
        Entry(
            "check",
            "Run all migrations on a scratch database: up, down, up again; exit with 1 if anything is wrong.",
            "dbmigrate check --since origin/main",
        ),
        Entry(
            "drift",
            "Compare the database with what it should be; exit with 1 if anything differs.",
            "dbmigrate -e production drift --against migrations",
        ),
        Entry(
            "graph",
            "Show which migrations depend on which.",
            "dbmigrate graph --mermaid",
        ),
        Entry(
            "report",
            "Write a page that shows environments, pending migrations with their locks, history and schema.",
            "dbmigrate -e production report",
        ),
        Entry(
            "explain",
            "Explain a finding, an error or a warning by its code; without one, list all.",
            "dbmigrate explain L105",
        ),
    ),
    "History": (
        Entry(
            "history",
            "Show the log, the newest entry first.",
            "dbmigrate history --failed",
        ),
        Entry(
            "verify",
            "Compare the files with what was applied; exit with 1 if they disagree.",
            "dbmigrate verify",
            aliases=("validate",),
        ),
        Entry(
            "repair",
            "Correct the records to match the files, after showing what will change.",
            'dbmigrate repair --reason "comments only"',
        ),
        Entry(
            "baseline",
            "Record everything up to VERSION as applied, running nothing.",
            "dbmigrate baseline 20260301120000",
        ),
        Entry(
            "mark",
            "Record one migration as applied or as pending, running nothing.",
            'dbmigrate mark applied 20260301120000 --reason "ran it by hand"',
        ),
    ),
    "Databases": (
        Entry(
            "create",
            "Create the database.",
            "dbmigrate create",
        ),
        Entry(
            "drop",
            "Drop the database if it exists.",
            "dbmigrate -e dev drop",
        ),
        Entry(
            "dump",
            "Write the schema file.",
            "dbmigrate dump",
        ),
        Entry(
            "load",
            "Load the schema file into the database, whole or not at all.",
            "dbmigrate -e test load",
        ),
        Entry(
            "wait",
            "Wait until the server answers, or with --for until migrations are applied.",
            "dbmigrate wait --for current --wait-timeout 5m",
        ),
    ),
    "On call": (
        Entry(
            "doctor",
            "Find what is wrong with the set-up, and say what to do about it; exit with 0 if nothing is.",
            "dbmigrate -e production doctor --report",
        ),
        Entry(
            "locks",
            "Show who waits for whom, since when and with what query; end a session.",
            "dbmigrate -e production locks --kill 4711",
        ),
        Entry(
            "connect",
            "Start psql on the target database.",
            "dbmigrate -e staging connect -c '\\d orders'",
        ),
        Entry(
            "backup",
            "Back the database up now; `backup list` and `backup prune` show and delete backups.",
            "dbmigrate -e production backup",
        ),
        Entry(
            "restore",
            "Restore a backup into a new database, and show how it takes the place of the present one.",
            "dbmigrate -e production restore backups/shop-20260301-150000.dump",
        ),
    ),
    "Start here": (
        Entry(
            "init",
            "Make a project in this directory; what is there stays as it is.",
            "dbmigrate init --make --workflow",
        ),
        Entry(
            "import",
            "Take over the project of another tool: its files, with --history what it has applied.",
            "dbmigrate import sql/ --from flyway --history",
        ),
        Entry(
            "demo",
            "Run the example project on an embedded PostgreSQL, in this directory.",
            "dbmigrate demo",
        ),
        Entry(
            "help",
            "Show this help, or that of a command.",
            "dbmigrate help up",
            aliases=("h",),
        ),
    ),
}
ENTRIES: tuple[Entry, ...] = tuple(entry for entries in GROUPS.values() for entry in entries)
