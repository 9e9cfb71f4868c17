"""``dbmigrate init``."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from dbmigrate.cli.call import Call
from dbmigrate.cli.commands import merge_driver
from dbmigrate.cli.options import common
from dbmigrate.model import Problem, Severity
from dbmigrate.settings.variables import VARIABLES

if TYPE_CHECKING:
    from dbmigrate.projects.values import Made
    from dbmigrate.settings.load import Settings


@common
def init(
    call: Call,
    workflow: Annotated[
        bool, typer.Option("--workflow", help="GitHub workflows, too: check pull requests, migrate, staging.")
    ] = False,
    compose: Annotated[bool, typer.Option("--compose", help="Services for Docker Compose, too.")] = False,
    make: Annotated[bool, typer.Option("--make", help="Targets for make, too: db-migrate, db-info ...")] = False,
    npm: Annotated[bool, typer.Option("--npm", help="Scripts for npm, too: db:migrate, db:info ...")] = False,
    hooks: Annotated[
        bool, typer.Option("--hooks", help="Hooks of git, too: make the schema file after each merge and rebase.")
    ] = False,
) -> None:
    """Make a project in this directory; what is there stays as it is."""
    from dbmigrate.output import initialising
    from dbmigrate.projects import init as projects
    from dbmigrate.projects.values import Choices, Layout
    from dbmigrate.schema import merge_driver as driver

    settings = call.settings()
    if hooks:
        driver.refuse_elsewhere(settings.schema_file)
    line = _merge_line(settings.schema_file)
    layout = Layout(settings.migrations_dirs, settings.seeds_dir, settings.schema_file, _given(settings), line)
    made = _in_this_clone(call, projects.make(".", layout, Choices(workflow, compose, make, npm)), hooks=hooks)
    call.renderer.outcome("init", initialising.lines(made), initialising.value(made))
    call.warn(made.notes)


def _merge_line(schema_file: str) -> str:
    """The line for the merge driver; none for a schema file that is not below this directory."""
    from dbmigrate.schema.merge_driver import attribute_line

    is_below = not os.path.isabs(schema_file) and not os.path.normpath(schema_file).startswith("..")
    return attribute_line(os.path.normpath(schema_file)) if is_below else ""


def _in_this_clone(call: Call, made: Made, *, hooks: bool) -> Made:
    """Set up the merge driver of the schema file; nothing outside of a repository, or where another has the file."""
    from dbmigrate.schema import merge_driver as driver

    holder = driver.holder(call.settings().schema_file)
    if hooks or holder == driver.NAME:
        return replace(made, clone=merge_driver.set_up(call, hooks=hooks).changes)
    if _is_early(call, made):
        message = "there is no git repository here yet: the merge driver that .gitattributes names is not set up"
        note = Problem("W398", message, Severity.NOTE, hint="after git init, call `dbmigrate init` again")
    elif holder == "":
        message = ".gitattributes names no merge driver for the schema file: branches that both change it conflict"
        hint = "`dbmigrate merge-driver --install` adds the line, and sets this clone up"
        note = Problem("W723", message, Severity.NOTE, hint=hint)
    else:
        return made
    return replace(made, notes=(*made.notes, note))


def _is_early(call: Call, made: Made) -> bool:
    """Whether the merge driver has just been named where there is no repository whose configuration could have it."""
    from dbmigrate.tracking import git

    is_named = ".gitattributes" in made.created and _merge_line(call.settings().schema_file) != ""
    return is_named and git.ask(".", "rev-parse", "--git-dir") is None


def _given(settings: Settings) -> dict[str, str]:
    """What the options of this call say, by the keys of the project file: it keeps them for the next ones."""
    values = {
        "DBMIGRATE_MIGRATIONS_DIR": ",".join(settings.migrations_dirs),
        "DBMIGRATE_MIGRATIONS_TABLE": settings.migrations_table,
        "DBMIGRATE_SCHEMA_FILE": settings.schema_file,
        "DBMIGRATE_VERSION_ORDER": settings.version_order.value,
    }
    is_option = {name: settings.origins[name] == VARIABLES[name].option for name in values}
    return {VARIABLES[name].key: value for name, value in values.items() if is_option[name]}
