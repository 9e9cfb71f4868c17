"""The program for typer: a group that imports and builds a command on first use."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, MutableMapping
from contextlib import contextmanager
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

from dbmigrate.cli.call import Call
from dbmigrate.cli.options import COMMON, VERBOSE, common_root
from dbmigrate.cli.table import ENTRIES, GROUPS, Entry
from dbmigrate.errors import Interrupted
from dbmigrate.version import described

SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class Commands(MutableMapping[str, Any]):
    """Every command by its names; a command is imported and built on first use."""

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
def _signals_as_errors() -> Iterator[None]:
    """Raise Interrupted for a signal: typer would exit with 130 for every signal, and print nothing."""
    try:
        yield
    except KeyboardInterrupt as exc:
        raise Interrupted.by(exc, "interrupted") from exc


class Program(TyperGroup):
    """The group of all commands."""

    def __init__(self, **settings: Any) -> None:  # noqa: ANN401 (typer's own keywords, handed through)
        super().__init__(**settings | {"commands": None})
        self.commands = Commands()
        self.shows_all = False
        self.params.append(_help_all())

    def make_context(self, *arguments: Any, **extra: Any) -> Any:  # noqa: ANN401
        with _signals_as_errors():
            return super().make_context(*arguments, **extra)

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401
        with _signals_as_errors():
            return super().invoke(ctx)

    def format_options(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401
        """The commands first, in groups, each with an example; made without importing a command."""
        widest = max(len(entry.name) for entry in ENTRIES)
        for title, entries in GROUPS.items():
            with formatter.section(title):
                formatter.write_dl([(entry.name.ljust(widest), entry.summary) for entry in entries])
                formatter.write_text(f"Example: {entries[0].example}")
        _write_options(ctx, formatter, self)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401
        formatter.write_paragraph()
        formatter.write_text("`dbmigrate COMMAND --help` shows a command's options and an example.")
        formatter.write_text("`dbmigrate explain CODE` explains an error, a warning or a finding, without a network.")
        for line in _addresses():
            formatter.write_text(line)


def _addresses() -> Iterator[str]:
    """Where the documentation and the issue tracker are, as the installed package says; none in a checkout.

    The file is read as text: `importlib.metadata` imports the whole `email` package.
    """
    found = (path for entry in sys.path for path in Path(entry).glob("dbmigrate-*.dist-info/METADATA"))
    for path in islice(found, 1):
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("Project-URL: "):
                label, _, url = line.removeprefix("Project-URL: ").partition(", ")
                yield f"{label}: {url}"


class CommandHelp(TyperCommand):
    """A command whose help shows its own options, and an example; ``--help-all`` shows the common options, too."""

    def __init__(self, *given: Any, **named: Any) -> None:  # noqa: ANN401 (typer's own arguments, handed through)
        super().__init__(*given, **named)
        self.shows_all = False
        self.example = ""
        self.params.append(_help_all())

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401
        ctx.meta["separated"] = "--" in args  # the parser drops it
        return super().parse_args(ctx, args)

    def format_options(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401
        arguments = [each for each in self.get_params(ctx) if each.param_type_name == "argument"]
        _write_parameters(ctx, formatter, "Arguments", arguments)
        _write_options(ctx, formatter, self)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401
        if self.example:
            formatter.write_paragraph()
            formatter.write_text(f"Example: {self.example}")


def _help_all() -> TyperOption:
    return TyperOption(
        param_decls=["--help-all"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_show_all,
        help="Show the common options, too, and exit.",
    )


def _write_options(ctx: Any, formatter: Any, command: Any) -> None:  # noqa: ANN401
    """The options of a command; the common ones in one line, without ``--help-all``."""
    options = [each for each in command.get_params(ctx) if each.param_type_name == "option"]
    common = [each for each in options if each.name in {**COMMON, **VERBOSE}]
    _write_parameters(ctx, formatter, "Options", [each for each in options if each not in common])
    if command.shows_all:
        _write_parameters(ctx, formatter, "Common options", common)
        return
    names = ", ".join(max(each.opts, key=len) for each in common)
    formatter.write_paragraph()
    # a non-breaking hyphen while the lines are filled: an option that is cut at its hyphen cannot be copied
    whole = type(formatter)(width=formatter.width, max_width=formatter.width)
    whole.write_text(f"Common options (--help-all explains them): {names}".replace("-", "\u2011"))
    formatter.write(whole.getvalue().replace("\u2011", "-"))


def _write_parameters(ctx: Any, formatter: Any, title: str, parameters: Iterable[Any]) -> None:  # noqa: ANN401
    records = [record for each in parameters if (record := each.get_help_record(ctx))]
    if records:
        with formatter.section(title):
            formatter.write_dl(records)


def _show_all(ctx: Any, _: Any, is_wanted: bool) -> None:  # noqa: ANN401 (the signature of a callback)
    if is_wanted and not ctx.resilient_parsing:
        ctx.command.shows_all = True
        typer.echo(ctx.get_help())
        raise typer.Exit


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

    Options can stand before or after the command. Exit codes: 0 done or nothing to do, 1 a question answered no,
    2 usage or configuration, 3 cannot connect, 4 failed and rolled back, 5 a person is needed, 6 locked by another run
    or a wait ran out, 7 refused, 130 and 143 interrupted.
    """
    if version:
        typer.echo(described())
        raise typer.Exit
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())


def _build(entry: Entry, name: str) -> Any:  # noqa: ANN401
    command = getattr(import_module(f"dbmigrate.cli.commands.{entry.function}"), entry.function)
    alone = typer.Typer(
        rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False, context_settings=SETTINGS
    )
    alone.command(name, cls=CommandHelp, hidden=name != entry.name)(command)
    built = typer.main.get_command(alone)
    built.example = entry.example  # type: ignore[attr-defined]
    return built
