"""The linter's configuration: [tool.dbmigrate.lint]."""

from __future__ import annotations

import re
from dataclasses import field
from typing import TYPE_CHECKING

from dbmigrate.errors import WARNINGS, ConfigError
from dbmigrate.frozen import frozen
from dbmigrate.lint.registry import RULES
from dbmigrate.lint.squawk_rules import SQUAWK_RULES, Treatment
from dbmigrate.model import Severity

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["OLDEST_SERVER", "LintConfig", "is_known"]

OLDEST_SERVER = 13
_NEWEST_SERVER = 99
_SQUAWK_CODE = re.compile(r"squawk:[a-z][a-z0-9-]*").fullmatch
_KEYS = ("disable", "enable", "severity", "squawk", "pg-version")


@frozen
class LintConfig:
    """Which rules are on, how bad they are, and for which server.

    `disabled` and `enabled` are codes (``L101``, ``squawk:ban-char-field``); rules that are optional are off unless
    they are enabled. `severities` replaces the severity of a rule. `server` is the oldest major version of
    PostgreSQL that the migrations have to work on.
    """

    disabled: frozenset[str] = frozenset()
    enabled: frozenset[str] = frozenset()
    severities: Mapping[str, Severity] = field(default_factory=dict)
    uses_squawk: bool = True
    server: int = OLDEST_SERVER

    @classmethod
    def from_mapping(cls, table: Mapping[str, object], *, path: str = "[tool.dbmigrate.lint]") -> LintConfig:
        """The configuration in a table of the project file; messages name it by `path`.

        Its keys: ``disable`` and ``enable`` (lists of codes), ``severity`` (a table: code to note, warning or error),
        ``squawk`` (true or false), ``pg-version`` (13 or later). Raises ConfigError E250.
        """
        for key in table:
            if key not in _KEYS:
                raise _wrong(path, f"unknown key {key}", f"the keys are {', '.join(_KEYS)}")
        return cls(
            disabled=_codes(table.get("disable", []), f"{path}: disable"),
            enabled=_codes(table.get("enable", []), f"{path}: enable"),
            severities=_severities(table.get("severity", {}), f"{path}: severity"),
            uses_squawk=_truth(table.get("squawk", True), f"{path}: squawk"),
            server=_server(table.get("pg-version", OLDEST_SERVER), f"{path}: pg-version"),
        )

    def is_on(self, code: str) -> bool:
        if code in self.disabled:
            return False
        rule, foreign = RULES.get(code), SQUAWK_RULES.get(code.removeprefix("squawk:"))
        is_optional = (rule is not None and rule.is_optional) or (
            foreign is not None and foreign.treatment is Treatment.OPTIONAL
        )
        return not is_optional or code in self.enabled

    def severity_of(self, code: str, usual: Severity) -> Severity:
        return self.severities.get(code, usual)


def is_known(code: str) -> bool:
    """Whether there is such a rule. Every name is accepted after ``squawk:``: new versions of it have new rules."""
    return code in RULES or code in WARNINGS or _SQUAWK_CODE(code) is not None


def _codes(value: object, path: str) -> frozenset[str]:
    if not isinstance(value, list) or not all(isinstance(code, str) for code in value):
        raise _wrong(path, "must be a list of codes", 'for example ["L101", "squawk:ban-char-field"]')
    return frozenset(_code(code, path) for code in value)


def _code(code: str, path: str) -> str:
    if not is_known(code):
        raise _wrong(path, f"unknown rule {code}", "see `dbmigrate explain`")
    return code


def _severities(value: object, path: str) -> dict[str, Severity]:
    from collections.abc import Mapping

    if not isinstance(value, Mapping):
        raise _wrong(path, "must be a table", 'for example { L101 = "error" }')
    known = [severity.value for severity in Severity]
    for code, severity in value.items():
        _code(str(code), path)
        if severity not in known:
            raise _wrong(f"{path}.{code}", f"unknown severity `{severity}`", "note, warning or error")
    return {str(code): Severity(str(severity)) for code, severity in value.items()}


def _truth(value: object, path: str) -> bool:
    if not isinstance(value, bool):
        raise _wrong(path, "must be true or false", None)
    return value


def _server(value: object, path: str) -> int:
    text = str(value).partition(".")[0]
    if isinstance(value, bool) or not text.isascii() or not text.isdecimal():
        raise _wrong(path, "must be a major version of PostgreSQL", "for example 15")
    if not OLDEST_SERVER <= int(text) <= _NEWEST_SERVER:
        raise _wrong(path, f"PostgreSQL {text} is not supported", f"the oldest supported version is {OLDEST_SERVER}")
    return int(text)


def _wrong(path: str, message: str, hint: str | None) -> ConfigError:
    return ConfigError(f"{path}: {message}", code="E250", hint=hint)
