"""The codes of warnings and notes."""

from __future__ import annotations

# warnings and notes, which stop nothing; the codes of `model.Problem`
WARNINGS: dict[str, str] = {
    # migration files
    "W201": "a BEGIN or COMMIT around a whole section is not run, because the section has a transaction already",
    "W202": "an unknown option of a section is ignored",
    "W203": "an up section contains no statement",
    "W204": "a section header inside quoted or commented text is text (dbmate takes it for a header)",
    "W205": "a comment begins like an annotation and is none",
    "W675": "a migration sets something for its session, which does not hold in the files after it",
    # plans and history
    "W301": "a migration is applied out of order",
    "W302": "files run in the order of their names, which differs from that of their numbers",
    "W303": "an empty down section: the version is forgotten, nothing is undone",
    "W304": "an applied file was edited, but only in its layout",
    "W305": "the file of an applied migration is gone; the down SQL kept in the log is used",
    "W306": "another run did the step while this one waited for the lock (behind a pooler)",
    "W307": "the database of a dry run does not exist yet",
    "W308": "a file was changed after it was applied, and is rolled back as it is now",
    "W310": "a pending migration is only for some environments, and no environment is named",
    "W330": "a variable is declared and not used",
    "W335": "files among the repeatable migrations do not say that they are repeatable, and are skipped",
    "W336": "a repeatable migration is left for later, because a versioned one stays pending",
    "W337": "the file of a repeatable migration is gone; nothing is undone",
    "W338": "a rollback leaves a repeatable migration as it is, and the next `up` runs it again",
    "W700": "a pending migration is a breaking change",
    "W710": "a rollback does not bring back what its migration destroyed",
    "W711": "a file is applied again after it was rolled back, and nothing in it was changed",
    "W712": "a migration is applied on a protected environment though git ignores its file",
    "W713": "nobody can tell whether the files are in version control",
    "W340": "the name of a new migration does not say what it changes",
    "W341": "of the migrations that a file replaces some are applied, and some are not",
    "W342": "what migrations do to the whole server is not in the squashed file",
    "W343": "the files that a squashed file replaces are still there",
    "W670": "files of applied migrations are missing",
    "W671": "an applied file has another version now",
    "W672": "a version was applied from another file",
    "W673": "a section that is not run now has a fault",
    "W320": "a condition is not true on a scratch database, which has no rows",
    "W350": "a backfill is deferred, or paused",
    "W351": "a page of a backfill reads the whole table",
    "W352": "triggers fire for the rows of a backfill",
    "W353": "the lag of the replicas cannot be read",
    "W760": "the statements of a half-done backfill were edited",
    "W761": "a backfill may double the size of a large table",
    # waits, and data that is lost
    "W380": "a migration destroys data",
    "W381": "`--salvage` does not save what a statement destroys",
    "W382": "what a statement destroys was saved",
    "W383": "how much a migration destroys is not known",
    "W385": "nobody can see who waits, because a second connection was refused",
    "W386": "other sessions wait for a statement that cannot be cancelled",
    "W387": "a migration was cancelled for other sessions, and is tried again",
    "W388": "a migration takes longer than other sessions may wait",
    "W390": "a clone is migrated for good by a rehearsal",
    "W391": "a rehearsal could not measure all of it",
    "W392": "a rehearsal lost its second connection",
    "W393": "a dump was restored, but for something that it needs elsewhere",
    # containers and projects
    "W720": "`run` leaves out what is pending",
    "W721": "no file has the version that `wait` waits for",
    "W722": "git would keep `.env`, which holds passwords",
    "W723": "a file is there already, and does not have what `init` would write",
    # the schema file
    "W401": "the schema file was not written",
    "W311": "the schema file was not written, because it would hold what is only for some environments",
    "W402": "user mappings are left out of the schema file, because they hold passwords",
    "W403": "the schema file contains the password of a subscription",
    # on call
    "W404": "psql does not get a part of the connection settings",
    "W405": "a session that was asked to end is still there",
    "W730": "git has merged two versions of the schema file, which has to be generated",
    "W731": "a git hook of another program is in the place of dbmigrate's",
    "W740": "a service changes an object of another service, which no schema file has then",
    # the embedded server
    "W501": "the embedded server's data is not in the named directory",
    # deployments
    "W630": "a migration of the deployment could not be rolled back",
    # scratch databases
    "W600": "a scratch database differs from the target",
    # lock reports
    "W660": "no lock report, because no scratch database is available",
    "W661": "no lock report, because the schema of the target cannot be copied",
    "W662": "a migration fails on a copy of the schema, and the lock report ends there",
    "W663": "the lock report has no table sizes",
    "W664": "a schema was not copied to the scratch database by pg_dump",
    # files and tables of other tools
    "W665": "files in the migrations directory are not migrations, and are skipped",
    "W666": "the database has tables or another tool's history, but no history of these files",
    "W667": "the tracking table would lose or refuse records",
    "W680": "the lock report ends before a migration that could act outside the scratch database",
    "W681": "a failure could not be written to the log",
    "W682": "the session was closed for pg_dump, because the role may open only one",
    # configuration and environments
    "W620": "there are two project files",
    "W621": "applied files were edited",
    # recovery
    "W640": "an invalid index that an interrupted statement left is dropped",
    "W641": "an interrupted detach of a partition is completed",
    "W642": "the schema file was not written, because the migration lock was lost",
    "W702": "the history of a restored database was compared with nothing",
    "W703": "a database is left from a restore that did not end",
    # imports from other tools
    "W690": "the history of another tool is taken over without a proof",
    # several targets
    "W750": "targets are listed twice, and run once",
    "W751": "a shard has no targets",
    # rewriting
    "W370": "a statement has no safe form, and is left as it is",
    "W371": "an applied file is not rewritten",
    "W372": "a function or a view needs a look, because of a pattern",
    # reports
    "W770": "an environment could not be asked for the report",
    "W771": "the log of an environment could not be read for the report",
    "W772": "the schema could not be read for the report",
    "W773": "what some migrations change is not known, because one of them could not be run",
    "W774": "the catalogue of the migrations is stale",
    # watching
    "W780": "a migration takes longer than `slow-after`",
    "W781": "a notice could not be sent",
    "W782": "the metrics file could not be written",
    "W783": "a dry run is outside the maintenance window",
    "W784": "notices are not sent, because their settings are incomplete",
    "W785": "traces could not be sent",
    "W786": "a run is outside the maintenance window",
    # pull requests
    "W775": "the token of the job may not comment on the pull request",
    "W776": "the comment on the pull request could not be kept up to date",
    "W777": "the job is not about a pull request, so that there is nothing to comment on",
    # output
    "W685": "stdout cannot be written",
    "W686": "stderr cannot be written",
    # lint
    "W650": "squawk is not installed: only dbmigrate's own rules were run",
    "W651": "squawk could not be run",
    "W652": "an ignore comment gives no reason",
    "W653": "an ignore comment suppresses nothing",
    "W654": "an ignore comment names an unknown rule",
    "W655": "a large file was looked at in part",
    "W656": "the baseline names findings that are no longer there",
}
