"""Where a database is: a URL, a key/value string, ``DB_*`` or ``PG*`` variables as one value.

A URL means what it means to psql (https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING), and:

- ``socket=DIR`` is ``host=DIR``, a scheme may be ``redshift`` or ``spanner-postgres``, options that only Go's driver
  knows are ignored (dbmate);
- any parameter that libpq does not know is a server setting: ``?lock_timeout=3s&search_path=app`` (dbmate);
- ``embedded:DIR`` is the PostgreSQL that dbmigrate runs itself.

libpq never sees a malformed URL, because its messages quote them with the password. Errors of this module quote nothing
but a scheme.
"""

from __future__ import annotations

import os
import pwd
import re
from dataclasses import field, replace
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from dbmigrate.connection import redaction
from dbmigrate.connection.libpq_keywords import KEYWORDS, SECRETS, SETTING_VARIABLES, VARIABLES, foreign
from dbmigrate.errors import ConfigError
from dbmigrate.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping

    from dbmigrate.connection.password_command import PasswordCommand

__all__ = ["DRIVERS", "Dsn", "from_keywords", "parse"]

DRIVERS = {"postgres": "", "postgresql": "", "redshift": "5439", "spanner-postgres": ""}  # and their default ports
DEFAULT_DIRECTORY = ".dbmigrate/postgres"
DEFAULT_DATABASE = "app"
SOCKET_DIRECTORY = "/var/run/postgresql" if os.uname().sysname == "Linux" else "/tmp"  # dbmate's

_GO_ONLY = frozenset(("binary_parameters", "disable_prepared_binary_result", "krbspn", "sslinline"))
_SENTENCE = "invalid url, have you set your --url flag or DATABASE_URL environment variable?"  # dbmate's
_PERCENT = (
    "percent-encode special characters in the user name, the password and the database name:"
    " @ is %40, / is %2F, : is %3A, # is %23, ? is %3F, % is %25, a space is %20"
)
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_KEY_VALUE = re.compile(r"\s*([A-Za-z_]\w*)\s*=\s*(?:'((?:[^'\\]|\\.)*)'|((?!')(?:[^\s\\]|\\.)*))", re.DOTALL)
_HOST = re.compile(r"(?:\[([^\[\]]+)\]|([^\[\]:]*))(?::([0-9]*))?")
_PORTS = re.compile(r"[0-9]{1,5}")
_SETTING_NAME = re.compile(r"[A-Za-z_][\w$]*(\.[A-Za-z_][\w$]*)*")
_OPTION_WORD = re.compile(r"(?:[^\s\\]|\\.)+", re.DOTALL)
_NAME_OF_PATH = re.compile(r'\s*(?:"((?:[^"]|"")+)"|([^\s,"][^\s,]*))\s*(,|\Z)')


@frozen
class Dsn:
    """A database and how to reach it.

    `conninfo` holds libpq's keywords, `settings` server settings by lower-case name, `options` further words for the
    server's command line (libpq's ``options``). `embedded` is the data directory of an embedded server:
    then there is no server to connect to before `served_by`. `secrets` are all spellings of passwords.
    `allows_pooler`: the server may be behind a transaction pooler. `values` are those of a migration's variables.
    """

    conninfo: Mapping[str, str]
    settings: Mapping[str, str] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    embedded: str | None = None
    allows_pooler: bool = False
    values: tuple[str, ...] = ()
    password_command: PasswordCommand | None = None  # what it prints wins over a password in `conninfo`

    def __repr__(self) -> str:
        return f"<Dsn {self.display}>"

    @property
    def user(self) -> str:
        """The role: as given, otherwise the user of this process, as in libpq."""
        return self.conninfo.get("user") or _system_user()

    @property
    def database(self) -> str:
        """The name of the database: as given, otherwise that of the role, as in libpq."""
        return self.conninfo.get("dbname") or self.user

    @property
    def display(self) -> str:
        """``user@host:port/database`` for people: no secrets, no control characters."""
        if self.embedded is not None:
            return _printable(f"embedded:{self.embedded}?dbname={self.database}")
        return _printable(f"{self.user}@{self._places()}/{self.database}")

    def _places(self) -> str:
        """Host and port of every server: ``db:5432``, ``/run/postgresql:5432``, ``[::1]:5432``, ``a:1,b:2``."""
        if "service" in self.conninfo and "host" not in self.conninfo:
            return f"service {self.conninfo['service']}"
        hosts = (self.conninfo.get("host") or "").split(",")
        addresses = (self.conninfo.get("hostaddr") or "").split(",")
        ports = (self.conninfo.get("port") or "").split(",")
        places = []
        for number in range(max(len(hosts), len(addresses))):
            host, address = _nth(hosts, number), _nth(addresses, number)
            port = (ports[0] if len(ports) == 1 else _nth(ports, number)) or "5432"
            places.append(f"{_place(host, address)}:{port}")
        return ",".join(places)

    @property
    def search_path(self) -> tuple[str, ...]:
        """The schemas of the ``search_path`` setting, split as PostgreSQL does it.

        Quoted names keep their case and lose their quotes, others are folded to lower case. (dbmate splits at commas
        and does neither, so that it makes its table in a schema that the session does not look into.)
        """
        return _split_path(self.settings.get("search_path", "")) or ()

    def with_database(self, name: str) -> Dsn:
        """The same server and role, another database."""
        return replace(self, conninfo={**self.conninfo, "dbname": name})

    def without_settings(self, names: Container[str]) -> Dsn:
        """The same database, without the server settings of these names."""
        kept = {name: value for name, value in self.settings.items() if name not in names}
        return replace(self, settings=kept)

    def through_pooler(self) -> Dsn:
        """The same, used through a transaction pooler: nothing outlives a transaction."""
        return replace(self, allows_pooler=True)

    def patient(self, seconds: int) -> Dsn:
        """The same, waiting `seconds` for each server to answer, unless it has a connect_timeout."""
        return replace(self, conninfo={"connect_timeout": str(seconds), **self.conninfo})

    def served_by(self, conninfo: Mapping[str, str]) -> Dsn:
        """An embedded server's Dsn once that server runs at `conninfo`; the settings stay."""
        # a PGHOSTADDR of the environment would lead to another server
        conninfo = {**self.conninfo, "hostaddr": "", **conninfo}
        return replace(self, conninfo=conninfo, embedded=None, password_command=None)

    def completed(self, environ: Mapping[str, str], *, service: Mapping[str, str] | None = None) -> Dsn:
        """With all values that libpq would add: from `service` (a section of pg_service.conf), then from ``PG*``.

        The result no longer depends on the environment of the process. ``PGOPTIONS`` is kept beside the settings of the
        URL, which win. When a service is named and `service` is None, only libpq can find it, and only its name is
        added.
        """
        name = self.conninfo.get("service") or environ.get("PGSERVICE")
        if name and service is None:
            return replace(self, conninfo={**self.conninfo, "service": name})
        variables = {keyword: environ.get(variable, "") for keyword, variable in VARIABLES.items()}
        sent = {setting: environ.get(variable, "") for variable, setting in SETTING_VARIABLES.items()}
        given = {**_filled(sent), **_filled(variables), **(service or {}), **self.conninfo}
        filled = from_keywords(given, origin="the PG* variables")
        conninfo = {key: value for key, value in filled.conninfo.items() if key != "service"}
        if not conninfo.keys() & {"host", "hostaddr"}:
            conninfo["host"] = SOCKET_DIRECTORY
        return replace(
            self,
            conninfo=conninfo,
            settings={**filled.settings, **self.settings},
            options=filled.options + self.options,
            secrets=_longest_first({*self.secrets, *filled.secrets}),
        )

    def conninfo_for_connect(self, application_name: str) -> dict[str, str]:
        """Keyword arguments for ``psycopg.connect``. The client encoding is always UTF-8.

        `application_name` is what the session is called unless the user chose a name. Raises ConfigError E202 for an
        embedded server that does not run yet.
        """
        if self.embedded is not None:
            raise ConfigError(f"{self.display} has not been started", code="E202", hint="use its Dsn.served_by")
        options = self.libpq_options
        return {
            "application_name": application_name,
            **self._login(),
            "client_encoding": "UTF8",
            **({"options": options} if options else {}),
        }

    def environment(self) -> dict[str, str]:
        """``PG*`` variables for a program that uses libpq, so that no password stands on its command line.

        Add them to an environment without PGSERVICE, which would win over these variables. Keywords that have no
        variable (`libpq_keywords.WITHOUT_VARIABLE`) cannot be passed on: the passphrase of a client key, keepalives,
        OAuth. All settings of the URL are in PGOPTIONS, as psql needs them; `schema.dump.environment` is for pg_dump.
        """
        variables = {VARIABLES[key]: value for key, value in self._login().items() if key in VARIABLES}
        options = self.libpq_options
        return {**variables, "PGCLIENTENCODING": "UTF8", **({"PGOPTIONS": options} if options else {})}

    def _login(self) -> Mapping[str, str]:
        """`conninfo`, with the password of the command. Raises ConfigError E224, E225."""
        return {**self.conninfo, **({"password": self.password_command.password()} if self.password_command else {})}

    @property
    def libpq_options(self) -> str:
        """libpq's ``options``: all settings, and further words."""
        words = [*self.options, *(word for pair in self.settings.items() for word in ("-c", "=".join(pair)))]
        return " ".join(re.sub(r"([\\\s])", r"\\\1", word) for word in words)

    def redact(self, text: str) -> str:
        """`text` with every spelling of the secrets, and whatever else looks like one, replaced by ``********``.

        A password that is also the name of the role, the database or a host is kept where it is a whole word: it looks
        like that name, and hiding it would reveal it.
        """
        public = {self.user, self.database, *(self.conninfo.get("host") or "").split(",")}
        asked = self.password_command.secrets if self.password_command else ()
        return redaction.redact(text, secrets=_longest_first({*self.secrets, *asked}), public=public)

    def hiding(self, values: Iterable[str]) -> Dsn:
        """The same database, with these `values` of variables masked in the texts of its server."""
        given = _longest_first(filter(None, values))
        return self if given == self.values else replace(self, values=given)

    def _hide(self, text: str) -> str:
        return redaction.without(self.redact(text), self.values) if self.values else self.redact(text)

    def quoted(self, text: str) -> str:
        """A text of the server as it is shown and logged: without secrets and `values`, and not too long."""
        return redaction.quoted(text, self._hide)


# ------------------------------------------------------------------------------------------------------------- parsing


def parse(url: str, *, driver: str = "", origin: str = "") -> Dsn:
    """Read a URL, a libpq key/value string (``host=db dbname=app``), or ``embedded:[DIR][?dbname=NAME]``.

    `driver` replaces the URL's scheme, as dbmate's ``--driver`` does. `origin` is where the URL is from, for errors.
    Raises ConfigError E202.
    """
    text = url.strip()
    if driver and driver not in DRIVERS:
        raise ConfigError(
            f"unsupported driver: {_printable(driver)}", code="E202", hint="use postgres, or omit --driver"
        )
    reader = _Reader(f" from {origin}" if origin else "")
    if "\0" in text:
        raise reader.fault("it contains a NUL character")
    if text.startswith("embedded:"):
        return reader.read_embedded(text.removeprefix("embedded:").removeprefix("//"))
    if _KEY_VALUE.match(text):
        reader.read_key_values(text)
    else:
        reader.read_url(text, driver)
    return reader.result()


def from_keywords(conninfo: Mapping[str, str], *, origin: str = "") -> Dsn:
    """A Dsn from libpq's keywords; other names are server settings. Empty values count as not given.

    Raises ConfigError E202.
    """
    reader = _Reader(f" from {origin}" if origin else "")
    for key, value in conninfo.items():
        reader.add(key, value)
    return reader.result()


class _Reader:
    """Collects the parts of a URL; its errors do not quote any of them."""

    def __init__(self, origin: str) -> None:
        self._origin = origin
        self._conninfo: dict[str, str] = {}
        self._settings: dict[str, str] = {}
        self._secrets: set[str] = set()

    def fault(self, reason: str, hint: str = _PERCENT) -> ConfigError:
        return ConfigError(f"invalid url{self._origin}: {reason}", code="E202", hint=hint)

    def result(self) -> Dsn:
        options, more = self._options(self._conninfo.pop("options", ""))
        for port in self._conninfo.get("port", "").split(","):
            if port and not (_PORTS.fullmatch(port) and 0 < int(port) < 65536):
                raise self.fault("the port is not a number from 1 to 65535")
        settings = {**more, **self._settings}
        if _split_path(settings.get("search_path", "")) is None:
            raise self.fault("search_path is not a list of names", 'separate names by commas, quote them with "')
        for name in SECRETS:
            self._note_secret(self._conninfo.get(name, ""))
        return Dsn(self._conninfo, settings, options, _longest_first(self._secrets))

    def read_embedded(self, text: str) -> Dsn:
        directory, _, query = text.partition("?")
        self.add("dbname", DEFAULT_DATABASE)
        self._read_query(query)
        return replace(self.result(), embedded=self._decoded(directory) or DEFAULT_DIRECTORY)

    def read_key_values(self, text: str) -> None:
        """libpq's rule: values in single quotes or without blanks, a backslash escapes."""
        position = 0
        while pair := _KEY_VALUE.match(text, position):
            key, quoted, bare = pair.groups()
            raw = bare if quoted is None else quoted
            if key in SECRETS:
                self._note_secret(raw)
            self.add(key, re.sub(r"\\(.)", r"\1", raw, flags=re.DOTALL))
            position = pair.end()
        if text[position:].strip():
            raise self.fault("it is not a list of key=value", "put values with blanks in single quotes")
        if not self._conninfo:  # probably something else with a =, such as DATABASE_URL=postgres://...
            raise ConfigError(_SENTENCE, code="E202", hint="the URL must start with postgres://")

    def read_url(self, text: str, driver: str) -> None:
        found = _SCHEME.fullmatch(text)
        if found is None:
            hint = "remove the quotes around it" if text[:1] in ("'", '"') else "the URL must start with postgres://"
            raise ConfigError(_SENTENCE, code="E202", hint=hint)
        scheme = found[1].lower()
        if scheme not in DRIVERS and not driver:
            raise ConfigError(f"unsupported driver: {scheme}", code="E202", hint="start the URL with postgres://")
        if re.search(r"\s", found[2]):
            raise self.fault("it contains a blank")
        self._read_hierarchy(found[2])
        if DRIVERS.get(scheme):
            self._conninfo.setdefault("port", DRIVERS[scheme])

    def _read_hierarchy(self, text: str) -> None:
        """``[user[:password]@][host[:port],...][/dbname][?query]``, cut as conninfo_uri_parse_options of libpq does."""
        login, at, rest = text.partition("@")
        if not at or "/" in login:
            login, rest = "", text
        authority, _, query = rest.partition("?")
        places, _, database = authority.partition("/")
        if "@" in authority:
            raise self.fault("unescaped @ in user or password", "write %40 for @ in the user name and the password")
        user, _, password = login.partition(":")
        self._note_secret(password)
        self.add("user", self._decoded(user))
        self.add("password", self._decoded(password))
        self._read_places(places)
        self.add("dbname", self._decoded(database))
        self._read_query(query)

    def _read_places(self, text: str) -> None:
        hosts, ports = [], []
        for place in text.split(","):
            found = _HOST.fullmatch(place)
            if found is None:
                raise self.fault("the host is wrong, or the port is not a number")
            hosts.append(self._decoded(found[1] or found[2]))
            ports.append(found[3] or "")
        self.add("host", ",".join(hosts))
        self.add("port", ",".join(ports))  # "," gives each the default port, whatever PGPORT is

    def _read_query(self, text: str) -> None:
        for pair in text.split("&"):
            name, equals, value = pair.partition("=")
            if pair and not equals:
                raise self.fault("a parameter has no =")
            key = self._decoded(name)
            if key in SECRETS:
                self._note_secret(value)
            if pair:
                self.add(key, self._decoded(value))

    def add(self, key: str, value: str) -> None:
        """One parameter, decoded. A later one wins; an empty one counts as not given, but for settings."""
        if key == "sslinline" and value == "true":
            raise self.fault("sslinline is not supported", "write key and certificates to files, and name these")
        if (key, value) == ("ssl", "true"):  # as libpq does for JDBC's URLs
            key, value = "sslmode", "require"
        if instead := foreign(key, value):
            # only known names get here, so no part of a password that was split wrongly
            what = "an sslmode" if key == "sslmode" else f"a parameter {key}"
            message = f"the database URL{self._origin} has {what} that PostgreSQL does not know"
            raise ConfigError(message, code="E280", hint=instead)
        key = {"socket": "host", "tz": "timezone", "TimeZone": "timezone"}.get(key, key)
        if key in KEYWORDS:
            self._conninfo.pop(key, None)
            self._conninfo |= {key: value} if value else {}
        elif key not in _GO_ONLY:
            self._add_setting(key, value)

    def _add_setting(self, name: str, value: str) -> None:
        if not _SETTING_NAME.fullmatch(name):
            raise self.fault("the name of a parameter is invalid")
        self._settings[name.lower()] = value

    def _options(self, text: str) -> tuple[tuple[str, ...], dict[str, str]]:
        """Split libpq's ``options`` as the server does (pg_split_opts): settings apart from other words."""
        words = [re.sub(r"\\(.)", r"\1", word, flags=re.DOTALL) for word in _OPTION_WORD.findall(text)]
        rest, settings = [], {}
        queue = iter(words)
        for word in queue:
            argument = next(queue, "") if word == "-c" else word[2:] if word.startswith(("-c", "--")) else None
            name, equals, value = (argument or "").partition("=")
            if argument is None or not equals:
                rest += [word] if word != "-c" else [word, name]
            else:
                settings[name.replace("-", "_").lower()] = value
        return tuple(rest), settings

    def _decoded(self, text: str) -> str:
        """Undo percent-encoding. A plus sign is a plus sign, as for libpq."""
        if re.search(r"%(?![0-9A-Fa-f]{2})", text):
            raise self.fault("a % is not followed by two hexadecimal digits")
        decoded = unquote_to_bytes(text).decode("utf-8", "surrogateescape")
        if "\0" in decoded or re.search("[\udc80-\udcff]", decoded):
            raise self.fault("it contains %00, or bytes that are not UTF-8")
        return decoded

    def _note_secret(self, raw: str) -> None:
        self._secrets |= redaction.spellings(raw) if raw else set()


def _split_path(text: str) -> tuple[str, ...] | None:
    """A list of names by PostgreSQL's rule (SplitIdentifierString), None if it is not one."""
    if not text.strip():
        return ()
    names, position, more = [], 0, True
    while more:
        found = _NAME_OF_PATH.match(text, position)
        if found is None:
            return None
        names.append(found[2].lower() if found[1] is None else found[1].replace('""', '"'))
        position, more = found.end(), found[3] == ","
    return tuple(names)


def _filled(values: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in values.items() if value}


def _nth(items: list[str], number: int) -> str:
    return items[number] if number < len(items) else ""


def _place(host: str, address: str) -> str:
    name = host or address or SOCKET_DIRECTORY
    shown = f"[{name}]" if ":" in name else name
    return f"{shown}({address})" if host and address else shown


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text)


def _system_user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:  # a container user without an entry in /etc/passwd
        return str(os.geteuid())


def _longest_first(secrets: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(secrets, key=lambda secret: (-len(secret), secret)))
