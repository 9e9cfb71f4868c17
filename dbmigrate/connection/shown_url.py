"""The URL of a database, whatever its parts were given as: for people without its secrets, for programs with them."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from dbmigrate.connection.libpq_keywords import is_secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dbmigrate.connection.dsn import Dsn

__all__ = ["for_programs", "for_psql", "masked"]

_MASK = "********"
_IN_PLACE = ("host", "port", "user", "password", "dbname")


def masked(dsn: Dsn) -> str:
    """``postgres://app:********@db:5432/shop?sslmode=require&search_path=app``"""
    if dsn.embedded is not None:
        return dsn.display
    has_password = bool(dsn.conninfo.get("password") or dsn.password_command)
    given = {**dsn.conninfo, **dsn.settings}
    shown = {key: _MASK if is_secret(key) else value for key, value in given.items() if key not in _IN_PLACE}
    return _url(dsn, f":{_MASK}" if has_password else "", shown)


def for_psql(dsn: Dsn) -> str:
    """The same for psql to read: it asks for the password. Settings stand in ``options``, where libpq takes them."""
    others = {key: value for key, value in dsn.conninfo.items() if key not in _IN_PLACE and not is_secret(key)}
    secret_or_refused = [name for name in dsn.settings if dsn.allows_pooler or is_secret(name)]
    options = dsn.without_settings(secret_or_refused).libpq_options
    return _url(dsn, "", {**others, **({"options": options} if options else {})})


def for_programs(dsn: Dsn) -> str:
    """``postgresql://``, as SQLAlchemy, asyncpg and libpq read it, with the password. Not for people, nor logs."""
    others = {key: value for key, value in dsn.conninfo.items() if key not in _IN_PLACE}
    password = dsn.conninfo.get("password")
    options = dsn.libpq_options
    given = {**others, **({"options": options} if options else {})}
    return _url(dsn, f":{quote(password, safe='')}" if password else "", given).replace("postgres", "postgresql", 1)


def _url(dsn: Dsn, password: str, parameters: Mapping[str, str]) -> str:
    hosts = (dsn.conninfo.get("host") or "").split(",")
    ports = (dsn.conninfo.get("port") or "").split(",")
    login = f"{quote(dsn.user, safe='')}{password}@"
    if any(host.startswith("/") for host in hosts):
        parameters = {"host": ",".join(hosts), "port": ",".join(ports), **parameters}
        places = ""
    else:
        places = ",".join(_place(host, ports, number) for number, host in enumerate(hosts))
    query = "&".join(f"{key}={quote(value, safe='/:,*')}" for key, value in parameters.items() if value)
    return f"postgres://{login}{places}/{quote(dsn.database, safe='')}" + (f"?{query}" if query else "")


def _place(host: str, ports: list[str], number: int) -> str:
    port = ports[0] if len(ports) == 1 else ports[number] if number < len(ports) else ""
    return (f"[{host}]" if ":" in host else quote(host, safe="")) + f":{port or '5432'}"
