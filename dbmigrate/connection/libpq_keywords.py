"""The words that libpq knows for a connection, and their environment variables.

https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
https://www.postgresql.org/docs/current/libpq-envars.html
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["KEYWORDS", "SECRETS", "SETTING_VARIABLES", "VARIABLES", "WITHOUT_VARIABLE", "foreign", "is_secret"]

# libpq 18's keywords and the environment variables that mean the same (PQconndefaults)
VARIABLES: Mapping[str, str] = {
    "host": "PGHOST",
    "hostaddr": "PGHOSTADDR",
    "port": "PGPORT",
    "dbname": "PGDATABASE",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "passfile": "PGPASSFILE",
    "service": "PGSERVICE",
    "options": "PGOPTIONS",
    "application_name": "PGAPPNAME",
    "client_encoding": "PGCLIENTENCODING",
    "connect_timeout": "PGCONNECT_TIMEOUT",
    "channel_binding": "PGCHANNELBINDING",
    "require_auth": "PGREQUIREAUTH",
    "requirepeer": "PGREQUIREPEER",
    "sslmode": "PGSSLMODE",
    "sslnegotiation": "PGSSLNEGOTIATION",
    "sslcompression": "PGSSLCOMPRESSION",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "sslcertmode": "PGSSLCERTMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcrl": "PGSSLCRL",
    "sslcrldir": "PGSSLCRLDIR",
    "sslsni": "PGSSLSNI",
    "ssl_min_protocol_version": "PGSSLMINPROTOCOLVERSION",
    "ssl_max_protocol_version": "PGSSLMAXPROTOCOLVERSION",
    "min_protocol_version": "PGMINPROTOCOLVERSION",
    "max_protocol_version": "PGMAXPROTOCOLVERSION",
    "gssencmode": "PGGSSENCMODE",
    "gssdelegation": "PGGSSDELEGATION",
    "gsslib": "PGGSSLIB",
    "krbsrvname": "PGKRBSRVNAME",
    "target_session_attrs": "PGTARGETSESSIONATTRS",
    "load_balance_hosts": "PGLOADBALANCEHOSTS",
}
# Keywords without a variable: a program that is started with `Dsn.environment` does not get them
WITHOUT_VARIABLE = frozenset(
    {
        "fallback_application_name",
        "keepalives",
        "keepalives_count",
        "keepalives_idle",
        "keepalives_interval",
        "oauth_client_id",
        "oauth_client_secret",
        "oauth_issuer",
        "oauth_scope",
        "replication",
        "scram_client_key",
        "scram_server_key",
        "sslkeylogfile",
        "sslpassword",
        "tcp_user_timeout",
    }
)
KEYWORDS = frozenset(VARIABLES) | WITHOUT_VARIABLE
# libpq sends these as settings of the session
SETTING_VARIABLES = {"PGTZ": "timezone", "PGDATESTYLE": "datestyle", "PGGEQO": "geqo"}
SECRETS = ("password", "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key")

_SECRET = re.compile(r"secret|token|passw|api_?key|credential", re.IGNORECASE)


def is_secret(name: str) -> bool:
    """Whether the value of a keyword, or of a setting by its name (``app.jwt_secret``), is not for everybody."""
    return name in SECRETS or bool(_SECRET.search(name))


# ------------------------------------------------------------------------------------------------- of other programs

_POOL = "leave it out: it is for the connection pool of an application"
_STATEMENTS = "leave it out: it is for a driver that keeps prepared statements"
_POOLER = (
    "leave it out, and use the server's direct URL, or pass --allow-pooler; to libpq and the server it means nothing"
)
_PATH = "write search_path=NAME instead"
_SSL = "write sslmode=require (encrypted), disable (not), or verify-full with sslrootcert=FILE instead"
_SECONDS = "write connect_timeout=SECONDS instead"
# Parameters that URLs made for Prisma, Supabase, node-postgres, JDBC, SQLAlchemy, Rails, Django, pgx, asyncpg or
# golang-migrate hold,
# and that neither libpq nor a server knows; what to write instead
_FOREIGN: Mapping[str, str] = {
    **dict.fromkeys(("connection_limit", "pool_timeout", "pool", "pool_size", "max_overflow", "pool_pre_ping"), _POOL),
    **dict.fromkeys(
        ("pool_recycle", "pool_max_conns", "pool_min_conns", "conn_max_age", "max", "reaping_frequency"), _POOL
    ),
    **dict.fromkeys(("min_size", "max_size", "checkout_timeout", "idle_timeout", "single_use_connections"), _POOL),
    **dict.fromkeys(("pgbouncer", "supa", "workaround"), _POOLER),
    **dict.fromkeys(("schema", "currentschema", "schema_search_path"), _PATH),
    **dict.fromkeys(("ssl", "sslaccept", "sslfactory", "sslhostnameverifier", "uselibpqcompat", "sslidentity"), _SSL),
    **dict.fromkeys(("logintimeout", "connecttimeout", "timeout", "command_timeout"), _SECONDS),
    **dict.fromkeys(("statement_cache_size", "prepared_statement_cache_size", "prepared_statements"), _STATEMENTS),
    **dict.fromkeys(
        ("preparethreshold", "preferquerymode", "statement_cache_capacity", "statement_limit"), _STATEMENTS
    ),
    **dict.fromkeys(("default_query_exec_mode", "rewritebatchedinserts", "stringtype"), _STATEMENTS),
    "sockettimeout": "write tcp_user_timeout=MILLISECONDS instead",
    "socket_timeout": "write tcp_user_timeout=MILLISECONDS instead",
    "tcpkeepalive": "write keepalives=1 instead",
    "targetservertype": "write target_session_attrs=primary instead",
    "applicationname": "write application_name=NAME instead",
    "encoding": "leave it out: migrations are always UTF-8",
    "charset": "leave it out: migrations are always UTF-8",
    "unicode": "leave it out: migrations are always UTF-8",
    "advisory_locks": "leave it out: dbmigrate always takes a lock",
    "x-migrations-table": "leave it out: see --migrations-table",
    "x-multi-statement": "leave it out: a file may always hold several statements",
    "x-statement-timeout": "write statement_timeout=MILLISECONDS instead",
}
_SSLMODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")


def foreign(name: str, value: str) -> str | None:
    """What to write instead of a URL's parameter that is for another program; None for other parameters."""
    if name == "sslmode" and value and value not in _SSLMODES:
        return f"{_SSL} (libpq knows {', '.join(_SSLMODES)})"
    return _FOREIGN.get(name.lower())
