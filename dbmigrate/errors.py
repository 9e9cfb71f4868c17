"""The exception tree. Every error knows its exit code, a stable code of its own, and what to do about it.

    Error                                exit code
      ConfigError ......................... 2   options, environment, env files, URLs
        ToolMissing ....................... 2   a program or an extra that has to be installed
      MigrationFileError .................. 2   a file that cannot be read as a migration; carries its place
      PlanError ........................... 2   the request cannot be turned into a plan
      ConnectionFailed .................... 3   the server cannot be reached, or did not answer in time
      DatabaseError ....................... 4   the server refused; nothing was changed by the refused work
        MigrationFailed ................... 4   ... in a migration, which was rolled back
      NeedsAttention ...................... 5   work is half done, and a person has to decide what is right
      LockNotAcquired ..................... 6   another run holds the lock
        AlreadyDone ......................... 6   ... and did the same step; the executor continues with the next one
      Refused ............................. 7   possible, but only if asked for explicitly
      Interrupted ....................... 130 / 143   SIGINT, SIGTERM

The first digit of an error code is its exit code (``E201`` exits with 2), but for the two signals. `CODES` is the one
list of them; a test compares the documentation and the program with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TypeVar

    from dbmigrate.model import Excerpt, Place
    from dbmigrate.reports import Report
    from dbmigrate.warning_codes import WARNINGS

    AnyError = TypeVar("AnyError", bound="Error")

__all__ = [
    "CODES",
    "WARNINGS",
    "AlreadyDone",
    "ConfigError",
    "ConnectionFailed",
    "DatabaseError",
    "Error",
    "Interrupted",
    "LockNotAcquired",
    "MigrationFailed",
    "MigrationFileError",
    "NeedsAttention",
    "PlanError",
    "Refused",
    "Terminated",
    "ToolMissing",
    "unchanged",
]

CODES: dict[str, str] = {
    # configuration: nothing was read or contacted yet
    "E200": "the command line is wrong",
    "E201": "no database is configured",
    "E202": "the database URL is invalid",
    "E203": "the variable of the chosen environment is not set",
    "E204": "a line of an env file cannot be read",
    "E205": "an option or environment variable has an invalid value",
    "E206": "a program or an extra is missing",
    "E207": "a file or directory cannot be read or written",
    "E208": "a migration is only for some environments, and no environment is named",
    "E209": "the project file says one thing in two spellings",
    # migration files: nothing was contacted or changed
    "E210": "the file is not valid UTF-8, or contains a NUL byte",
    "E211": "the file has no '-- migrate:up' section",
    "E212": "a section has no '-- migrate:down'",
    "E213": "the sections are in the wrong order",
    "E214": "SQL before the first '-- migrate:up'",
    "E215": "a line looks like a section header but is not one",
    "E216": "an option of a section is misspelt or has an invalid value",
    "E217": "a quote, comment or COPY block is not closed",
    "E218": "a psql command, or a backslash outside a string",
    "E219": "transaction control inside a transactional section",
    "E220": "a statement that PostgreSQL refuses inside a transaction",
    "E221": "two files have the same version",
    "E222": "the file changed during the run",
    "E223": "a merge conflict is not resolved",
    # the command for the password
    "E224": "the password command failed",
    "E225": "what the password command printed is not a password",
    # plans
    "E226": "no run is known that applied what is applied",
    "E227": "a file is not a backup",
    "E228": "the file of a version to forget is there",
    # a command that is started
    "E229": "the command of `run` cannot be started",
    "E230": "no migration files were found",
    "E231": "nothing is applied, so there is nothing to roll back",
    "E232": "no such version",
    "E233": "the migration is declared irreversible",
    "E234": "the file of an applied migration is gone, and its down SQL is not in the log",
    "E235": "the migrations directory does not exist",
    "E236": "an embedded server ends before the command of `run` begins",
    "E237": "the name cannot become a file name",
    "E238": "the schema file cannot be loaded",
    "E239": "the plan changed after it was shown",
    "E240": "the database already has a history",
    "E241": "the migration is already in that state",
    "E242": "there is no unfinished migration",
    "E243": "an unfinished rollback cannot be undone",
    # scratch databases, and what is tried on them
    "E244": "there is no server for a scratch database",
    "E245": "the role may not create scratch databases",
    "E246": "a scratch database cannot be created",
    "E247": "the git revision to compare with cannot be read",
    "E248": "the plan cannot be rehearsed in one transaction",
    "E249": "there are no queries to check",
    # lint
    "E250": "a setting of the linter is wrong",
    "E251": "unknown code",
    "E252": "a named file is not a migration",
    # the project file
    "E253": "the project file is not valid TOML",
    "E254": "the project file has an unknown key",
    "E255": "a value of the project file is of the wrong type",
    "E256": "the project file contains connection settings",
    "E257": "a deployment setting in the project file is invalid",
    "E258": "there are migrations already, so the schema is not the first one",
    "E259": "the schema file was merged by git, and is not generated yet",
    # comparisons
    "E260": "the expected schema cannot be built for the comparison",
    "E261": "files of applied migrations are missing, so the expected schema is unknown",
    "E262": "what a file says that it replaces cannot be counted, or contradicts another file",
    "E263": "there is nothing to squash, or nothing that can be",
    "E264": "the schema of the target cannot be copied to a scratch database",
    "E265": "it is not known which files are pending",
    "E266": "the pattern does not fit to the schema",
    "E267": "git cannot be set up for the schema file",
    # services
    "E268": "no such service",
    "E269": "two services share a directory, a tracking table or a schema file",
    # scripts
    "E270": "a migration changes how its own text is read, so there is no script for it",
    "E271": "psql cannot connect to a database of this name",
    "E272": "a service of the project file has no directory, or a name that no service can have",
    # several targets
    "E273": "the list of targets cannot be read",
    "E274": "an option is for one target, not for several",
    # repeatable migrations, seeds
    "E275": "a repeatable migration is not written as one, or stands among the versioned ones",
    "E276": "two repeatable migrations have the same name",
    "E277": "a repeatable migration depends on something that is not there",
    "E278": "repeatable migrations depend on each other in a circle",
    "E279": "the seeds cannot be found, or are migrations",
    # database URLs
    "E280": "the database URL has a parameter of another program",
    # projects of other tools
    "E281": "a file of another tool cannot be converted",
    "E282": "there is nothing to import",
    "E283": "the tool of a project is not known",
    "E284": "an import needs an answer",
    "E285": "another file is in the place of one that would be imported",
    "E286": "the history of another tool cannot be found",
    "E287": "a statement of a backfill has no `:batch`, or has it where it restricts nothing",
    "E288": "a statement cannot run in the pages of a backfill",
    "E289": "no version is free for a migration that is imported",
    # annotations
    "E290": "a comment is a misspelt annotation",
    "E291": "an annotation is given twice, or stands where it means nothing",
    "E292": "an annotation is not supported here",
    "E293": "a migration depends on one that cannot have been applied before it",
    "E294": "a migration depends on one that is for fewer environments",
    "E296": "a condition is not one query",
    "E297": "there is no pull request to comment on, or something about it is missing",
    "E298": "a variable has no value",
    "E299": "the value of a variable cannot be a literal or a name",
    # connection
    "E301": "the server cannot be reached or refused the login",
    "E302": "the server did not answer within the time to wait",
    "E303": "the database does not exist",
    "E304": "the server is too old, or its settings make it unusable",
    "E305": "the connection was lost",
    # the server refused
    "E401": "a statement of a migration failed",
    "E402": "the server refused a command",
    "E403": "the migration ended its own transaction",
    "E404": "pg_dump failed",
    "E405": "a lock was not granted in time",
    "E406": "a migration changed how the server reads its text",
    "E410": "the backup failed",
    "E411": "the health check failed",
    "E412": "a scratch database could not be dropped",
    "E413": "a postcondition is not true",
    "E414": "a postcondition cannot be evaluated",
    "E415": "a page of a backfill changed far more rows than it has",
    "E416": "what a statement destroys could not be saved",
    "E417": "other sessions had to wait for too long",
    "E418": "no database can be made for a restore",
    "E419": "a restored database could not take the place of the target",
    "E430": "a query of the traffic fails before the migrations",
    "E431": "a dump cannot be restored",
    "E432": "the process that worked on a target ended",
    # a person is needed
    "E501": "a non-transactional migration stopped partway",
    "E502": "an earlier migration is unfinished",
    "E503": "the commit outcome is unknown",
    "E504": "an index was left invalid",
    "E505": "a completed statement was edited",
    "E506": "the outcome of a statement is unknown",
    "E507": "a deployment failed, and could not be rolled back",
    "E508": "a deployment failed, and `--on-failure keep` left its migrations",
    "E509": "a deployment failed, and was not rolled back, because another run changed the database since",
    "E510": "a precondition is not true, after a part of its migration was done",
    "E511": "a postcondition is not true, after the steps of its migration were done",
    # lock
    "E601": "another run holds the migration lock",
    "E602": "what `wait --for` waits for was not applied within the time to wait",
    "E603": "the database could not be asked within the time to wait",
    "E610": "a backfill has waited too long",
    # refused
    "E701": "an applied file was changed",
    "E702": "a migration is out of order",
    "E703": "connected through a transaction pooler",
    "E704": "the server is a standby or read-only",
    "E705": "the tracking table cannot be trusted",
    "E706": "confirmation is needed",
    "E707": "a protected environment needs a confirmation",
    "E708": "a migration is not applied in the required environment",
    "E709": "the given name is not the name of the target",
    "E710": "the history of the required environment cannot be read",
    "E712": "the plan is not the one that was reviewed",
    "E713": "the tracking table belongs to another tool",
    "E714": "the tracking table would lose or refuse records",
    "E715": "another tool recorded these files as applied",
    "E716": "a protected environment has tables, but no history",
    "E717": "the history of these files is in another schema",
    "E718": "a process to end is not one that `locks` shows",
    "E719": "a session to end has ended already",
    "E720": "an applied file has another version now",
    "E721": "a version was applied from another file",
    "E722": "a migration was not run, because it could act outside the scratch database",
    "E723": "the database is not what the migrations of another tool make",
    "E724": "another tool has recorded a migration that failed",
    "E725": "a file is not the one that another tool has run",
    "E726": "something else was done after the last run",
    "E727": "the migration that is asked for is only for other environments",
    "E728": "the history of a restored database does not agree with the files",
    "E729": "sessions are connected to a database that would be renamed",
    "E730": "an applied migration depends on one that is to be rolled back",
    "E731": "a breaking change of a protected environment needs `--allow-breaking`",
    "E732": "a migration that is only for other environments would be applied again",
    "E733": "the schema file would hold what is only for some environments",
    "E734": "a precondition is not true",
    "E735": "a precondition cannot be evaluated",
    "E736": "--forget-missing is refused on a protected environment",
    "E737": "a migration of a protected environment is not in version control",
    "E740": "a variable had another value when the migration was applied",
    "E744": "of the migrations that a file replaces some are applied, and some are not",
    "E745": "the migrations to squash leave rows, and it was not said what becomes of them",
    "E746": "the squashed file does not make what the migrations make",
    "E747": "`init` cannot add to a file that it cannot read",
    "E753": "a migration depends on one of another service that is not applied",
    "E757": "two targets are the same database",
    "E760": "the table of a backfill cannot be followed by its key",
    "E761": "the lag of the replicas cannot be read",
    "E762": "the key or the place of an unfinished backfill was changed",
    "E763": "a page of a backfill would read the whole table",
    "E764": "a migration depends on a deferred backfill",
    "E765": "a backfill changes the key that its pages follow",
    "E770": "what depends on a column would be lost",
    "E771": "the files of a pattern do not end in the schema of the plain change",
    "E776": "what a migration destroys is more than `--salvage-limit`",
    "E777": "what a non-transactional migration destroys cannot be saved",
    "E778": "the values of a column cannot be saved, because the table has no key",
    "E780": "the clone is the target itself",
    "E781": "the clone is the database of a protected environment",
    "E782": "the clone has another history than the target",
    "E786": "a workflow on `pull_request_target` would run the SQL of a stranger",
    "E788": "the environment is changed in its maintenance window alone",
    "E789": "the maintenance window closed while the command waited",
    # signals: the exit code is 128 + the signal's number
    "E130": "interrupted by SIGINT (Ctrl-C)",
    "E143": "ended by SIGTERM",
}


def __getattr__(name: str) -> dict[str, str]:
    """`WARNINGS`, on first use: a run without warnings does not read the list."""
    if name == "WARNINGS":
        from dbmigrate.warning_codes import WARNINGS

        return WARNINGS
    raise AttributeError(name)


class Error(Exception):
    """The base class of every failure that dbmigrate foresees.

    `code` is a key of `CODES`; `hint` says what to do; `place` is where in a file; `excerpt` is the text around it;
    `details` are further lines, such as those of the server (DETAIL, HINT, CONTEXT), in their order; `state` says in
    which state the database is left; `report` is what this run did before the failure.
    """

    exit_code = 1

    def __init__(  # noqa: PLR0913 (an error is described once, where it arises)
        self,
        message: str,
        *,
        code: str,
        hint: str | None = None,
        place: Place | None = None,
        excerpt: Excerpt | None = None,
        details: tuple[tuple[str, str], ...] = (),
        sqlstate: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.hint = hint
        self.place = place
        self.excerpt = excerpt
        self.details = details
        self.sqlstate = sqlstate
        self.state: str | None = None
        self.report: Report | None = None
        self.keeps_pages = False  # pages of a backfill were committed before, and stay

    def recast(
        self, kind: type[AnyError], message: str | None = None, *, code: str, hint: str | None = None
    ) -> AnyError:
        """The same failure as another class of error; `message` and `hint` replace its own where they are given.
        Without `state` and `report`: what holds for the database is for the one who raises the new error to say.
        """
        return kind(
            message or self.message,
            code=code,
            hint=hint or self.hint,
            place=self.place,
            excerpt=self.excerpt,
            details=self.details,
            sqlstate=self.sqlstate,
        )


class ConfigError(Error):
    """Options, environment variables, env files or URLs are wrong. Nothing was contacted."""

    exit_code = 2


class ToolMissing(ConfigError):
    """A program (pg_dump) or an extra (``dbmigrate[embedded]``) has to be installed; `hint` says how."""


class MigrationFileError(Error):
    """A migration file cannot be read as one. Raised before anything runs; `place` is always set."""

    exit_code = 2


class PlanError(Error):
    """The request cannot be turned into a plan: no such version, nothing to roll back, irreversible."""

    exit_code = 2


class ConnectionFailed(Error):
    """No connection could be made, or it was lost and the outcome is known (`state` says it)."""

    exit_code = 3


class DatabaseError(Error):
    """The server refused a command, which left nothing behind."""

    exit_code = 4


class MigrationFailed(DatabaseError):
    """A migration failed and was rolled back; `report` holds what was applied before it."""


class NeedsAttention(Error):
    """Work is half done, and a person has to decide the next step; `hint` names the commands."""

    exit_code = 5


class LockNotAcquired(Error):
    """Another run held the lock for longer than this one may wait. Nothing was changed."""

    exit_code = 6


class AlreadyDone(LockNotAcquired):
    """Another run did a step while this one waited for the lock. Nothing was changed, nothing is left to do."""


class Refused(Error):
    """The request is possible but not safe; `hint` says how to ask for it explicitly."""

    exit_code = 7


class Interrupted(Error):
    """SIGINT or SIGTERM arrived; the running statement was cancelled and its transaction rolled back."""

    def __init__(self, message: str, *, signal_number: int) -> None:
        super().__init__(message, code=f"E{128 + signal_number}")
        self.exit_code = 128 + signal_number

    @classmethod
    def by(cls, exc: BaseException, message: str) -> Interrupted:
        """The error for what a signal handler raised: KeyboardInterrupt or `Terminated`."""
        return cls(message, signal_number=15 if isinstance(exc, Terminated) else 2)


def unchanged(error: AnyError) -> AnyError:
    """`error` with the state of a database that was not changed."""
    error.state = "nothing was changed"
    return error


class Terminated(KeyboardInterrupt):
    """What the handler of SIGTERM raises: like Ctrl-C, it must pass every ``except Exception``."""
