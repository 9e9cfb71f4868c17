"""The text of a new project file: every key with what it means, commented out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from dbmigrate.settings.variables import VARIABLES, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dbmigrate.settings.variables import Variable

__all__ = ["project_file", "project_line"]

_HEAD = """\
# Settings of dbmigrate that are the same for everybody in this project. Every key is optional.
# Options and environment variables win over this file. Where the database is does not belong in it: see .env.example.
# `dbmigrate explain CODE` explains an error in it.
"""
_DEFAULTS = "# ---- with their defaults\n"
_EXAMPLES = "# ---- without a default: examples\n"
# keys whose absence means something that no value says
_EXAMPLE_VALUES = {
    "password-command": "vault kv get -field=password secret/shop",
    "lock-timeout": "3s",
    "timeout": "30m",
    "max-blocked": "5s",
    "metrics-file": "/var/lib/node_exporter/textfile/shop.prom",
    "slow-after": "5m",
    "template": "header",
    "ticket-pattern": "[A-Z]+-[0-9]+",
}
_TABLES = """\
# ---- environments

# the environment of a run that names none, for files with `-- migrate:env`; it chooses no database
# env-default = "dev"

# [environments]
# order = ["dev", "staging", "production"]   # of the columns of `status --all`

# [environments.production]
# require-applied-in = "staging"             # apply only what is applied there
# max-blocked = "5s"                         # wins over max-blocked above
# window = "Sat 02:00-04:00 UTC"             # outside of it nothing is run

# ---- `lint`

# [lint]
# disable = ["L143"]                         # rules that are off; `dbmigrate explain` lists them
# enable = ["L171"]                          # optional rules that are on
# severity = { L101 = "error" }              # note, warning or error
# squawk = true                              # run squawk beside dbmigrate's own rules
# pg-version = 13                            # the oldest server that the migrations have to run on

# ---- `deploy`

# [deploy]
# backup = "backups"                         # the directory of backups; false for none
# health-url = ["https://shop.example.com/health"]
# health-header = ["X-Probe: deploy"]
# health-command = "./smoke-test.sh"
# health-retries = 5
# health-interval = "2s"
# on-failure = "rollback"                    # or "keep"

# ---- several services in one database: `--service NAME` chooses one

# [service.users]
# dir = "users/migrations"                   # the only key that is needed
# migrations-table = "users_schema_migrations"
# schema-file = "users/schema.sql"
# owner = "team accounts"
# notes = "PostgreSQL only"

# ---- notices of runs, to Slack, Teams or as signed JSON

# [notify]
# url-env = "SLACK_WEBHOOK_URL"              # the name of a variable: the URL is a secret
# secret-env = "NOTIFY_SECRET"               # for signed JSON
# format = "slack"                           # or "teams", "json"; by default what the host of the URL takes
# on = ["failed", "rolled-back", "slow"]     # by default all

# ---- values of variables in migrations that declare them with `-- migrate:vars`

# [vars]
# schema = "app"
# owner = { value = "app_owner", check = "app" }   # `check` stands in on scratch databases
"""


def project_file(given: Mapping[str, str]) -> str:
    """The text; the keys of `given` are set, the others stay comments. They come first: tables end what is above."""
    keyed = {variable.key: variable for variable in VARIABLES.values() if variable.key}
    usual = [key for key in keyed if key not in _EXAMPLE_VALUES]
    parts = [_HEAD, _DEFAULTS, *_keys(usual, keyed, given), _EXAMPLES, *_keys(list(_EXAMPLE_VALUES), keyed, given)]
    return "\n".join((*parts, _TABLES))


def project_line(variable: Variable, value: str) -> str:
    """The line that gives the key of a variable its value."""
    return f"{variable.key} = {_toml(value, variable.kind)}"


def _keys(names: list[str], keyed: Mapping[str, Variable], given: Mapping[str, str]) -> Iterator[str]:
    for name in names:
        variable = keyed[name]
        value = _EXAMPLE_VALUES.get(name, variable.default)
        line = project_line(variable, given.get(name, value))
        yield f"# {_purpose(variable)}\n{line if name in given else f'# {line}'}\n"


def _purpose(variable: Variable) -> str:
    """The purpose of a key; a negated one has its variable's where it is false."""
    if variable.kind is Kind.NEGATION:
        return f"false: {variable.purpose}"
    return variable.purpose.replace(", separated by commas", "")


def _toml(value: str, kind: Kind) -> str:
    if kind is Kind.BOOLEAN:
        return value
    if kind is Kind.NEGATION:
        return "true" if value == "false" else "false"
    if kind is Kind.LIST:
        return "[" + ", ".join(_text(each) for each in value.split(",")) + "]"
    return _text(value)


def _text(value: str) -> str:
    """A string of JSON is one of TOML."""
    return json.dumps(value, ensure_ascii=False)
