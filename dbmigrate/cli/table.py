"""The commands by name: where each one is, and the line that the help shows for it.

A command's module is imported when the command is called, so that one command pays nothing for the others; the help
needs no module at all. That each summary is the first line of its command's docstring is tested.
"""

from __future__ import annotations

from typing import NamedTuple


class Entry(NamedTuple):
    """A command. `function` is ``module:name`` below `dbmigrate.cli`; `aliases` are names that the help leaves out."""

    name: str
    function: str
    summary: str
    aliases: tuple[str, ...] = ()


ENTRIES: tuple[Entry, ...] = (
    Entry("new", "migrating:new", "Make a new migration file and print its path.", aliases=("n",)),
    Entry("up", "migrating:up", "Create the database if it is missing, and apply what is pending."),
    Entry("migrate", "migrating:migrate", "Apply what is pending to a database that exists."),
    Entry("rollback", "migrating:rollback", "Undo the last migration (also: down).", aliases=("down",)),
    Entry("redo", "migrating:redo", "Undo the last migration and apply it again."),
    Entry("deploy", "deploying:deploy", "Verify, plan, back up, migrate, check the health; roll back if that fails."),
    Entry("status", "asking:status", "Show applied and pending migrations.", aliases=("info",)),
    Entry("lint", "linting:lint", "Look for what migrations would block, break or lose; exit with 1 if there is any."),
    Entry(
        "check",
        "checking:check",
        "Try all migrations on a scratch database: up, down, up again; exit with 1 if anything is wrong.",
    ),
    Entry("explain", "linting:explain", "Explain a finding, an error or a warning by its code; without one, list all."),
    Entry("create", "databases:create", "Create the database."),
    Entry("drop", "databases:drop", "Drop the database if it exists."),
    Entry("dump", "databases:dump", "Write the schema file."),
    Entry("load", "databases:load", "Load the schema file into the database, whole or not at all."),
    Entry("wait", "databases:wait", "Wait until the server answers."),
    Entry(
        "verify",
        "asking:verify",
        "Compare the files with what was applied; exit with 1 if they disagree.",
        aliases=("validate",),
    ),
    Entry("drift", "drifting:drift", "Compare the database with what it should be; exit with 1 if anything differs."),
    Entry("history", "asking:history", "Show the log, the newest event first."),
    Entry("repair", "records:repair", "Make the records agree with the files, after showing what will change."),
    Entry("baseline", "records:baseline", "Record everything up to VERSION as applied, running nothing."),
    Entry("mark", "records:mark", "Record one migration as applied or as pending, running nothing."),
    Entry("resume", "records:resume", "Go on with a migration without a transaction that stopped half-way."),
    Entry("demo", "tour:demo", "Run the example project on an embedded PostgreSQL, in this folder."),
    Entry("help", "tour:help_", "Show this help, or that of a command.", aliases=("h",)),
)
