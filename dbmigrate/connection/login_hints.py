"""What to do about a failed login, by the text of the message: libpq has no codes for it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container

_HINTS = {
    "password authentication failed": "check user and password in the URL; percent-encode special characters",
    "no password supplied": "put a password in the URL, PGPASSWORD or ~/.pgpass, or name a --password-command",
    "Connection refused": "is the server running, and is the port right? `dbmigrate wait` waits for it",
    "could not translate host name": "check the host name in the URL; percent-encode special characters",
    "server does not support SSL": "add ?sslmode=disable to the URL if the connection may be unencrypted",
    "no pg_hba.conf entry": "the server's pg_hba.conf does not let this user connect from here",
    "remaining connection slots": "the server has no connection left; try again later",
    "too many clients": "the server has no connection left; try again later",
    "starting up": "the server is starting; `dbmigrate wait` waits for it",
}
# of the server, and of PgBouncer: https://github.com/pgbouncer/pgbouncer/blob/master/src/client.c
_REFUSED_SETTING = re.compile(
    r"(?:unrecognized configuration parameter|invalid value for parameter|permission denied to set parameter|parameter)"
    r' "([^"]+)"|unsupported startup parameter(?: in options)?: (\S+)'
)
_NOT_PASSED_ON = (
    "are not passed on by a pooler: use the server's direct URL, or remove them, or pass --allow-pooler, which sets"
    " them in each transaction"
)


def hint(message: str, settings: Container[str], password_from: str | None = None) -> str | None:
    """What to do; `settings` are the names of the settings in the database URL, `password_from` names a command."""
    if password_from and "password authentication failed" in message:
        return f"the password is what {password_from} printed: check the command, and the user in the URL"
    known = (text for fragment, text in _HINTS.items() if fragment in message)
    return _of_setting(message, settings) or next(known, None)


def _of_setting(message: str, settings: Container[str]) -> str | None:
    """For a setting that was refused at the login: it came from the URL, and what to write there."""
    found = _REFUSED_SETTING.search(message)
    name = (found[1] or found[2]).lower() if found else ""
    if name == "options":  # PgBouncer before 1.20 names no setting
        return f"the settings in the database URL (or PGOPTIONS) {_NOT_PASSED_ON}"
    if name not in settings:
        return None
    if found and found[2]:
        return f"{name} is from the database URL; settings there {_NOT_PASSED_ON}"
    return (
        f"{name} is from the database URL (or PGOPTIONS): a parameter that libpq does not know is a setting of"
        " the server, such as lock_timeout=3s; correct it, or remove it"
    )
