"""Where dbmigrate does not do what dbmate does, on purpose: the one list, which the documentation repeats.

Every row is proven by a test of `test_differences` that is named after it. After a change, print the table for
``docs/reference/coming-from-dbmate.md`` with ``python -m tests.conformance.differences``.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Difference:
    """One row; the texts are Markdown."""

    id: str
    dbmate: str
    dbmigrate: str
    why: str


INTENDED_DIFFERENCES: tuple[Difference, ...] = (
    # -- the command line
    Difference(
        "cli-option-order",
        "Global options (`-u`, `-d`, ...) only before the command, `--strict` and `-v` only after it.",
        "Global options before and after the command.",
        "It cannot be guessed which option belongs where.",
    ),
    Difference(
        "cli-two-spellings",
        "`-d a --migrations-dir b` is a usage error.",
        "Both count.",
        "They are one option.",
    ),
    Difference(
        "cli-extra-arguments",
        "Further words after a command are ignored: `rollback 3` undoes **one** migration.",
        "A usage error; nothing runs. (`rollback -n 3` undoes three.)",
        "What was typed and cannot be done must not turn into something else.",
    ),
    Difference(
        "cli-usage-errors",
        "The whole help on stdout and `Error: ...` on stderr; an unknown command says `No help topic for 'x'`.",
        "One error block on stderr.",
        "stdout is for results.",
    ),
    Difference(
        "cli-exit-codes",
        "2 for every failure, 3 for an unknown command and for an unreadable env file, 1 for `status --exit-code`.",
        "1 pending migrations (`status --exit-code`), 2 usage, configuration or files, 3 no connection, 4 failed and"
        " rolled back, 5 a person is needed, 6 locked by another run, 7 refused, 130 and 143 interrupted.",
        "A script can tell a typing error from a failed migration, and try again where that makes sense.",
    ),
    Difference(
        "cli-new-name",
        "`new` takes its first argument as it is: `new create users` makes `..._create.sql`, `new 'create users'` a"
        " file with a blank in its name.",
        "All words, in lower case, joined by `_`: `..._create_users.sql`.",
        "File names that need no quoting, and no lost words.",
    ),
    Difference(
        "cli-new-output",
        "`Creating migration: PATH`",
        "The path alone on stdout.",
        '`$EDITOR "$(dbmigrate new add_users)"`',
    ),
    Difference(
        "cli-empty-url",
        '`--url ""` counts as not given: `DATABASE_URL` is used.',
        "An error.",
        '`--url "$UNSET"` must not change another database.',
    ),
    Difference(
        "cli-environment",
        "`-e NAME` reads the variable NAME, whatever it is called; if it is not set, the error does not name it.",
        "`-e production` reads `PRODUCTION_DATABASE_URL`; a name that ends in `_URL` is read as it is, any other needs"
        " that ending. If the variable is not set, the error names it.",
        "Environments have short names, and a mistyped one never reaches a database.",
    ),
    Difference(
        "cli-protected",
        "No environment is special.",
        "`-e production` (and what `DBMIGRATE_PROTECTED` lists) is `--strict` unless `--no-strict` or a variable says"
        " otherwise.",
        "What comes late to production was tested in another order.",
    ),
    Difference(
        "cli-confirmation",
        "Nothing is ever asked.",
        "Changes of `-e production` (and what `DBMIGRATE_PROTECTED` lists) have to be confirmed: the name typed on a"
        " terminal, `--yes` elsewhere; for `drop`, `load` and undoing everything the database's name, `--confirm NAME`."
        " `DBMIGRATE_PROTECTED=none` asks for nothing. A plain `DATABASE_URL` is not protected.",
        "The wrong shell is one keystroke away.",
    ),
    Difference(
        "cli-no-url",
        "Without a URL there is no database.",
        "Without a URL, `DB_HOST`, `DB_NAME` ... are used, then libpq's `PGHOST`, `PGDATABASE` ...",
        "Not every platform hands out a URL.",
    ),
    Difference(
        "cli-other-databases",
        "Also MySQL, SQLite, ClickHouse, BigQuery, and what speaks an old PostgreSQL's protocol, such as Redshift.",
        "PostgreSQL 13 and newer only: `unsupported driver: mysql`.",
        "One database, done well.",
    ),
    # -- env files
    Difference(
        "env-unreadable",
        "A bad line stops every command, `--help` too, with exit code 3.",
        "Exit code 2 with `file:line`; `--help` and `--version` still work.",
        "The line is what has to be found.",
    ),
    Difference(
        "env-file-equals",
        "`--env-file=FILE` is accepted and silently not read; only `--env-file FILE` is.",
        "Both are read.",
        "Settings that are silently missing end in the wrong database.",
    ),
    Difference(
        "env-file-names",
        "`.env`",
        "`.env`, then `.env.dbmate` for what is not set there.",
        "Settings for migrations can live beside those of the application.",
    ),
    Difference(
        "env-expansion",
        "`$NAME` and `${NAME}` are replaced by what the same file says of them, or by nothing; `\\$` is a `$`.",
        "Nothing is replaced.",
        "Passwords hold `$`.",
    ),
    Difference(
        "env-escapes",
        'In double quotes, `\\t` and other escapes but `\\n` and `\\r` lose their backslash: `"a\\tb"` is `atb`.',
        "`\\t` is a tab; other characters keep their backslash.",
        "As in a shell's `$'...'` and in Python's dotenv.",
    ),
    Difference(
        "env-colon",
        "`NAME: value` is an assignment.",
        "An error.",
        "It is a typing error more often than YAML.",
    ),
    Difference(
        "env-bom",
        "A byte order mark is an error.",
        "It is skipped.",
        "Editors on Windows write one.",
    ),
    Difference(
        "env-empty-value",
        "`DBMATE_MIGRATIONS_TABLE=` means a table without a name, which fails.",
        "A variable that is set to nothing counts as not set.",
        "Compose files and CI systems pass variables on that are not set.",
    ),
    # -- URLs and connections
    Difference(
        "url-sslmode",
        "The default is `sslmode=require`.",
        "libpq's: `prefer`, which falls back to an unencrypted connection. Say `sslmode=require` or, better,"
        " `verify-full` in the URL.",
        "A URL means what it means to psql.",
    ),
    Difference(
        "url-errors",
        "A URL that cannot be parsed is quoted, with what it takes for the password hidden: parts of a password that"
        " is not percent-encoded are shown.",
        "Nothing of a URL is quoted.",
        "Logs are read by many.",
    ),
    Difference(
        "url-at-sign",
        "An `@` in the password need not be percent-encoded.",
        "It has to be: `%40`.",
        "psql would look for another host.",
    ),
    Difference(
        "url-blanks",
        "A blank in the database's name is accepted, one before or after the URL is an error.",
        "The other way round; a blank in a name is `%20`.",
        "Files and variables often end in a blank or a line end.",
    ),
    Difference(
        "url-hash",
        "`#` and what follows it is cut off.",
        "`#` is a character like others.",
        "As psql reads it.",
    ),
    Difference(
        "url-plus",
        "`+` in a parameter is a blank.",
        "`+` is a plus sign; a blank is `%20`.",
        "As psql reads it.",
    ),
    Difference(
        "url-libpq-parameters",
        "Parameters that Go's driver does not know (`keepalives`, `gssencmode`, `channel_binding` ...) are sent to the"
        " server as settings, and fail.",
        "All parameters of libpq mean what they mean there; only what libpq does not know either is a setting.",
        "One URL for psql, pg_dump and migrations.",
    ),
    Difference(
        "url-libpq-variables",
        "Refuses to start if `PGCHANNELBINDING`, `PGGSSENCMODE` or `PGREQUIREAUTH` is set.",
        "They are obeyed.",
        "They may be needed by everything else in that environment.",
    ),
    Difference(
        "url-other-forms",
        "URLs with one host.",
        "Also several hosts (`postgres://a,b/app`), and libpq's `host=a dbname=app`.",
        "As psql reads it.",
    ),
    Difference(
        "url-without-database",
        "`create` with a URL that names no database fails.",
        "It creates the database that the other commands would use: the one named like the role.",
        "One rule for all commands, libpq's.",
    ),
    Difference(
        "url-maintenance-database",
        "`create`, `drop` and `up` on a missing database need a database called `postgres`.",
        "Without it they use `template1`.",
        "Some providers have none.",
    ),
    # -- migration files
    Difference(
        "file-checked-first",
        "Each file is read when its turn comes: those before it are applied by then, and the database is created.",
        "All pending files are read and checked before anything is created or run: headers, encoding, unclosed quotes,"
        " transaction control, psql commands, and statements that PostgreSQL refuses in a transaction.",
        "A mistake that can be seen in the file need not be found half-way.",
    ),
    Difference(
        "file-error-texts",
        "Five sentences that begin with `dbmate requires each migration ...`, after `Applying: FILE`.",
        "Codes `E210` to `E223` with `file:line:column` and the line itself.",
        "The place is what has to be found.",
    ),
    Difference(
        "file-same-version",
        "Two files of one version: the first is applied, the second fails; where the first was applied earlier, the"
        " second is never applied.",
        "An error that names both, before anything runs.",
        "Merged branches make such pairs.",
    ),
    Difference(
        "file-directory-twice",
        "A directory that is named twice (`-d a -d ./a`) has every file twice; `up` fails.",
        "It is read once.",
        "It is one directory.",
    ),
    Difference(
        "file-dangling-link",
        "`status` shows a link to nothing as pending, `up` fails when it gets there.",
        "An error, before anything runs.",
        "As for every file that cannot be read.",
    ),
    Difference(
        "file-line-feed",
        "A file with a line feed in its name is ignored.",
        "It counts like any other.",
        "No migration is skipped in silence.",
    ),
    Difference(
        "file-passed-over",
        "SQL files whose names do not begin with digits are ignored in silence; `status --exit-code` is 0 without any.",
        "A note on stderr names them; without any migration `status --exit-code` is 2.",
        "A migration with a wrong name is not an up-to-date database.",
    ),
    Difference(
        "file-order",
        "Files run in the order of their names' bytes (`10_b` before `9_a`), in silence.",
        "The same order, and `up` and `status` warn where the numbers say otherwise; "
        '`version-order = "numeric"` orders by number.',
        "Few people expect it.",
    ),
    Difference(
        "file-header-in-text",
        "A line `-- migrate:down` inside a string, a function body or a block comment begins a section.",
        "It is text, and a warning says so.",
        "It is text.",
    ),
    Difference(
        "file-near-header",
        "` -- migrate:down` or `-- MIGRATE:DOWN` is a comment: what follows runs with the up section.",
        "An error.",
        "Nobody means to create a table and drop it at once.",
    ),
    Difference(
        "file-block-comment",
        "Before the first header only `--` comments.",
        "Also `/* */` comments.",
        "Licences are written that way.",
    ),
    Difference(
        "file-bom",
        "A file with a byte order mark has no up section; a schema file with one cannot be loaded.",
        "It is skipped.",
        "Editors on Windows write one.",
    ),
    Difference(
        "file-options",
        "Whatever is not `transaction:false` to the letter is ignored: `transaction:FALSE` and `transacton:false` run"
        " in a transaction.",
        "A misspelt option or an impossible value is an error, other unknown ones are ignored with a note. New are"
        " `lock_timeout:5s`, `timeout:30min`, and `irreversible:true` for down sections.",
        "`CREATE INDEX CONCURRENTLY` without `transaction:false` fails, and a missing limit is noticed too late.",
    ),
    Difference(
        "file-annotations",
        "`-- migrate:env dev`, `-- migrate:depends 001` and the like are comments: **the file runs everywhere**,"
        " whatever they say.",
        "They count; what is nearly one, such as `-- migrate:evn dev`, is an error. Other text after `-- migrate:` is a"
        " comment, with a warning.",
        "A file can say where and after what it may run.",
    ),
    Difference(
        "file-several-pairs",
        "Several up/down pairs in a file: the first is recorded, the second fails on the same record; the file counts"
        " as applied.",
        "They run in order, are undone in reverse order, and are one record.",
        "dbmate's own format, made to work.",
    ),
    Difference(
        "file-empty-down",
        "Rolling back a file with an empty down section forgets its version.",
        "The same, with a warning that nothing was undone; `-- migrate:down irreversible:true` refuses instead.",
        "`Rolled back:` sounds like more.",
    ),
    Difference(
        "file-copy",
        "`COPY ... FROM stdin` with its data in the file fails.",
        "It works, in migrations and in schema files.",
        "It is how pg_dump writes data.",
    ),
    Difference(
        "file-gone",
        "An applied version whose file is gone is not shown, and `rollback` undoes the one before it.",
        "`status` shows it as `[?]` (and does not count it), `up` and `status` warn; `rollback` undoes it with the down"
        " SQL kept in the log, or"
        " stops if dbmate applied it.",
        "After a change of branches, the wrong migration was undone.",
    ),
    Difference(
        "file-renamed",
        "An applied file that was given another version is run again.",
        "`up` stops, exit code 7, and says which file it was; `repair` records the new version.",
        "A migration runs once.",
    ),
    Difference(
        "file-changed",
        "An edit of an applied file goes unnoticed.",
        "`up` stops, exit code 7, unless only comments and white space changed; `verify` shows it, `repair` accepts it."
        " What dbmate applied has no checksum and is not compared.",
        "The file would no longer make the database that it describes.",
    ),
    # -- running
    Difference(
        "run-lock",
        "Two runs at once do the same work twice, or fail.",
        "One runs; the others wait (`--lock-wait`, 5 minutes) and find nothing left to do. Exit code 6 if they waited"
        " in vain. The lock is an advisory one: dbmate does not look at it.",
        "Several instances of a service start at once.",
    ),
    Difference(
        "run-lock-timeout",
        "A migration waits for locks for ever, and everybody else queues behind it.",
        "Short `lock_timeout`s in transactions, tried again; a setting of the URL or of the file wins.",
        "The queue behind an ALTER TABLE is an outage.",
    ),
    Difference(
        "run-role-settings",
        "`statement_timeout` and the like of the role or the database hold in migrations.",
        "They are switched off, unless the URL, `--timeout` or the file sets them.",
        "A limit made for web requests leaves an index half built.",
    ),
    Difference(
        "run-session",
        "One session for all files: `SET`, temporary tables and prepared statements leak into the next file.",
        "Each file finds the session as the first did.",
        "A file does the same whether it runs alone or after others.",
    ),
    Difference(
        "run-search-path",
        "A file that changes the `search_path` fails: its version is written to the wrong schema.",
        "It works.",
        "Dumps and generated scripts do so.",
    ),
    Difference(
        "run-transaction-control",
        "`BEGIN; ... COMMIT;` in a file: `unexpected transaction status idle`, exit code 2, and everything is"
        " committed. `ROLLBACK;` in a file: the version is recorded, the work is gone.",
        "`BEGIN` and `COMMIT` around a whole section are left out, with a warning; all other transaction control in a"
        " section with a transaction is an error before anything runs.",
        "All or nothing has to be true.",
    ),
    Difference(
        "run-no-transaction",
        "A `transaction:false` section is sent as one query, which PostgreSQL runs in one transaction: two `CREATE"
        " INDEX CONCURRENTLY` fail.",
        "Its statements run one by one, and each is recorded.",
        "It is what the option says.",
    ),
    Difference(
        "run-no-transaction-failure",
        "A failing statement undoes those before it in the section.",
        "They stay; exit code 5, `status` shows `[!]`, and `up` refuses to go on until the rest is dealt with.",
        "The price of running outside of a transaction, made visible.",
    ),
    Difference(
        "run-text",
        "A section is sent as one text, header included.",
        "Its statements are sent in groups, without the header. `current_query()` shows the difference.",
        "Large files need little memory, and the failing statement is known.",
    ),
    Difference(
        "run-application-name",
        "None.",
        "`dbmigrate up user@host:pid`, unless the URL has one.",
        "Who holds this lock?",
    ),
    Difference(
        "run-interrupt",
        "Ctrl-C ends dbmate; the server goes on with the statement and keeps its locks.",
        "Ctrl-C and SIGTERM cancel the statement and roll back; exit code 130 or 143.",
        "What was stopped should stop.",
    ),
    Difference(
        "run-read-only",
        "A standby or a read-only session fails at the first write.",
        "Refused before that, exit code 7.",
        "The URL is wrong, not the migration.",
    ),
    Difference(
        "run-pooler",
        "Works through a transaction pooler, mostly with `binary_parameters=yes`.",
        "Refused, exit code 7: use the server's direct URL, or `--allow-pooler`, which does what is safe there.",
        "Locks and settings of a session do not hold there.",
    ),
    # -- the tracking table
    Difference(
        "table-log",
        "`schema_migrations`",
        "Beside it `schema_migrations_log`: what ran, when, by whom, from which file and commit, and how it ended. It"
        " is not in the schema file, and dbmate does not look at it.",
        "`schema_migrations` itself stays dbmate's, so both tools can work on one database.",
    ),
    Difference(
        "table-ddl",
        "`create table if not exists` in every run: a role without CREATE on the schema fails although the table is"
        " there.",
        "Tables are made only where they are missing.",
        "The role that migrates need not own the schema.",
    ),
    Difference(
        "table-side-effects",
        "`rollback` and `dump` create the table, and its schema.",
        "Only commands that apply something do.",
        "Looking is not changing.",
    ),
    Difference(
        "table-search-path",
        'Names in `search_path` are taken as they are: `My` is `"My"`, although PostgreSQL looks into `my`.',
        "As PostgreSQL reads them: folded to lower case unless quoted.",
        "The table belongs where the session looks.",
    ),
    Difference(
        "table-dots",
        "`--migrations-table a.b.c` fails: cross-database references are not implemented.",
        "The table `b.c` in schema `a`.",
        "What follows the first dot is the name.",
    ),
    Difference(
        "table-impostor",
        "Whatever is called `schema_migrations` is used: a view, a table of another tool, one with triggers.",
        "It has to be a table of yours, without triggers and rules, with a text column `version`; else exit code 7.",
        "Another tool's table would be filled with dbmate's versions, and a trigger runs with your rights.",
    ),
    Difference(
        "table-elsewhere",
        "When the search_path of the database or the role changes, a new table is made, and everything runs again.",
        "Exit code 7, if a table in another schema has recorded these files; `--migrations-table schema.name` goes on.",
        "A history that was mislaid is not a history that never was.",
    ),
    Difference(
        "table-shape",
        "A table that is unlogged, too narrow, not unique, or that wants further values is used while it goes well.",
        "Exit code 7 before anything runs, with the `ALTER TABLE` that mends it.",
        "After a crash of the server an unlogged table is empty.",
    ),
    Difference(
        "table-swallowed",
        "A version that a trigger keeps from being recorded counts as applied.",
        "It is rolled back: exit code 4.",
        "What is not recorded runs again.",
    ),
    Difference(
        "table-first-run",
        "The first run does not look at what is in the database.",
        "Another tool's history that has recorded these files stops it (exit code 7), other tables are a warning;"
        " on a protected environment both stop it. `--allow-existing` goes on.",
        "Files that were converted from another tool must not run a second time.",
    ),
    # -- the schema file
    Difference(
        "schema-text",
        "As pg_dump writes it: `\\restrict`, the versions of server and pg_dump, settings that older servers refuse.",
        "The same text from every pg_dump, without these.",
        "A diff shows changes of the schema only, and the file loads into every server.",
    ),
    Difference(
        "schema-bodies",
        "Blanks at line ends are removed in function bodies and strings as well; a line above 64 KiB cannot be dumped.",
        "Bodies and strings are kept byte for byte.",
        "They are data.",
    ),
    Difference(
        "schema-when",
        "Written after every `up`, `migrate` and `rollback`, also with nothing to do; not after a failure.",
        "Written when something was applied or undone, also if a later file failed, and when it is missing.",
        "The file shows the database as it is, and only changes with it.",
    ),
    Difference(
        "schema-failure",
        "If `up` cannot write it, there is no message.",
        "A warning says why. The exit code is 0 as well, since the migrations stand; `dump` itself fails.",
        "An old schema file with a new database.",
    ),
    Difference(
        "schema-pg-dump",
        "The first pg_dump on the PATH, with the URL and its password on its command line.",
        "The newest one on the machine that can dump the server (`DBMIGRATE_PG_DUMP` chooses another), with the"
        " password in its environment.",
        "Command lines can be read by everybody on the machine, and pg_dump must not be older than the server.",
    ),
    Difference(
        "schema-locks",
        "pg_dump waits for ever for a table that another session has locked.",
        "For 10 seconds.",
        "Everybody else queues behind it.",
    ),
    Difference(
        "schema-tablespaces",
        "Tablespaces are named in the schema file.",
        "They are left out. (`up` and `load` make objects in the default one.)",
        "They belong to a server, like owners and privileges, which are left out by both.",
    ),
    Difference(
        "schema-url-settings",
        "Server settings in the URL (`?lock_timeout=5s`) make pg_dump fail.",
        "They do not.",
        "pg_dump does not get the URL.",
    ),
    Difference(
        "schema-search-path",
        "With a `search_path` in the URL only its schemas are dumped, with `CREATE SCHEMA public`, which cannot be"
        " loaded, and without extensions.",
        "All schemas. (`dump -- --schema=app` chooses.)",
        "The file has to be able to make the database again.",
    ),
    Difference(
        "schema-load",
        "`load` removes every line that begins with a backslash, in function bodies too.",
        "It skips `\\restrict`, `\\unrestrict` and `\\connect`, and refuses other psql commands. Bodies are kept.",
        "They are data.",
    ),
    # -- what is printed
    Difference(
        "out-streams",
        "Everything but errors on stdout.",
        "On stdout what was asked for: `Applied:`, `Rolled back:`, `Rows affected:`, the lines of `status`, the path of"
        " `new`. Everything else on stderr: the target database, `Applying:`, `Creating:`, `Writing:` ..., a summary.",
        "`dbmigrate up > applied.txt`",
    ),
    Difference(
        "out-errors",
        "`Error: ` and one line; line and column count from the section's header, and the file is not named.",
        "A block: `error[E401]: ...`, `file:line:column`, the line with a caret, what state the database is in, what to"
        " do next.",
        "The next question is always where.",
    ),
    Difference(
        "out-server-messages",
        "NOTICEs and an error's DETAIL, HINT and CONTEXT are dropped.",
        "They are shown.",
        "The server's answer is often in them.",
    ),
    Difference(
        "out-failed",
        "`Applied: FILE in ...` also for a migration that failed, before the error.",
        "`Failed: FILE after ...` on stderr.",
        "It was not applied.",
    ),
    Difference(
        "out-waiting",
        "`Waiting for database` and a dot for each try.",
        "A line for each try, with the server's name and the time so far.",
        "Logs have no half lines.",
    ),
    Difference(
        "out-schema-name",
        '`Creating schema: "My"`',
        "`Creating schema: My`",
        "As for databases.",
    ),
)


def markdown() -> str:
    """The table as it stands in the documentation."""
    head = "| id | dbmate 2.36.0 | dbmigrate | why |\n|---|---|---|---|\n"
    return head + "".join(
        f"| `{row.id}` | {row.dbmate} | {row.dbmigrate} | {row.why} |\n" for row in INTENDED_DIFFERENCES
    )


if __name__ == "__main__":
    sys.stdout.write(markdown())
