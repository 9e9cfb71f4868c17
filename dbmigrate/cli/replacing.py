"""Becoming another program: the process keeps its id, its streams and its environment, and runs something else."""

from __future__ import annotations

import os
import shutil
import signal
from typing import TYPE_CHECKING, NoReturn

from dbmigrate.errors import ConfigError, Interrupted, Terminated, unchanged

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["become", "found"]

_ENDING = frozenset((signal.SIGINT, signal.SIGTERM, signal.SIGHUP))
_IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)  # exec keeps what is ignored; `subprocess` restores them, too


def found(words: Sequence[str], environ: Mapping[str, str]) -> str:
    """The path of the program that `words` begin with. Raises ConfigError E229: nothing may have happened before."""
    path = shutil.which(words[0], path=environ.get("PATH"))
    if path is None:
        where = "is not a program that can be run" if os.sep in words[0] else "is not in the PATH"
        raise unchanged(ConfigError(f"cannot start {words[0]}: it {where}", code="E229", hint=_hint(words[0])))
    return path


def _hint(word: str) -> str:
    if " " in word.strip():
        return "write the words apart, as in `dbmigrate run -- npm start`; a line for the shell is `-- sh -c 'LINE'`"
    return "check the name, and that the file is executable"


def become(path: str, words: Sequence[str], environ: Mapping[str, str], *, state: str = "") -> NoReturn:
    """Run the program at `path` in the place of this one; `words` are its arguments, the first is its name.

    `state` is what a signal finds done. OSError is the kernel's about a program that it cannot run.
    What Python ignores is not ignored there. A signal that comes before ends this process: it is neither lost nor left
    to a program that does not handle it yet. Nothing waits in the buffers of the streams: renderers flush each line.
    Raises Interrupted, OSError.
    """
    try:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
        for number in (*_ENDING, *_IGNORED_BY_PYTHON):
            if number in _IGNORED_BY_PYTHON or signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, signal.SIG_DFL)
        # process 1 of a container: the kernel drops a signal that has the default disposition
        for number in signal.sigpending() & _ENDING - before:
            raise KeyboardInterrupt if number == signal.SIGINT else Terminated
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    except KeyboardInterrupt as exc:
        error = Interrupted.by(exc, f"interrupted before {words[0]} was started")
        error.state = state
        raise error from exc
    os.execve(path, list(words), environ)
