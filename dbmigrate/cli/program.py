"""The program as typer sees it: a group whose commands are made when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from dbmigrate import __version__
from dbmigrate.cli.call import Call
from dbmigrate.cli.options import common_root
from dbmigrate.cli.table import ENTRIES, Entry
from dbmigrate.errors import Interrupted

SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class Commands(MutableMapping[str, Any]):
    """Every command by every name it has; one is imported and built when it is first looked at."""

    def __init__(self) -> None:
        self._entries = {name: entry for entry in ENTRIES for name in (entry.name, *entry.aliases)}
        self._built: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 (a class that typer keeps private)
        if name not in self._built:
            self._built[name] = _build(self._entries[name], name)
        return self._built[name]

    def __setitem__(self, name: str, command: Any) -> None:  # noqa: ANN401
        self._built[name] = command

    def __delitem__(self, name: str) -> None:
        del self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


@contextmanager
def _told() -> Iterator[None]:
    """A signal is told for what it is: typer would exit with 130 whatever it was, and say nothing."""
    try:
        yield
    except KeyboardInterrupt as exc:
        raise Interrupted.by(exc, "interrupted") from exc


class Program(TyperGroup):
    """The group of all commands."""

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401 (typer's own keywords, handed through)
        super().__init__(**settings | {"commands": None})
        self.commands = Commands()

    def make_context(self, *arguments: Any, **extra: Any) -> Any:  # noqa: ANN401
        with _told():
            return super().make_context(*arguments, **extra)

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401
        with _told():
            return super().invoke(ctx)

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401
        """The help of the program is made without importing a command."""
        with formatter.section("Commands"):
            formatter.write_dl([(entry.name, entry.summary) for entry in ENTRIES])


app = typer.Typer(
    name="dbmigrate",
    cls=Program,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=True,
    context_settings=SETTINGS,
)


@app.callback(invoke_without_command=True)
@common_root
def root(
    ctx: typer.Context,
    call: Call,
    version: Annotated[bool, typer.Option("--version", "-v", "-V", help="Print the version.")] = False,
) -> None:
    """PostgreSQL schema migrations in plain SQL: a drop-in for dbmate that can be trusted in production.

    Options may stand before or after the command. Exit codes: 0 done or nothing to do, 1 a question answered no,
    2 usage or configuration, 3 cannot connect, 4 failed and rolled back, 5 a person is needed, 6 locked by another run,
    7 refused, 130 and 143 interrupted.
    """
    if version:
        typer.echo(f"dbmigrate version {__version__}")
        raise typer.Exit
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())


def _build(entry: Entry, name: str) -> Any:  # noqa: ANN401
    module, _, function = entry.function.partition(":")
    alone = typer.Typer(
        rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False, context_settings=SETTINGS
    )
    alone.command(name, hidden=name != entry.name)(getattr(import_module(f"dbmigrate.cli.{module}"), function))
    return typer.main.get_command(alone)
