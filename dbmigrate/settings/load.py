"""Settings: which database, which files, which limits. The one place that reads flags, environment and env files.

Precedence: flag, environment of the process, env files (``.env``, then ``.env.dbmate``; or those of ``--env-file``),
project file, default. An empty variable counts as not set, and hides the same variable in an env file.
Where two names mean the same (``DBMIGRATE_WAIT``, ``DBMATE_WAIT``), ours wins.
"""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from dbmigrate.connection import dsn
from dbmigrate.connection.dsn import Dsn
from dbmigrate.environment_name import canonical
from dbmigrate.errors import ConfigError
from dbmigrate.frozen import frozen
from dbmigrate.settings import durations, env_file, project_file, watching
from dbmigrate.settings.environments import (
    Protection,
    environment,
    name_of,
    protected_names,
    protection_of,
    variable_of,
)
from dbmigrate.settings.sources import Choice, Sources, Value, directories, interval, layout, order, table, tickets
from dbmigrate.settings.variables import VARIABLES, Variable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dbmigrate.model import Order
    from dbmigrate.services import Service
    from dbmigrate.settings.project_file import Project, Requirement
    from dbmigrate.settings.provenance import Part
    from dbmigrate.settings.watching import Watching
    from dbmigrate.variables import Given, Variables

__all__ = ["ENV_FILES", "VARIABLES", "Flags", "Settings", "Variable", "load"]

ENV_FILES = (".env", ".env.dbmate")

_FOR_PROGRAMS = ("DBMIGRATE_PG_DUMP", "DBMIGRATE_PG_BIN")


@frozen
class Flags:
    """The flags of the command line. None and empty sequences are flags that were not given."""

    url: str | None = field(default=None, repr=False)
    password_command: str | None = None
    environment: str | None = None
    service: str | None = None
    env_files: Sequence[str] = ()
    scratch_url: str | None = field(default=None, repr=False)
    migrations_dirs: Sequence[str] = ()
    version_order: str | None = None
    migrations_table: str | None = None
    schema_file: str | None = None
    seeds_dir: str | None = None
    no_dump_schema: bool | None = None
    driver: str | None = None
    wait: bool | None = None
    wait_timeout: str | None = None
    wait_interval: str | None = None
    lock_wait: str | None = None
    allow_pooler: bool | None = None
    lock_timeout: str | None = None
    timeout: str | None = None
    max_blocked: str | None = None
    metrics_file: str | None = None
    log_format: str | None = None
    strict: bool | None = None
    verbose: bool | None = None
    quiet: bool | None = None
    json: bool | None = None


@frozen
class Settings:
    """Everything that a command needs to know. Times are in seconds; paths are as given.

    `environment` is the name after ``-e``, in lower case where it stands for ``<NAME>_DATABASE_URL``.
    `lock_timeout` None leaves the choice to the executor; 0 and a `timeout` of None mean no limit. `environ` is for
    programs that are started: this process's without PGSERVICE, which `Dsn.environment` replaces. `origins` says for
    each name in `VARIABLES` that is a setting where its value is from. `protected` are `canonical` environment names.
    `service` is the chosen one, whose directories, table and schema file these are; `services` may share the database.
    """

    migrations_dirs: tuple[str, ...]
    version_order: Order
    migrations_table: str
    schema_file: str
    seeds_dir: str
    schema_versions: str
    wait_timeout: float
    wait_interval: float
    lock_wait: float
    allow_pooler: bool
    lock_timeout: float | None
    timeout: float | None
    dump_schema: bool
    lock_report: bool
    template: str
    ticket_pattern: str | None
    wait: bool
    strict: bool
    applies_in_run: bool
    verbose: bool
    quiet: bool
    json: bool
    environment: str | None
    service: Service | None
    services: tuple[Service, ...]
    protected: frozenset[str]
    driver: str
    environ: Mapping[str, str] = field(repr=False)
    origins: Mapping[str, str]
    project: Project
    watching: Watching
    _max_blocked: float | None
    _password_command: Value = field(repr=False)
    _sources: Sources = field(repr=False)
    _url: str | None = field(repr=False)
    _scratch_url: Value | None = field(repr=False)
    chosen: Dsn | None = None  # one of several targets, in place of the configured one

    def target(self) -> Dsn:
        """The database to work on, complete with what libpq would take from ``PG*``.

        Raises ConfigError: E201 nothing is configured, E202 the URL is wrong, E203 the environment's variable is not
        set, E205 two variables contradict each other, E207 the file with the URL cannot be read.
        """
        return self.chosen or self.completed(self._located())

    def completed(self, found: Dsn) -> Dsn:
        """With what libpq would add, and through a pooler if that is allowed, as `target` is."""
        known = found.through_pooler() if self.allow_pooler else found
        return known if known.embedded is not None else self._asking(self._sources.completed(known))

    def target_if_configured(self) -> Dsn | None:
        """As `target`; None where nothing is configured, for commands that can do without a database."""
        try:
            return self.target()
        except ConfigError as exc:
            if exc.code != "E201":
                raise
            return None

    def scratch(self) -> Dsn | None:
        """The server for scratch databases, if one is configured. Raises ConfigError as `target`."""
        named = map(self._sources.url, ("DBMIGRATE_SCRATCH_URL", VARIABLES["DBMIGRATE_SCRATCH_URL"].twin))
        value = self._scratch_url or next(filter(None, named), None)
        return self._sources.completed(dsn.parse(value.text, origin=value.origin)) if value else None

    def clone(self, url: str) -> Dsn:
        """The database that ``--on`` names, complete as `target` is. Raises ConfigError E202."""
        found = dsn.parse(url, driver=self.driver, origin="--on")
        return found if found.embedded is not None else self._sources.completed(found)

    @property
    def origin(self) -> str:
        """Where the target is from: ``--url``, ``DATABASE_URL (environment)``, ``.env:3``. Raises as `target`."""
        value = self._url_value()
        if value is not None:
            return value.origin
        return "DB_* variables" if self._sources.db_variables() else "PG* variables"

    @property
    def parts(self) -> tuple[Part, ...]:
        """The parts of the target's URL, each with its origin. Raises as `target`."""
        from dbmigrate.settings.provenance import parts

        return tuple(parts(self._located(), self._url_value(), self._sources, self.target()))

    @property
    def env_files(self) -> tuple[str, ...]:
        """The env files that were read."""
        return self._sources.files.found

    @property
    def is_protected(self) -> bool:
        """Whether changes need a confirmation; see `protection`."""
        return self.protection is not None

    @property
    def protection(self) -> Protection | None:
        """Why changes need a confirmation: the environment is protected, or its database is that of a protected one.

        ``--url`` does not change that, if the environment is named as well. Without a target nothing is protected.
        """
        if self.environment is not None and canonical(self.environment) in self.protected:
            return Protection(self.environment)
        try:
            return self.protection_of(self.target())
        except ConfigError:
            return None

    def protection_of(self, found: dsn.Dsn) -> Protection | None:
        """The protected environment whose database is `found`, as far as names can tell."""
        return protection_of(found, self._sources, self.protected, self.driver)

    @property
    def target_environment(self) -> str | None:
        """The environment by which files with ``env`` are chosen: what was named; else the protected one whose database
        this is; else ``env-default`` of the project file. ``-e DATABASE_URL`` names none."""
        if self.environment is not None and self.environment != "DATABASE_URL":
            return canonical(self.environment)
        protection = self.protection
        return protection.environment if protection else self.project.env_default

    @property
    def max_blocked(self) -> float | None:
        """How long others may wait, in seconds; None: for ever. What the project file says of the target's environment
        wins over its key at the top. Raises ConfigError E205."""
        general = self.project.values.get("DBMIGRATE_MAX_BLOCKED")
        found = self._max_blocked
        if self.origins["DBMIGRATE_MAX_BLOCKED"] in ("default", general.origin if general else ""):
            own = self.project.max_blocked.get(self.target_environment or "") if self.project.max_blocked else None
            found = durations.duration(own.text, f"{own.key} ({own.origin})") if own else found
        return found or None

    @property
    def is_strict(self) -> bool:
        """`strict`; without a setting, whether the target is protected."""
        return self.strict or (self.origins["DBMIGRATE_STRICT"] == "default" and self.is_protected)

    @property
    def required(self) -> Requirement | None:
        """The environment in which the project file wants everything to be applied first."""
        protection = self.protection
        mine = canonical(protection.environment if protection else self.environment or "")
        return next((found for name, found in self.project.required.items() if canonical(name) == mine), None)

    @property
    def variables(self) -> Variables:
        """The values of variables in migrations: from the environment and env files, then from the project file."""
        from dbmigrate.variables import Given, Variables, environment_name

        def find(name: str) -> Given | None:
            value, given = self._sources.find(environment_name(name)), self.project.variables.get(name)
            if value is not None:
                return Given(value.text, value.name)
            return None if given is None or given.value is None else Given(given.value, given.origin)

        stand_ins = {
            name: Given(given.check, given.origin, is_made_up=True)
            for name, given in self.project.variables.items()
            if given.check is not None
        }
        return Variables(find, stand_ins)

    @property
    def values(self) -> tuple[str, ...]:
        """The values of all variables that could be in migrations, to hide them."""
        from dbmigrate.variables import PREFIX

        names = (name for name in self._sources.names() if name.startswith(PREFIX))
        found = [value.text for name in names if (value := self._sources.find(name))]
        return (*found, *(each.value for each in self.project.variables.values() if each.value))

    def environments(self) -> tuple[str, ...]:
        """Names for ``-e`` that have a database: ``STAGING_DATABASE_URL`` makes ``staging``."""
        scratch = VARIABLES["DBMIGRATE_SCRATCH_URL"].twin
        found = ((name_of(name), name) for name in self._sources.names() if not name.startswith(scratch))
        return tuple(sorted({name for name, variable in found if name and self._sources.find(variable)}))

    def _located(self) -> Dsn:
        value = self._url_value()
        if value is not None:
            return dsn.parse(value.text, driver=self.driver, origin=value.origin)
        variables = self._sources.db_variables()
        return dsn.from_keywords(variables, origin="the DB_* variables") if variables else Dsn({})

    def _asking(self, found: Dsn) -> Dsn:
        """`found` with the command for its password, where there is one."""
        value = self._password_command
        if not (value.text or self.project.password_commands):
            return found
        from dbmigrate.settings import password

        return password.asking(found, value, self.project, self.environ, self.environment)

    def _url_value(self) -> Value | None:
        """The URL in effect; None if ``DB_*`` or ``PG*`` replace it."""
        if self._url is not None:
            return Value(self._url, "--url", "--url")
        if self.environment is not None:
            return self._url_of(self.environment)
        value = self._sources.url("DATABASE_URL")
        if value is None and not self._sources.db_variables() and not self._sources.has_libpq_place():
            raise ConfigError(
                "invalid url, have you set your --url flag or DATABASE_URL environment variable?",
                code="E201",
                hint=f"{self._known()}set DATABASE_URL=postgres://user@host/name{self._in_which_file()}"
                f"{'' if self.environments() else '; embedded: is a server of its own, `dbmigrate demo` shows one'}",
            )
        return value

    def _url_of(self, environment: str) -> Value:
        name = variable_of(environment)
        value = self._sources.url(name)
        if value is None:
            raise ConfigError(f"{name} is not set{self._looked_in()}", code="E203", hint=self._unset_hint(name))
        return value

    def _looked_in(self) -> str:
        files = self._sources.files
        missing = f"; {' and '.join(files.missing)} not found" if files.missing else ""
        return f" (looked in {' and '.join(('the environment', *files.found))}{missing})"

    def _in_which_file(self) -> str:
        return f" in the environment or in {(*self._sources.files.found, *self._sources.files.missing, *ENV_FILES)[0]}"

    def _known(self) -> str:
        known = " or ".join(f"-e {known}" for known in self.environments())
        return f"name an environment: {known}; or " if known else ""

    def _unset_hint(self, name: str) -> str:
        known = ", ".join(f"-e {known}" for known in self.environments())
        return (
            f"set {name}, or choose one of: {known}"
            if known
            else f"set {name}=postgres://user@host/name{self._in_which_file()}"
        )


def load(flags: Flags, environ: Mapping[str, str], cwd: str) -> Settings:
    """Read the env files and all settings but the target, which `Settings.target` reads.

    Raises ConfigError: E204 for a line of an env file, E205 for an invalid value, E207 for an unreadable file, E253
    to E256, E269, E272 for the project file, E268 for an unknown service.
    """
    # not os.environ itself, which decodes every name again whenever they are looked through
    sources = Sources(dict(environ), env_file.read(tuple(flags.env_files) or ENV_FILES, cwd=cwd), cwd)
    project = project_file.read(cwd)
    choice = Choice(sources, project)
    protected = protected_names(choice)
    services, service = _services(choice, project, cwd), _service(choice, flags.service, project)
    return Settings(
        migrations_dirs=directories(choice, flags.migrations_dirs),
        version_order=order(choice, flags.version_order),
        migrations_table=table(choice, flags.migrations_table),
        schema_file=choice.text("DBMIGRATE_SCHEMA_FILE", flags.schema_file),
        seeds_dir=choice.text("DBMIGRATE_SEEDS_DIR", flags.seeds_dir),
        schema_versions=layout(choice),
        wait_timeout=choice.seconds("DBMIGRATE_WAIT_TIMEOUT", flags.wait_timeout),
        wait_interval=interval(choice, flags.wait_interval),
        lock_wait=choice.seconds("DBMIGRATE_LOCK_WAIT", flags.lock_wait),
        allow_pooler=choice.boolean("DBMIGRATE_ALLOW_POOLER", flag=flags.allow_pooler),
        lock_timeout=choice.optional_seconds("DBMIGRATE_LOCK_TIMEOUT", flags.lock_timeout),
        timeout=choice.optional_seconds("DBMIGRATE_TIMEOUT", flags.timeout),
        _max_blocked=choice.optional_seconds("DBMIGRATE_MAX_BLOCKED", flags.max_blocked),
        _password_command=choice.value("DBMIGRATE_PASSWORD_COMMAND", flags.password_command),
        dump_schema=not choice.boolean("DBMIGRATE_NO_DUMP_SCHEMA", flag=flags.no_dump_schema),
        lock_report=choice.boolean("DBMIGRATE_LOCK_REPORT", flag=None),
        template=choice.text("DBMIGRATE_TEMPLATE"),
        ticket_pattern=tickets(choice),
        wait=choice.boolean("DBMIGRATE_WAIT", flag=flags.wait),
        strict=_strict(choice, flags, protected),
        applies_in_run=choice.boolean("DBMIGRATE_AUTO", flag=None),
        verbose=choice.boolean("DBMIGRATE_VERBOSE", flag=flags.verbose),
        quiet=bool(flags.quiet),
        json=bool(flags.json),
        environment=environment(choice, flags.environment),
        service=service,
        services=services,
        protected=protected,
        driver=choice.text("DBMIGRATE_DRIVER", flags.driver),
        environ=_for_programs(sources),
        origins=choice.origins,
        project=project,
        watching=watching.read(choice, project, flags.metrics_file, flags.log_format),
        _sources=sources,
        _url=flags.url,
        _scratch_url=Value(flags.scratch_url, "--scratch-url", "--scratch-url") if flags.scratch_url else None,
    )


def _services(choice: Choice, project: Project, cwd: str) -> tuple[Service, ...]:
    """What may share the database: nothing where the project has no services."""
    if not project.services:
        return ()
    from dbmigrate.services import Service
    from dbmigrate.settings import service_choice

    own = Service("", directories(choice, ()), table(choice, None), choice.text("DBMIGRATE_SCHEMA_FILE"))
    return service_choice.in_database(project.services, own, cwd)


def _service(choice: Choice, flag: str | None, project: Project) -> Service | None:
    """The chosen one; few projects have any."""
    if choice.value("DBMIGRATE_SERVICE", flag).origin == "default":
        return None
    from dbmigrate.settings import service_choice

    return service_choice.choose(choice, flag, project)


def _strict(choice: Choice, flags: Flags, protected: frozenset[str]) -> bool:
    """The setting; without one, protected environments are strict."""
    asked = choice.boolean("DBMIGRATE_STRICT", flag=flags.strict)
    if choice.origins["DBMIGRATE_STRICT"] != "default":
        return asked
    return canonical(environment(choice, flags.environment) or "") in protected


def _for_programs(sources: Sources) -> dict[str, str]:
    """The environment for children. PGSERVICE would win over the variables that `Dsn.environment` sets."""
    inherited = {name: value for name, value in sources.environ.items() if name != "PGSERVICE"}
    return inherited | {name: value.text for name in _FOR_PROGRAMS if (value := sources.find(name))}
