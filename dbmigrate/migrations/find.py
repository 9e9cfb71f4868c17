"""Migration files on disk: which there are, in which order, and how a new one is made."""

from __future__ import annotations

import os
import re
import unicodedata
from contextlib import ExitStack, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from dbmigrate.errors import ConfigError, PlanError
from dbmigrate.frozen import frozen, remembered
from dbmigrate.model import MigrationFile, Problem, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime

    from dbmigrate.model import Order

# dbmate's rule (db.go): leading ASCII digits are the version, the rest of the name is free
_NAME = re.compile(r"([0-9]+).*\.sql", re.DOTALL)
TEMPLATE = "-- migrate:up\n\n\n-- migrate:down\n\n"
_UNDECODED = re.compile("[\ud800-\udfff]")  # how os.fsdecode() carries bytes that are not text
_SLUG = re.compile(r"[\W_]+")
_HEAD = 4096  # characters of a file that is passed over
_LONGEST_SLUG = 200  # bytes; file systems take names of 255


@frozen
class PassedOver:
    """An SQL file that is never run; `tool` is the one whose format it seems to have."""

    path: str
    tool: str | None = None


@frozen
class Directory:
    """What the migrations directories hold: migrations in order, repeatable ones by name, and what is passed over."""

    files: tuple[MigrationFile, ...] = ()
    passed_over: tuple[PassedOver, ...] = ()
    repeatables: tuple[MigrationFile, ...] = ()
    unmarked: tuple[Problem, ...] = ()  # a note about files among the repeatable ones

    @property
    def notes(self) -> tuple[Problem, ...]:
        """The files that are passed over, in notes; none if there are none."""
        if not self.passed_over:
            return self.unmarked
        message = f"not run, because the name does not start with digits: {_listed(self.passed_over)}"
        return (Problem("W665", message, Severity.NOTE, hint=_way_in(self.passed_over)), *self.unmarked)


@remembered
def look(directories: Sequence[str], order: Order) -> Directory:
    """Read all `directories`; migrations stand in `order`.

    Directories are not searched recursively, but for the folder of repeatable migrations. Files whose names do not
    begin with digits and end in ``.sql`` are not migrations; a directory that is named twice is read once. Raises
    PlanError E235 (no such directory), E221 (two files with one version), E276 (two repeatable ones with one name);
    ConfigError E207.
    """
    places = {os.path.realpath(directory): directory for directory in reversed(directories)}.values()
    found: list[MigrationFile] = []
    others: list[os.DirEntry[str]] = []
    for directory in places:
        _list(directory, found, others)
    found.sort(key=lambda file: order.key(file.name))
    _refuse_twins(found)
    folders = [entry for entry in others if entry.name == "repeatable" and entry.is_dir()]
    passed_over = _passed_over(entry for entry in others if entry not in folders) if others else ()
    if not folders:
        return Directory(tuple(found), passed_over)
    from dbmigrate.migrations import repeatables

    return Directory(tuple(found), passed_over, *repeatables.read(_sql_files(folders)))


def find(directories: Sequence[str], order: Order) -> tuple[MigrationFile, ...]:
    """The migration files of all `directories`, in `order`. Raises as `look`."""
    return look(directories, order).files


def refuse_none(present: Directory, directories: Sequence[str]) -> None:
    """Raise PlanError E230 if there is no migration at all; what is there instead is named."""
    if present.files or present.repeatables:
        return
    places, hint = ", ".join(directories), "make one with `dbmigrate new NAME`, or name another directory with -d"
    if not present.passed_over:
        raise PlanError(f"no migration files found in {places}", code="E230", hint=hint)
    raise PlanError(
        f"no migration files found in {places}, but {_listed(present.passed_over)}",
        code="E230",
        hint=_way_in(present.passed_over),
    )


_NAMED = 5  # files that a message lists


def _listed(passed_over: Sequence[PassedOver]) -> str:
    """The first files by the tool that they look like."""
    by_tool: dict[str | None, list[str]] = {}
    for each in passed_over:
        by_tool.setdefault(each.tool, []).append(each.path)
    return "; ".join(_of_tool(tool, paths) for tool, paths in by_tool.items())


def _of_tool(tool: str | None, paths: Sequence[str]) -> str:
    more = f" and {len(paths) - _NAMED} more" if len(paths) > _NAMED else ""
    some = f"{', '.join(paths[:_NAMED])}{more}"
    return f"{some} ({'looks' if len(paths) == 1 else 'look'} like {tool})" if tool else some


def _way_in(passed_over: Sequence[PassedOver]) -> str:
    from dbmigrate.migrations import other_tools

    for each in passed_over:
        if each.tool == other_tools.NUMBERED:
            continue  # `import` wants the number first
        if command := other_tools.way_in(each.tool, other_tools.project_of(each.path)):
            return f"{command} converts such files; other ones belong in another directory"
    if any(each.tool for each in passed_over):
        return (
            "dbmigrate runs files of dbmate's format: give them names like 20260131120000_name.sql, and put"
            " `-- migrate:up` above what they do and `-- migrate:down` above what undoes it"
        )
    return "name a migration like 20260131120000_name.sql; keep other files in another directory"


def _passed_over(entries: Iterable[os.DirEntry[str]]) -> tuple[PassedOver, ...]:
    """Which of the other entries are SQL files, or folders of a tool that keeps each migration in one."""
    from dbmigrate.migrations import other_tools  # needed if there are such files, which is rare

    found = []
    for entry in sorted(entries, key=lambda entry: os.fsencode(entry.name)):
        path = os.path.normpath(entry.path)
        if entry.is_dir():
            if known := other_tools.tool_of_folder(_names_in(path)):
                found.append(PassedOver(os.path.join(path, known[1]), known[0]))
        elif entry.name.lower().endswith(".sql"):
            found.append(PassedOver(path, other_tools.tool_of_file(entry.name, _head(path))))
    return tuple(found)


def passed_over(paths: Iterable[str]) -> tuple[PassedOver, ...]:
    """Which of these files are not migrations."""
    from dbmigrate.migrations import other_tools

    strange = [path for path in paths if not is_migration_name(os.path.basename(path))]
    return tuple(
        PassedOver(os.path.normpath(path), other_tools.tool_of_file(os.path.basename(path), _head(path)))
        for path in strange
    )


def _names_in(directory: str) -> Sequence[str]:
    with suppress(OSError):
        return os.listdir(directory)
    return ()


def _head(path: str) -> str:
    """The beginning of a file, where the markers of other tools stand."""
    with suppress(OSError), open(path, encoding="utf-8", errors="replace") as file:
        return file.read(_HEAD)
    return ""


def is_migration_name(name: str) -> bool:
    """Whether a file of this name, in a migrations directory, is a migration."""
    return _NAME.fullmatch(name) is not None


def _sql_files(folders: Iterable[os.DirEntry[str]]) -> list[str]:
    """The SQL files of these folders, in the order of their names. Raises ConfigError E207."""
    found: list[os.DirEntry[str]] = []
    for folder in folders:
        try:
            found += (entry for entry in os.scandir(folder.path) if entry.name.endswith(".sql"))
        except OSError as exc:
            raise ConfigError(f"cannot read directory `{folder.path}`: {exc.strerror}", code="E207") from exc
    shown = [entry for entry in found if not entry.name.startswith(".") and _is_file(entry)]
    for entry in shown:
        _refuse_undecodable(entry)
    return [os.path.normpath(each.path) for each in sorted(shown, key=lambda entry: os.fsencode(entry.name))]


def _list(directory: str, found: list[MigrationFile], others: list[os.DirEntry[str]]) -> None:
    """Sort the entries of a directory into migrations and others; hidden files are editors' and systems' own."""
    try:
        entries = list(os.scandir(directory))
    except (FileNotFoundError, NotADirectoryError) as exc:
        raise PlanError(
            f"could not find migrations directory `{directory}`",
            code="E235",
            hint="create one with `dbmigrate new NAME`, or name another with --migrations-dir",
        ) from exc
    except OSError as exc:
        raise ConfigError(f"cannot read directory `{directory}`: {exc.strerror}", code="E207") from exc
    for entry in entries:
        match = _NAME.fullmatch(entry.name)
        if match and _is_file(entry):
            _refuse_undecodable(entry)
            found.append(MigrationFile(match[1], entry.name, os.path.normpath(entry.path)))
        elif not entry.name.startswith("."):
            others.append(entry)


def _is_file(entry: os.DirEntry[str]) -> bool:
    """Links count, as in dbmate; a dangling one is an error, because skipping it would silently skip a migration."""
    if entry.is_symlink() and not os.path.exists(entry.path):
        raise ConfigError(
            f"{entry.path} is a broken symbolic link", code="E207", hint="restore its target, or remove it"
        )
    return entry.is_file()


def _refuse_undecodable(entry: os.DirEntry[str]) -> None:
    """The name becomes a text in the database's log; bytes that are none have no place there."""
    if _UNDECODED.search(entry.name):
        raise ConfigError(f"the name of {entry.path!a} is not valid UTF-8", code="E207", hint="rename the file")


def _refuse_twins(found: Sequence[MigrationFile]) -> None:
    seen: dict[str, MigrationFile] = {}
    for file in found:
        twin = seen.setdefault(file.version, file)
        if twin is not file:
            raise _twins(twin, file)


def _twins(one: MigrationFile, other: MigrationFile) -> PlanError:
    from dbmigrate.migrations import other_tools

    if pair := other_tools.pair(one.name, other.name):
        tool, stem = pair
        return PlanError(
            f"{one.path} and {other.path} are a pair of {tool}: the two directions of version {one.version}",
            code="E221",
            hint=f"make one file of them, {stem}.sql: `-- migrate:up` and what the one does, `-- migrate:down` and what"
            f" the other does; {other_tools.way_in(tool, other_tools.project_of(one.path))} converts all of them",
        )
    return PlanError(
        f"two migrations have version {one.version}: {one.path} and {other.path}",
        code="E221",
        hint="rename one of them: give it a newer timestamp if it has not been applied anywhere",
    )


def create(directories: Sequence[str], name: str, now: datetime) -> str:
    """Make an empty migration file in the first directory, named after `now` (UTC) and `name`; return its path.

    Where a migration of that second exists in any of the directories, the next free second is taken. Raises as
    `create_as`.
    """
    return create_as(directories, name, seconds(now), lambda version: TEMPLATE)


def seconds(now: datetime) -> Iterator[str]:
    """The versions of `now` and of the seconds after it."""
    while True:
        yield f"{now:%Y%m%d%H%M%S}"
        now += timedelta(seconds=1)


def create_as(directories: Sequence[str], name: str, versions: Iterable[str], text_of: Callable[[str], str]) -> str:
    """Make a migration file in the first directory, of the first of `versions` that is free; return its path.

    The name becomes lower-case words joined by ``_``, so that it can neither leave the directory nor need quoting. The
    first directory is made if it is missing. The file is there whole or not at all. Raises PlanError E237 (nothing
    usable in the name); ConfigError E207.
    """
    slug = slug_of(name)
    path = os.path.normpath(directories[0])
    try:
        os.makedirs(directories[0] or ".", mode=0o755, exist_ok=True)
        for version in versions:
            path = os.path.normpath(os.path.join(directories[0], f"{version}_{slug}.sql"))
            if _write_new(path, version, directories, text_of(version)):
                return path
    except OSError as exc:
        raise ConfigError(f"cannot write {path}: {exc.strerror}", code="E207") from exc
    raise PlanError(f"no version is free for {slug}", code="E237")


def name_problems(path: str) -> tuple[Problem, ...]:
    """What is wrong with the name of a new file, while it can still be called something else."""
    fault = name_fault(os.path.basename(path).removesuffix(".sql").lstrip("0123456789"))
    return (Problem("W340", f"the file name{fault.message}", hint=fault.hint),) if fault else ()


def slug_of(name: str) -> str:
    """A name as a file name has it. Raises PlanError E237."""
    slug = _SLUG.sub("_", unicodedata.normalize("NFC", name).lower()).strip("_")
    if not slug:
        raise PlanError(
            "please specify a name for the new migration",
            code="E237",
            hint='letters and digits are needed, for example: dbmigrate new "create users"',
        )
    return slug.encode()[:_LONGEST_SLUG].decode(errors="ignore")


def _write_new(path: str, version: str, directories: Sequence[str], text: str) -> bool:
    """Write the file unless its version is taken. The temporary file is named after the version and made exclusively:
    of two processes that want one version the second one sees it, or else the finished file of the first one.
    """
    claim = os.path.join(os.path.dirname(path), f".dbmigrate-new-{version}.tmp")
    try:
        descriptor = os.open(claim, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    except FileExistsError:
        return False
    with ExitStack() as undo:
        undo.callback(os.unlink, claim)
        with os.fdopen(descriptor, "wb") as file:
            if _is_taken(version, directories):
                return False
            file.write(text.encode())
            file.flush()
            os.fsync(descriptor)  # a full disk or quota may be reported no earlier
        os.rename(claim, path)
        undo.pop_all()
    return True


def _is_taken(version: str, directories: Sequence[str]) -> bool:
    """`find` would refuse two files of one version; a dangling link is one too."""
    present = (name for each in directories if os.path.isdir(each or ".") for name in os.listdir(each or "."))
    matches = map(_NAME.fullmatch, present)
    return any(match is not None and match[1] == version for match in matches)


# whether a name says what the migration changes: for whoever makes one, and for the linter (L143)

_EMPTY = frozenset(
    re.findall(
        r"\w+",
        """
        a adjust adjustments all alter an and apply asdf bugfix change changed changes cleanup database data db ddl demo
        dev do draft edit edits etc final fix fixed fixes foo bar hotfix improve improvements initial2 minor migrate
        migration migrations misc miscellaneous mods modify more my new next other patch quick quickfix refactor release
        schema script several small some sql stuff table tables temp test tests the things tmp todo tweak tweaks up
        update updated updates upgrade various wip work
        """,
    )
)
_VERBS = frozenset(
    re.findall(
        r"\w+",
        """
        add alter backfill change check clean contract convert copy create delete disable drop empty enable
        expand extend fill fix grant import index insert link load lock lower make merge migrate move
        normalise normalize partition populate prepare raise record refactor remove rename replace require
        reset restrict revoke seed set split store switch sync truncate tune unify unlink update upgrade
        validate widen
        """,
    )
)
_RENAME = "name the change: add_email_to_users; but do not rename a file that is applied anywhere"


class NameFault(NamedTuple):
    """What is wrong with a name, to be read behind a word for what has it."""

    message: str
    hint: str


def name_fault(name: str) -> NameFault | None:
    """What is wrong with a name, without its version: it says nothing, or it names two changes."""
    words = [word for word in re.split(r"[\W_]+", name.lower()) if word and not word.isdigit()]
    shown = f" `{' '.join(words)}`" if words else ""
    if all(word in _EMPTY for word in words):
        return NameFault(f"{shown} does not say what the migration changes", _RENAME)
    if _names_two(words):
        return NameFault(f"{shown} names two changes", "write two migrations")
    return None


def _names_two(words: list[str]) -> bool:
    """``add_a_and_drop_b``, ``a_and_b``; but ``create_a_and_b`` is one change of two tables."""
    at = words.index("and") if "and" in words else -1
    return at > 0 and at + 1 < len(words) and (words[at + 1] in _VERBS or words[0] not in _VERBS)
