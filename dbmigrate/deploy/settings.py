"""How a deployment is done: the table ``[tool.dbmigrate.deploy]`` of the project file, and the options over it."""

from __future__ import annotations

from dataclasses import field
from enum import StrEnum
from typing import TYPE_CHECKING

from dbmigrate.deploy.health import INTERVAL, RETRIES, Check, CommandCheck, Patience, UrlCheck, header
from dbmigrate.errors import ConfigError
from dbmigrate.frozen import frozen
from dbmigrate.settings import durations

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["BACKUPS", "DeployConfig", "OnFailure"]

BACKUPS = "./backups"

_KEYS = (
    "backup",
    "health-command",
    "health-header",
    "health-interval",
    "health-retries",
    "health-url",
    "on-failure",
)
_MOST_RETRIES = 10_000


class OnFailure(StrEnum):
    """What becomes of this run's migrations when one of them, or the health check, fails."""

    ROLLBACK = "rollback"
    KEEP = "keep"


@frozen
class DeployConfig:
    """`backup_dir` None makes no backup. `headers` (name, value) are sent to every one of `urls`.

    Making one raises ConfigError E205 for a URL or a command that cannot be a health check.
    """

    backup_dir: str | None = BACKUPS
    urls: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    commands: tuple[str, ...] = ()
    patience: Patience = field(default_factory=Patience)
    on_failure: OnFailure = OnFailure.ROLLBACK

    def __post_init__(self) -> None:
        _ = self.checks

    @property
    def checks(self) -> tuple[Check, ...]:
        """URLs first, each group in its order."""
        return (*(UrlCheck(url, self.headers) for url in self.urls), *map(CommandCheck, self.commands))

    @classmethod
    def from_mapping(cls, table: Mapping[str, object], *, origin: str) -> DeployConfig:
        """What the project file says; `origin` names it. Raises ConfigError E257 with file and key."""
        reader = _Reader(table, origin)
        reader.refuse_unknown()
        try:
            return cls(
                backup_dir=reader.backup(),
                urls=reader.texts("health-url"),
                headers=tuple(map(header, reader.texts("health-header"))),
                commands=reader.texts("health-command"),
                patience=Patience(reader.retries(), reader.interval()),
                on_failure=reader.on_failure(),
            )
        except ConfigError as exc:
            if exc.code == "E257":
                raise
            raise exc.recast(ConfigError, f"{origin}: deploy: {exc.message}", code="E257") from exc


class _Reader:
    """The values of the table, each of its type."""

    def __init__(self, table: Mapping[str, object], origin: str) -> None:
        self._table = table
        self._origin = origin

    def refuse_unknown(self) -> None:
        import difflib

        for key in self._table:
            if key not in _KEYS:
                close = difflib.get_close_matches(key.lower().replace("_", "-"), _KEYS, n=1)
                hint = f"did you mean {close[0]}?" if close else f"the keys are {', '.join(_KEYS)}"
                raise ConfigError(f"{self._origin}: unknown key deploy.{key}", code="E257", hint=hint)

    def backup(self) -> str | None:
        value = self._table.get("backup", BACKUPS)
        if value is False:
            return None
        if not isinstance(value, str) or not value.strip() or "\0" in value:
            raise self._wrong("backup", "a directory, or false")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        value = self._table.get(key, ())
        many = [value] if isinstance(value, str) else value
        if not isinstance(many, list | tuple) or not all(isinstance(item, str) for item in many):
            raise self._wrong(key, "a string or a list of strings")
        return tuple(many)

    def retries(self) -> int:
        value = self._table.get("health-retries", RETRIES)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MOST_RETRIES:
            raise self._wrong("health-retries", f"a number from 0 to {_MOST_RETRIES}")
        return value

    def interval(self) -> float:
        value = self._table.get("health-interval")
        if value is None:
            return INTERVAL
        if not isinstance(value, str):
            raise self._wrong("health-interval", 'a duration such as "2s"')
        return durations.duration(value, "health-interval")

    def on_failure(self) -> OnFailure:
        value = self._table.get("on-failure", OnFailure.ROLLBACK)
        if value not in tuple(OnFailure):
            raise self._wrong("on-failure", " or ".join(OnFailure))
        return OnFailure(str(value))

    def _wrong(self, key: str, wanted: str) -> ConfigError:
        return ConfigError(f"{self._origin}: deploy.{key} must be {wanted}", code="E257")
