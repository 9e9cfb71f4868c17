"""`lint --fix`: which files are rewritten, proved on scratch databases, and what is reported about each."""

from __future__ import annotations

import codecs
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from dbmigrate import impact
from dbmigrate.errors import MigrationFileError
from dbmigrate.frozen import frozen
from dbmigrate.lint.engine import lint
from dbmigrate.lint.fix.facts import Facts
from dbmigrate.lint.fix.file import FIXABLE, Fixed, Request, fixed
from dbmigrate.lint.fix.proof import Tried, differences, in_place, tried
from dbmigrate.lint.sql.grammar import shape_of
from dbmigrate.lint.sql.shape import AlterObject
from dbmigrate.migrations import parser
from dbmigrate.model import Direction, MigrationFile, Problem
from dbmigrate.scratch import choose, outside_effects

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from dbmigrate.impact import Priced
    from dbmigrate.lint.config import LintConfig
    from dbmigrate.model import Migration
    from dbmigrate.scratch.choose import Choice, ScratchServer

    Runs = Mapping[str, Tried | tuple[Problem, ...]]

__all__ = ["FileResult", "Options", "bytes_of", "fix"]

# findings that the rewritten file may have: they are about the author's own words
_OWN_WORDS = frozenset(("L153", "W653"))
_RARE = frozenset(("L116", "L173"))  # of forms that lock one partition after the other; an index is another pattern
_ENUM = "L152"


def as_it_is(migration: Migration) -> Migration:
    """For migrations without variables."""
    return migration


@frozen
class Options:
    """What is rewritten. `only` are the versions; `unapplied` those that are applied nowhere, as `lint` takes them.

    `known` leaves out what the project has accepted, `bind` gives variables their values. `table` is the tracking
    table, `is_rare` that of `file.Request`.
    """

    config: LintConfig
    only: frozenset[str]
    unapplied: frozenset[str] = frozenset()
    table: str = "schema_migrations"
    allows_split: bool = False
    is_rare: bool = False
    known: Callable[[Iterable[Problem]], Iterable[Problem]] = tuple
    bind: Callable[[Migration], Migration] = as_it_is


@frozen
class FileResult:
    """One file. `reason` says why the rewritten text is not offered, if there is one and it is not.

    `locks_before` and `locks_after` are what the statements of the two did.
    """

    path: str
    fixed: Fixed
    text: str
    reason: str = ""
    locks_before: tuple[Priced, ...] = ()
    locks_after: tuple[Priced, ...] = ()

    @property
    def is_changed(self) -> bool:
        return bool(self.fixed.changes) and not self.reason


def fix(migrations: Sequence[Migration], options: Options, choice: Choice) -> tuple[FileResult, ...]:
    """The results of all files in which something was found that a form might answer. Writes no migration file.

    Raises what `lint` and `scratch.open_server` raise.
    """
    found = _findings(migrations, options)
    candidates = [each for each in migrations if each.version in options.only and _is_candidate(each, found)]
    if not candidates:
        return ()
    last = migrations.index(candidates[-1])
    with TemporaryDirectory(prefix="dbmigrate-fix-") as directory:
        run = _Run(migrations[: last + 1], candidates, options, found, Path(directory))
        effects = outside_effects.of_all(run.migrations)
        with choose.open_server(replace(choice, effects=effects, spared=choice.target)) as server:
            return run.results(server)


def _findings(migrations: Sequence[Migration], options: Options) -> dict[str, tuple[Problem, ...]]:
    """The findings by path, without accepted ones."""
    every = options.known(lint(migrations, config=options.config, only=options.only, unapplied=options.unapplied))
    by_path: dict[str, list[Problem]] = {}
    for problem in every:
        if problem.place is not None:
            by_path.setdefault(problem.place.path, []).append(problem)
    return {path: tuple(problems) for path, problems in by_path.items()}


def _is_candidate(migration: Migration, found: dict[str, tuple[Problem, ...]]) -> bool:
    codes = {problem.code for problem in found.get(migration.file.path, ())}
    return bool(codes & FIXABLE) or _alters_domain(migration)


def _alters_domain(migration: Migration) -> bool:
    ups = (section for section in migration.sections if section.direction is Direction.UP)
    statements = (each for section in ups for each in section.statements or ())
    return any("domain" in each.sql[:20].lower() and isinstance(shape_of(each.sql), AlterObject) for each in statements)


def text_of(path: str) -> str:
    """The text of a file that was read before, without a byte order mark."""
    return Path(path).read_bytes().removeprefix(codecs.BOM_UTF8).decode()


@dataclass(slots=True)
class _Run:
    """The work on all files of one run."""

    migrations: Sequence[Migration]
    candidates: Sequence[Migration]
    options: Options
    found: dict[str, tuple[Problem, ...]]
    directory: Path
    reasons: dict[str, str] = field(default_factory=dict)

    def results(self, server: ScratchServer) -> tuple[FileResult, ...]:
        texts = {each.version: text_of(each.file.path) for each in self.candidates}
        wanted = frozenset(texts)
        runnable = [self._runnable(each, texts.get(each.version, "")) for each in self.migrations]
        originals = tried(server, self.options.table, runnable, wanted)
        made: dict[str, Fixed] = {}
        for each in self.candidates:
            original = originals.get(each.version)
            if isinstance(original, Tried):
                made[each.version] = fixed(self._request(each, texts[each.version], original))
            else:
                made[each.version] = Fixed(texts[each.version])
                self.reasons[each.version] = _why_not_run(original)
        proofs = self._proved(server, made, originals)
        return tuple(
            self._result(each, texts[each.version], made[each.version], (originals.get(each.version), proofs))
            for each in self.candidates
        )

    def _result(
        self,
        migration: Migration,
        text: str,
        made: Fixed,
        runs: tuple[Tried | tuple[Problem, ...] | None, dict[str, Tried]],
    ) -> FileResult:
        original, proof = runs[0], runs[1].get(migration.version)
        path = migration.file.path
        return FileResult(
            path,
            made,
            text,
            self.reasons.get(migration.version, ""),
            impact.unpriced(in_place(original.impacts, path)) if isinstance(original, Tried) else (),
            impact.unpriced(in_place(proof.impacts, path)) if proof else (),
        )

    def _request(self, migration: Migration, text: str, original: Tried) -> Request:
        problems = self.found.get(migration.file.path, ())
        server = self.options.config.server
        splits, rare = self.options.allows_split, self.options.is_rare
        return Request(text, problems, original.before, original.after, server, splits, rare)

    def _runnable(self, migration: Migration, text: str) -> Migration:
        """A file that uses a new enum value in the same transaction fails as it is: that much is rewritten at once."""
        problems = tuple(each for each in self.found.get(migration.file.path, ()) if each.code == _ENUM)
        if not text or not problems:
            return migration
        made = fixed(Request(text, problems, Facts(), Facts(), self.options.config.server, allows_split=True))
        return self._written(migration, made.text)

    def _written(self, migration: Migration, text: str) -> Migration:
        """The migration with another text, in a file of ours. Raises MigrationFileError."""
        path = self.directory / migration.name
        path.write_bytes(text.encode())
        return self.options.bind(parser.read(MigrationFile(migration.version, migration.name, str(path))))

    # -- the proof

    def _proved(self, server: ScratchServer, made: dict[str, Fixed], originals: Runs) -> dict[str, Tried]:
        """Run the rewritten files; one that is not right is left out, and the others are run again without it."""
        while True:
            offered = {version for version, each in made.items() if each.changes and version not in self.reasons}
            if not offered:
                return {}
            migrations = self._rewritten(made, offered)
            offered -= set(self.reasons)
            proofs = tried(server, self.options.table, migrations, offered)
            wrong = self._wrong(migrations, offered, proofs, originals)
            if not wrong:
                return {version: proof for version, proof in proofs.items() if isinstance(proof, Tried)}
            self.reasons |= wrong

    def _rewritten(self, made: dict[str, Fixed], offered: set[str]) -> list[Migration]:
        migrations = []
        for each in self.migrations:
            try:
                text = made[each.version].text if each.version in offered else ""
                migrations.append(self._written(each, text) if text else each)
            except MigrationFileError as exc:
                self.reasons[each.version] = exc.message
                migrations.append(each)
        return migrations

    def _wrong(
        self, migrations: Sequence[Migration], offered: set[str], proofs: Runs, originals: Runs
    ) -> dict[str, str]:
        findings = _findings(migrations, replace(self.options, only=frozenset(offered), known=tuple))
        wrong: dict[str, str] = {}
        for migration in migrations:
            version = migration.version
            if version not in offered:
                continue
            proof, original = proofs.get(version), originals.get(version)
            reason = _wrong(proof, original)
            if not reason:
                old = next(each for each in self.migrations if each.version == version)
                new = findings.get(migration.file.path, ())
                kept = [each for each in new if not (self.options.is_rare and each.code in _RARE)]
                reason = _new_finding(self._of_original(old), kept)
            if reason:
                wrong[version] = reason
                if not isinstance(proof, Tried):
                    break  # those after it were not run
        return wrong

    def _of_original(self, migration: Migration) -> tuple[Problem, ...]:
        return self.found.get(migration.file.path, ())


def _why_not_run(problems: tuple[Problem, ...] | Tried | None) -> str:
    if isinstance(problems, tuple) and problems:
        return f"the file itself does not run on a scratch database: {problems[0].message}"
    return "an earlier migration does not run on a scratch database"


def _wrong(proof: Tried | tuple[Problem, ...] | None, original: Tried | tuple[Problem, ...] | None) -> str:
    """What is wrong with a rewritten file; empty if it is as good as the original."""
    if not isinstance(proof, Tried) or not isinstance(original, Tried):
        problems = proof if isinstance(proof, tuple) else ()
        return f"rewritten, it fails: {problems[0].message}" if problems else "rewritten, it was not run"
    found = differences(original.catalog, proof.catalog)
    if found:
        return f"rewritten, it ends in another schema: {found[0]}"
    known = Counter(problem.code for problem in original.problems)
    new = [problem for problem in proof.problems if not known[problem.code]]
    return f"rewritten, it does not pass check: {new[0].message}" if new else ""


def _new_finding(old: Sequence[Problem], new: Sequence[Problem]) -> str:
    known = Counter(problem.code for problem in old)
    now = Counter(problem.code for problem in new if problem.code not in _OWN_WORDS)
    more = [code for code, number in now.items() if number > known[code]]
    found = next((problem for problem in new if problem.code in more), None)
    return f"rewritten, lint finds something new: {found.code} {found.message}" if found else ""


def bytes_of(path: str, text: str) -> bytes:
    """What is written for a text: with the byte order mark that the file has."""
    mark = codecs.BOM_UTF8 if Path(path).read_bytes().startswith(codecs.BOM_UTF8) else b""
    return mark + text.encode()
