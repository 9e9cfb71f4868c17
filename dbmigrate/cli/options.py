"""Options that several commands share; the common ones are accepted before and after the command.

Typer's own ``envvar=`` is not used: declared on two levels it lets the environment win over a flag. The environment is
read once, by `settings.load`, after all flags are known.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from dbmigrate.cli.call import Call

if TYPE_CHECKING:
    from dbmigrate.cli.target_request import TargetRequest

COMMON: dict[str, Any] = {
    "environment": Annotated[
        list[str] | None,
        typer.Option("--env", "-e", metavar="NAME", help="Environment: production reads PRODUCTION_DATABASE_URL."),
    ],
    "service": Annotated[
        str | None, typer.Option("--service", metavar="NAME", help="Service: [service.NAME] of the project file.")
    ],
    "url": Annotated[str | None, typer.Option("--url", "-u", metavar="URL", help="Database URL. [DATABASE_URL]")],
    "password_command": Annotated[
        str | None,
        typer.Option("--password-command", metavar="COMMAND", help="Shell command that prints the password."),
    ],
    "migrations_dirs": Annotated[
        list[str] | None,
        typer.Option(
            "--migrations-dir", "-d", metavar="DIR", help="Migrations directory, repeatable. [./db/migrations]"
        ),
    ],
    "version_order": Annotated[
        str | None,
        typer.Option("--version-order", metavar="ORDER", help="Order of migrations: name or numeric. [name]"),
    ],
    "migrations_table": Annotated[
        str | None,
        typer.Option("--migrations-table", metavar="NAME", help="Tracking table. [schema_migrations]"),
    ],
    "schema_file": Annotated[
        str | None, typer.Option("--schema-file", "-s", metavar="FILE", help="Schema file. [./db/schema.sql]")
    ],
    "no_dump_schema": Annotated[
        bool, typer.Option("--no-dump-schema", help="Do not write the schema file after a change.")
    ],
    "env_files": Annotated[
        list[str] | None,
        typer.Option("--env-file", metavar="FILE", help="File of variables, repeatable. [.env, .env.dbmate]"),
    ],
    "driver": Annotated[
        str | None, typer.Option("--driver", metavar="NAME", help="Database driver; only postgres. (dbmate)")
    ],
    "wait": Annotated[bool, typer.Option("--wait", help="Wait until the server answers before doing anything.")],
    "wait_timeout": Annotated[
        str | None, typer.Option("--wait-timeout", metavar="DURATION", help="How long --wait waits. [1m0s]")
    ],
    "wait_interval": Annotated[
        str | None, typer.Option("--wait-interval", metavar="DURATION", help="How often --wait tries. [1s]")
    ],
    "allow_pooler": Annotated[
        bool, typer.Option("--allow-pooler", help="Work through a transaction pooler where that is safe.")
    ],
    "log_format": Annotated[
        str | None,
        typer.Option("--log-format", metavar="FORMAT", help="Form of messages: text, json or logfmt. [text]"),
    ],
    "quiet": Annotated[bool, typer.Option("--quiet", "-q", help="Only results and errors.")],
    "json": Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")],
    "debug": Annotated[bool, typer.Option("--debug", help="Show a traceback with an error.")],
}
_VERBOSE = "Print how many rows were affected."
VERBOSE: dict[str, Any] = {"verbose": Annotated[bool, typer.Option("--verbose", "-v", help=_VERBOSE)]}
# before a command `-v` prints the version, as in dbmate
VERBOSE_BEFORE: dict[str, Any] = {"verbose": Annotated[bool, typer.Option("--verbose", help=_VERBOSE)]}

# options of several commands
ToVersion = Annotated[str | None, typer.Option("--to", metavar="VERSION", help="Up to and including this version.")]
DownTo = Annotated[str | None, typer.Option("--to", metavar="VERSION", help="Undo everything after this version.")]
Steps = Annotated[int | None, typer.Option("--steps", "-n", metavar="N", min=1, help="At most N migrations.")]
Only = Annotated[
    str | None, typer.Option("--only", metavar="VERSION", help="Only this one; what is pending before it is left out.")
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        help="Print the SQL as a psql script (--json: the plan as data). The lock report runs it on a scratch server.",
    ),
]
Execute = Annotated[bool, typer.Option("--execute", help="With --dry-run: run it on a scratch copy of the schema.")]
InPlace = Annotated[
    bool,
    typer.Option("--in-place", help="With --execute: run it on the database, in a transaction that is rolled back."),
]
OnClone = Annotated[
    str | None,
    typer.Option("--on", metavar="URL", help="With --execute: run it on this clone, for good, and measure it."),
]
Traffic = Annotated[
    list[str] | None,
    typer.Option("--traffic", metavar="QUERIES", help="SQL, or a file of it, to run beside it: what has to wait."),
]
RehearsalSummary = Annotated[
    str | None, typer.Option("--summary", metavar="FILE", help="With --on: append the report in Markdown to FILE.")
]
Locks = Annotated[
    bool | None,
    typer.Option("--locks/--no-locks", help="With --dry-run: report locks, measured on a scratch database. [on]"),
]
ScratchUrl = Annotated[
    str | None,
    typer.Option(
        "--scratch-url",
        metavar="URL",
        help="Server for scratch databases: SQL of the files runs there. [DBMIGRATE_SCRATCH_URL, otherwise its own]",
    ),
]
Strict = Annotated[
    bool | None,
    typer.Option("--strict/--no-strict", help="Refuse migrations out of order. [on for protected environments]"),
]
LockWait = Annotated[
    str | None, typer.Option("--lock-wait", metavar="DURATION", help="How long to wait for another run. [5m]")
]
LockTimeout = Annotated[
    str | None, typer.Option("--lock-timeout", metavar="DURATION", help="Lock timeout of each try; 0: no limit.")
]
Timeout = Annotated[str | None, typer.Option("--timeout", metavar="DURATION", help="Limit for each statement.")]
MaxBlocked = Annotated[
    str | None,
    typer.Option("--max-blocked", metavar="DURATION", help="Cancel and retry a statement that others wait for longer."),
]
DeferBackfills = Annotated[
    bool, typer.Option("--defer-backfills", help="Leave backfills for `dbmigrate backfill`, and go on.")
]
MaxWait = Annotated[
    str | None,
    typer.Option("--max-wait", metavar="DURATION", help="How long a backfill waits for others in one go. [30m]"),
]
ExpectPlan = Annotated[
    str | None, typer.Option("--expect-plan", metavar="HASH", help="Run only the plan that a dry run showed.")
]
Backup = Annotated[
    str | None, typer.Option("--backup", metavar="DIR", help="Back up the database to DIR before the first step.")
]
Salvage = Annotated[
    str | None,
    typer.Option("--salvage", metavar="DIR", help="Save to DIR what is dropped or truncated, before it goes."),
]
SalvageLimit = Annotated[
    str | None,
    typer.Option("--salvage-limit", metavar="SIZE", help="Refuse --salvage for more than this of a table. [1GB]"),
]
Confirm = Annotated[
    str | None,
    typer.Option("--confirm", metavar="DBNAME", help="The database's name, to confirm on a protected environment."),
]
RequireApplied = Annotated[
    str | None,
    typer.Option("--require-applied-in", metavar="NAME", help="Apply only what is applied in that environment."),
]
AllowExisting = Annotated[
    bool,
    typer.Option("--allow-existing", help="Start a history beside tables or another tool's history."),
]
AllowBreaking = Annotated[
    bool, typer.Option("--allow-breaking", help="Apply breaking changes on a protected environment.")
]
AllowUntracked = Annotated[
    str | None,
    typer.Option(
        "--allow-untracked",
        metavar="REASON",
        help="Apply files that git does not track on a protected environment; the log keeps why.",
    ),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Reason = Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Reason, kept in the log.")]

MetricsFile = Annotated[
    str | None,
    typer.Option("--metrics-file", metavar="FILE", help="Write metrics for Prometheus to FILE at the end."),
]
OutsideWindow = Annotated[
    str | None,
    typer.Option(
        "--outside-window",
        metavar="REASON",
        help="Run outside the maintenance window of the environment; the log keeps why.",
    ),
]

ListOnly = Annotated[bool, typer.Option("--dry-run", help="List what would run.")]
SeedsDir = Annotated[str | None, typer.Option("--seeds-dir", metavar="DIR", help="Directory of seeds. [./db/seeds]")]

# groups of options that become settings: `common_with` hands them to the call, like the common ones
LIMITS: dict[str, Any] = {
    "lock_wait": LockWait,
    "lock_timeout": LockTimeout,
    "timeout": Timeout,
    "max_blocked": MaxBlocked,
}
STRICT: dict[str, Any] = {"strict": Strict}
SEEDS: dict[str, Any] = {"seeds_dir": SeedsDir}
PAGES: dict[str, Any] = {"max_wait": MaxWait}
BACKFILLS: dict[str, Any] = {"defer_backfills": DeferBackfills, **PAGES}
WINDOW: dict[str, Any] = {
    "outside_window": Annotated[
        str | None,
        typer.Option(
            "--outside-window", metavar="REASON", help="Change it outside the maintenance window of the environment."
        ),
    ]
}
WATCHED: dict[str, Any] = {"metrics_file": MetricsFile, "outside_window": OutsideWindow}
SCRATCH: dict[str, Any] = {"scratch_url": ScratchUrl}

# what a command does on several targets: `target_request` reads these
TARGETS: dict[str, Any] = {
    "targets": Annotated[
        str | None,
        typer.Option(
            "--targets", metavar="FILE", help="Targets: a URL, database:NAME or schema:NAME a line; - is stdin."
        ),
    ],
    "targets_query": Annotated[
        str | None,
        typer.Option("--targets-query", metavar="SQL", help="The same from a query on the configured database."),
    ],
    "parallel": Annotated[
        int | None, typer.Option("--parallel", metavar="N", min=1, help="Work on N targets at a time. [4]")
    ],
    "shard": Annotated[
        str | None, typer.Option("--shard", metavar="I/N", help="Only the targets of machine I (from 1) of N.")
    ],
}
ROLLOUT: dict[str, Any] = {
    "canary": Annotated[
        int | None, typer.Option("--canary", metavar="N", min=1, help="First N targets alone, then ask.")
    ],
    "max_failures": Annotated[
        int | None, typer.Option("--max-failures", metavar="N", min=1, help="Start no more targets after N failures.")
    ],
}

Command = Callable[..., None]


def call_of(ctx: typer.Context) -> Call:
    """The state of this invocation, made on first use."""
    root = ctx.find_root()
    if root.obj is None:
        root.obj = Call()
    call: Call = root.obj
    return call


def common(function: Command) -> Command:
    """Give a command the shared options; it receives the `Call` that has collected them as ``call``."""
    return _with_options(function, {**COMMON, **VERBOSE})


def common_with(*groups: Mapping[str, Any]) -> Callable[[Command], Command]:
    """The same with the options of `groups`, which the `Call` collects, too."""

    def decorate(function: Command) -> Command:
        return _with_options(
            function, {**{name: each for group in groups for name, each in group.items()}, **COMMON, **VERBOSE}
        )

    return decorate


def common_root(function: Command) -> Command:
    """The same for the options before the command."""
    return _with_options(function, {**COMMON, **VERBOSE_BEFORE})


def _with_options(function: Command, shared: dict[str, Any]) -> Command:
    signature = inspect.signature(function, eval_str=True)
    groups: dict[str, Any] = {
        name: parameter.annotation
        for name, parameter in signature.parameters.items()
        if name != "call" and is_dataclass(parameter.annotation)
    }

    own = list(_expanded(parameter for name, parameter in signature.parameters.items() if name not in ("call", "ctx")))
    taken = {parameter.name for parameter in own}

    def grouped(call: Call, **given: object) -> None:
        for name, group in groups.items():
            given[name] = group(**{field.name: given.pop(field.name) for field in fields(group)})
        function(call=call, **given)

    @functools.wraps(function)
    def wrapper(ctx: typer.Context, **given: object) -> None:
        call = call_of(ctx)
        asked = {name: given.pop(name) for name in (*TARGETS, *ROLLOUT) if name in given}
        call.add({name: given.pop(name) for name in shared if name in given and name not in taken})
        several = _several(function.__name__, asked, given, call)
        if "ctx" in signature.parameters:
            given["ctx"] = ctx
        if several is None:
            grouped(call, **given)
            return
        from dbmigrate.cli import targets

        targets.run(call, several, grouped, given)

    context = inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=_default(annotation), annotation=annotation)
        for name, annotation in shared.items()
        if name not in taken
    ]
    wrapper.__signature__ = signature.replace(parameters=[context, *own, *added])  # type: ignore[attr-defined]
    wrapper.__annotations__ = {parameter.name: parameter.annotation for parameter in (context, *own, *added)}
    return wrapper


def _several(
    command: str, asked: Mapping[str, object], given: Mapping[str, object], call: Call
) -> TargetRequest | None:
    """What is asked for where there are several targets; None for the one that is configured."""
    if all(value is None for value in asked.values()):
        return None
    from dbmigrate.cli import target_request

    return target_request.request(command, asked, given, call.given)


def _expanded(parameters: Iterable[inspect.Parameter]) -> Iterator[inspect.Parameter]:
    """The parameters of a command, with the options of a group in its place."""
    for parameter in parameters:
        if not is_dataclass(parameter.annotation):
            yield parameter
            continue
        annotations = get_type_hints(parameter.annotation, include_extras=True)
        for field in fields(parameter.annotation):
            kind = inspect.Parameter.KEYWORD_ONLY
            yield inspect.Parameter(field.name, kind, default=field.default, annotation=annotations[field.name])


def _default(annotation: Any) -> object:  # noqa: ANN401
    return False if annotation.__origin__ is bool else None
