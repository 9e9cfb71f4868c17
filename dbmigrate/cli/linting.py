"""``lint`` as a part of ``check``: its findings, and which rules found nothing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dbmigrate.lint import LintConfig
    from dbmigrate.model import Migration, Problem
    from dbmigrate.settings.load import Settings

_IGNORES = re.compile(rb"dbmigrate:\s*ignore|squawk-ignore", re.IGNORECASE)


class Linting:
    """What `lint` finds in the migrations, by the project's configuration. Files changed `since` are applied nowhere.

    Without it, files changed since the branch began count, as for `lint`: the others are run, not reviewed. Afterwards
    `clean` has the rules that were on and found nothing, whatever the baseline says; none if a comment suppresses some.
    """

    def __init__(self, settings: Settings, since: str | None) -> None:
        from dbmigrate.lint import LintConfig, baseline

        self.clean: frozenset[str] = frozenset()
        self._settings = settings
        self._since = since
        self._config = LintConfig.from_mapping(settings.project.lint, path=f"{settings.project.path}: lint")
        self._known = baseline.read()

    def __call__(self, migrations: Sequence[Migration], meant: frozenset[str]) -> Iterable[Problem]:
        from dbmigrate.lint import UNREAD, lint, selection

        new = meant if self._since else selection.changed_here(self._settings.migrations_dirs).only
        only = meant if new is None else meant & new
        found = lint(migrations, config=self._config, only=only, unapplied=new or ())
        self.clean = clean_rules([each for each in migrations if each.version in only], found, self._config)
        read = [each for each in found if each.code != UNREAD]  # here the server itself reads every statement
        return read if self._known is None else self._known.new(read)


def clean_rules(looked_at: Sequence[Migration], found: Sequence[Problem], config: LintConfig) -> frozenset[str]:
    """The rules that are on and found nothing; none if a comment suppresses some, or a part was not read."""
    from dbmigrate.lint import RULES

    is_partial = any(problem.code == "W655" for problem in found)
    if not looked_at or is_partial or any(_IGNORES.search(Path(each.file.path).read_bytes()) for each in looked_at):
        return frozenset()
    codes = {problem.code for problem in found}
    return frozenset(code for code in RULES if config.is_on(code) and code not in codes)


def clean_in(versions: frozenset[str], settings: Settings) -> frozenset[str]:
    """The rules that find nothing in the files of these versions, which are applied nowhere yet."""
    from dbmigrate.lint import LintConfig, lint, selection
    from dbmigrate.migrations import variables

    config = LintConfig.from_mapping(settings.project.lint, path=f"{settings.project.path}: lint")
    chosen = selection.pending(settings.migrations_dirs, versions, settings.version_order)
    migrations = [variables.bound(each, settings.variables.for_checks()) for each in chosen.migrations]
    found = (*chosen.problems, *lint(migrations, config=config, only=versions, unapplied=versions))
    return clean_rules([each for each in migrations if each.version in versions], found, config)
