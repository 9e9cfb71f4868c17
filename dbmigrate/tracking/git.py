"""Questions to git. The environment of its user is handed on as it is."""

from __future__ import annotations

_SECONDS = 5
_PATIENT = 60  # for the files of a whole directory


def ask(directory: str, *arguments: str) -> str | None:
    """The output of a git command; None where there is no git, no repository, or no answer in time."""
    done = _run(directory, arguments, b"", _SECONDS)
    return None if done is None else done.decode("utf-8", "surrogateescape").strip()


def read(directory: str, *arguments: str) -> bytes | None:
    """The same, byte for byte."""
    return _run(directory, arguments, b"", _SECONDS)


def contents(directory: str, revision: str) -> dict[str, bytes] | None:
    """The files of `directory` and of its folders as `revision` has them, by their path in it; none if it is not there.

    None where git does not answer. Symbolic links are left out.
    """
    listed = _run(directory, ("ls-tree", "-r", "-z", revision, "--", "."), b"", _PATIENT)
    if listed is None:
        return None
    entries = [entry.partition(b"\t") for entry in listed.split(b"\0") if entry]
    files = {name.decode("utf-8", "surrogateescape"): about.split()[2] for about, _, name in entries if _is_file(about)}
    if not files:
        return {}
    answer = _run(directory, ("cat-file", "--batch"), b"\n".join(files.values()) + b"\n", _PATIENT)
    return None if answer is None else dict(zip(files, _blobs(answer), strict=True))


def _is_file(about: bytes) -> bool:
    return about.startswith(b"100")


def _blobs(answer: bytes) -> list[bytes]:
    """``ID blob SIZE``, a line end, the bytes, a line end: for each of them."""
    found, position = [], 0
    while position < len(answer):
        end = answer.index(b"\n", position)
        size = int(answer[position:end].split()[2])
        found.append(answer[end + 1 : end + 1 + size])
        position = end + size + 2
    return found


def _run(directory: str, arguments: tuple[str, ...], given: bytes, seconds: float) -> bytes | None:
    import subprocess

    try:
        done = subprocess.run(
            ["git", "--no-optional-locks", "-C", directory, *arguments],
            input=given,
            capture_output=True,
            timeout=seconds,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):  # whoever asks goes on without it
        return None
    return done.stdout if done.returncode == 0 else None
