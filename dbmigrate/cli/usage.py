"""What is wrong with a command line, what was probably meant, and where the help for it is."""

from __future__ import annotations

import re
from itertools import pairwise, takewhile
from typing import TYPE_CHECKING, Any

from dbmigrate.cli import suggestions
from dbmigrate.cli.options import COMMON
from dbmigrate.cli.table import ENTRIES
from dbmigrate.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["error", "form_of_output"]

_NO_COMMAND = r"(?s)(No such command '(.*?)')\.?(?: Did you mean .*)?"
_EXTRA = r"(?s)Got unexpected extra arguments? ?\(?s?\)? ?\(([^ )]+).*\)"
_NAMES = tuple(name for entry in ENTRIES for name in (entry.name, *entry.aliases))


def error(exc: BaseException, given: Sequence[str]) -> ConfigError:
    """The error for what typer says of the command line `given`."""
    message = exc.format_message() if hasattr(exc, "format_message") else str(exc)
    if unknown := re.fullmatch(_NO_COMMAND, message):
        message = unknown[1]  # typer guesses among our commands alone
    message = message.replace("is not a valid int range", "is not a whole number")
    context: Any = getattr(exc, "ctx", None)
    name = _command(given)
    more, meant = _meant(exc, message, context, given)
    if name is not None and _stands_before(name, exc, context):
        meant = f"it stands behind the command: `dbmigrate {name} {getattr(exc, 'option_name', '')}`"
    help_ = f"see `dbmigrate {name} --help`" if name and not unknown else "see `dbmigrate --help`"
    return ConfigError(message.rstrip(".") + more, code="E200", hint=_joined(meant, help_))


def form_of_output(given: Sequence[str]) -> dict[str, object]:
    """Which form the error has to have. Nothing of a wrong command line was understood, but that is plain to see."""
    words = [*takewhile(lambda word: word != "--", given)]
    forms = [after for word, after in pairwise(words) if word == "--log-format"]
    forms += [word.partition("=")[2] for word in words if word.startswith("--log-format=")]
    return {"json": "--json" in words, "log_format": forms[-1] if forms else None}


def _command(given: Sequence[str]) -> str | None:
    """The command of the command line, as far as one can be seen."""
    takes_value = {
        name
        for annotation in COMMON.values()
        if annotation.__origin__ is not bool
        for name in annotation.__metadata__[0].param_decls
    }
    words = [word for before, word in pairwise(("", *given)) if before not in takes_value]
    return next((word for word in words if word in _NAMES), None)


def _stands_before(name: str, exc: BaseException, context: Any) -> bool:  # noqa: ANN401
    """Whether the unknown option is one of the command `name`, which it stands before."""
    if context is None or context.parent is not None or not hasattr(exc, "possibilities"):
        return False
    option = getattr(exc, "option_name", None)
    return any(option in parameter.opts for parameter in context.command.commands[name].params)


def _joined(meant: str | None, help_: str) -> str:
    if meant is None:
        return help_
    return f"{meant} Or {help_}" if meant.endswith("?") else f"{meant}; {help_}"


def _meant(exc: BaseException, message: str, context: Any, given: Sequence[str]) -> tuple[str, str | None]:  # noqa: ANN401
    """More about what is wrong, and what was probably meant. Only typer's message says what it found."""
    if unknown := re.fullmatch(_NO_COMMAND, message):
        return "", suggestions.for_command(unknown[2], _NAMES)
    if context is None:
        return "", None
    if extra := re.fullmatch(_EXTRA, message):
        return "", suggestions.for_argument(context.info_name, extra[1])
    if not hasattr(exc, "possibilities"):
        return "", None
    option = str(getattr(exc, "option_name", ""))
    is_short = option.startswith("-") and not option.startswith("--")
    written = next((word for word in given if is_short and word.startswith(option) and word != option), option)
    known = [name for parameter in context.command.params for name in parameter.opts]
    more = f" (in {written.partition('=')[0]})" if written != option else ""
    return more, suggestions.for_option(context.info_name, written, known)
