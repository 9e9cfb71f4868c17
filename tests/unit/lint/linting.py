"""Lints a migration whose text the test gives."""

from __future__ import annotations

from pathlib import Path

from dbmigrate.lint import LintConfig, lint, selection
from dbmigrate.model import Problem

OWN = LintConfig(uses_squawk=False)


def problems(
    directory: Path, text: str, *, before: str = "", name: str = "add_things", config: LintConfig = OWN
) -> tuple[Problem, ...]:
    """The findings about a migration; `before` is the up section of an older one."""
    paths = [directory / "1_base.sql", directory / f"2_{name}.sql"]
    paths[0].write_text(f"-- migrate:up\n{before}\n-- migrate:down irreversible:true\n", "utf-8")
    paths[1].write_bytes(text.encode())
    chosen = selection.named([str(paths[1])])
    return (*chosen.problems, *lint(chosen.migrations, config=config, only=chosen.only))


def codes(directory: Path, up: str, *, options: str = "", before: str = "", config: LintConfig = OWN) -> list[str]:
    """``code:line`` of each finding in an up section whose first line is line 2."""
    text = f"-- migrate:up {options}\n{up}\n-- migrate:down irreversible:true\n"
    return [
        f"{each.code}:{each.place.line if each.place else ''}"
        for each in problems(directory, text, before=before, config=config)
    ]
