"""``dbmigrate init``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from dbmigrate.cli.call import Call
from dbmigrate.cli.options import common
from dbmigrate.settings.variables import VARIABLES

if TYPE_CHECKING:
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
) -> None:
    """Make a project in this directory; what is there stays as it is."""
    from dbmigrate.output import initialising
    from dbmigrate.projects import init as projects
    from dbmigrate.projects.values import Choices, Layout

    settings = call.settings()
    layout = Layout(settings.migrations_dirs, settings.seeds_dir, settings.schema_file, _given(settings))
    made = projects.make(".", layout, Choices(workflow, compose, make, npm))
    call.renderer.outcome("init", initialising.lines(made), initialising.value(made))
    call.warn(made.notes)


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
