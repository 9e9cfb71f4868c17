"""The shape of the code, as data: which package may import which, where things have one home, and how long they may be.

`docs/explanation/architecture.md` explains it; its tables are compared with the data here.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import dbmigrate

PACKAGE = Path(dbmigrate.__file__).parent
DOCUMENT = PACKAGE.parent / "docs" / "explanation" / "architecture.md"

# The modules beside the packages, and what each of them may import of the others. Every package may import them.
GROUND: dict[str, str] = {
    "frozen": "",
    "services": "frozen",
    "warning_codes": "",
    "variables": "frozen",
    "model": "frozen variables",
    "reports": "frozen services model",
    "errors": "model reports warning_codes",
    "events": "frozen model reports",
    "environment_name": "",
    "version": "",
}
# From the bottom to the top: the packages that a package may import, annotation imports (TYPE_CHECKING) included.
PACKAGES: dict[str, str] = {
    "sql": "",
    "connection": "",
    "settings": "connection",
    "embedded": "connection",
    "projects": "settings",
    "backfill": "sql connection",
    "migrations": "sql backfill",
    "planning": "migrations",
    "tracking": "connection migrations planning",
    "execution": "sql connection backfill settings migrations planning tracking",
    "schema": "connection tracking execution",
    "catalog": "connection schema",
    "impact": "sql connection migrations execution",
    "scratch": "sql connection embedded migrations tracking execution schema impact",
    "importing": "sql migrations",
    "targets": "connection",
    "check": "sql connection migrations planning tracking execution schema catalog impact scratch",
    "lint": "sql connection backfill migrations tracking catalog impact scratch check",
    "patterns": "connection migrations execution scratch check lint",
    "losses": "sql connection migrations execution lint schema",
    "diagnostics": "connection tracking",
    "metrics": "tracking",
    "notify": "",
    "tracing": "",
    "api": "connection migrations planning tracking execution schema catalog scratch importing losses",
    "deploy": "connection settings migrations planning tracking execution schema api",
    "output": "connection planning catalog impact scratch importing check lint diagnostics api deploy projects targets",
    "reporting": "catalog impact planning output",
    "pytest_plugin": "connection settings embedded migrations scratch check api output",
    "pull_requests": "connection",
    "cli": "*",
}
# renderers are handed values and look nothing up: these they may import for annotations alone
ANNOTATIONS_ONLY = {"output": "scratch importing check lint diagnostics api deploy projects"}
ENTRY = {"__init__", "__main__"}
FLAT_MODULES = 11

# what is not in the standard library, and a few things of it that have one home
HOMES: dict[str, str] = {
    "typer": "cli",
    "sqlparse": "sql",
    "dotenv": "settings",
    "psycopg": "connection tracking execution schema catalog impact scratch losses check diagnostics pytest_plugin",
    "pytest": "pytest_plugin",
    "subprocess": "connection embedded deploy lint tracking schema diagnostics",
    "signal": "cli connection embedded deploy targets",
    "socket": "connection embedded diagnostics",
    "asyncio": "",
    "logging": "connection output tracing",
    "opentelemetry": "tracing",
}
MODULE_LINES, FUNCTION_LINES, PARAMETERS = 450, 45, 5
UNDOCUMENTED_LINES = 12  # up to here a name may say it all
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "shared", "tools"}


@dataclass(frozen=True)
class Module:
    """A module, its name below the package (`cli.main`), and the imports in it by how they happen."""

    name: str
    path: Path
    tree: ast.Module

    @property
    def unit(self) -> str:
        return self.name.split(".")[0]

    def imports(self, *, for_annotations: bool) -> Iterator[str]:
        """The full names that are imported, at the top and inside functions."""
        for node, is_typing in _walk(self.tree):
            if is_typing and not for_annotations:
                continue
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{self.path}:{node.lineno}: a relative import"
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _walk(node: ast.AST, *, is_typing: bool = False) -> Iterator[tuple[ast.AST, bool]]:
    """Every node below, and whether it stands under ``if TYPE_CHECKING``."""
    for child in ast.iter_child_nodes(node):
        guarded = is_typing or (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING")
        yield child, guarded
        yield from _walk(child, is_typing=guarded)


def _load(path: Path) -> Module:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    name = ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)
    return Module(name, path, ast.parse(path.read_text(encoding="utf-8")))


MODULES = [_load(path) for path in sorted(PACKAGE.rglob("*.py"))]
each_module = pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)


def imported_modules(module: Module, *, for_annotations: bool) -> set[str]:
    """The modules of the package that a module imports, by their names below it."""
    known = {each.name for each in MODULES}
    names = set()
    for full in module.imports(for_annotations=for_annotations):
        if full.startswith("dbmigrate."):
            name = full.removeprefix("dbmigrate.")
            while name and name not in known:
                name = name.rpartition(".")[0]
            names.add(name)
    return names - {module.name, ""}


def imported_units(module: Module, *, for_annotations: bool = True) -> set[str]:
    """The packages and ground modules that a module imports, but for its own."""
    units = {name.split(".")[0] for name in imported_modules(module, for_annotations=for_annotations)}
    return units - {module.unit}


# ------------------------------------------------------------------------------------------------------------- imports


def allowed_for(unit: str) -> set[str]:
    if unit in GROUND:
        return set(GROUND[unit].split())
    if unit in ENTRY or PACKAGES[unit] == "*":
        return {*GROUND, *PACKAGES} - {unit}
    return {*GROUND, *PACKAGES[unit].split()}


@each_module
def test_a_module_imports_only_packages_below_its_own(module: Module) -> None:
    assert module.unit in {*GROUND, *PACKAGES, *ENTRY}, "a new package has its place here and in architecture.md"

    assert imported_units(module) <= allowed_for(module.unit)


@each_module
def test_what_is_for_annotations_alone_is_not_imported_at_run_time(module: Module) -> None:
    forbidden = set(ANNOTATIONS_ONLY.get(module.unit, "").split())

    assert imported_units(module, for_annotations=False) & forbidden == set()


@pytest.mark.parametrize("layers", [GROUND, PACKAGES], ids=["ground", "packages"])
def test_the_list_goes_from_the_bottom_to_the_top(layers: dict[str, str]) -> None:
    order = list(layers)
    allowed = {unit: [name for name in names.split() if name != "*"] for unit, names in layers.items()}

    assert [(unit, name) for unit in order for name in allowed[unit] if order.index(name) >= order.index(unit)] == []


def test_nothing_is_allowed_that_nobody_imports() -> None:
    used: dict[str, set[str]] = {unit: set() for unit in {*GROUND, *PACKAGES}}
    for module in MODULES:
        used.setdefault(module.unit, set()).update(imported_units(module))

    unused = {unit: sorted(set(names.split()) - used[unit] - {"*"}) for unit, names in {**GROUND, **PACKAGES}.items()}

    assert {unit: names for unit, names in unused.items() if names} == {}


def test_no_module_imports_itself_by_any_way_annotations_included() -> None:
    graph = {module.name: imported_modules(module, for_annotations=True) for module in MODULES}
    initialisers = {module.name for module in MODULES if module.path.name == "__init__.py"}
    # a package's __init__ names what is inside; what is inside never asks it
    TopologicalSorter({name: names - initialisers for name, names in graph.items()}).prepare()  # raises CycleError


def test_few_modules_stand_beside_the_packages() -> None:
    flat = {module.name for module in MODULES if "." not in module.name and module.path.name != "__init__.py"}

    assert flat == {*GROUND, "__main__"} - {"model"}  # a package, because of its size
    assert len(flat | ENTRY) <= FLAT_MODULES


@cache
def reachable(name: str) -> frozenset[str]:
    """Every module that runs, sooner or later, because of one: directly, or through others."""
    graph = {module.name: imported_modules(module, for_annotations=False) for module in MODULES}
    reached: set[str] = set()
    waiting = [module.name for module in MODULES if module.name == name or module.name.startswith(f"{name}.")]
    while waiting:
        current = waiting.pop()
        if current not in reached:
            reached.add(current)
            waiting += graph[current]
    return frozenset(reached)


@pytest.mark.parametrize(
    ("unit", "never"),
    [
        ("model", "errors"),
        ("planning.plan", "connection.database"),
        ("output", "connection.database"),
        ("api", "cli"),
        ("api", "output"),
        ("api", "settings.load"),
        ("migrations", "connection"),
        ("embedded", "connection.database"),
        ("sql", "errors"),
    ],
)
def test_some_things_must_not_meet_by_any_way(unit: str, never: str) -> None:
    """Not even through others: the pure parts stay pure, and the Python API needs no command line."""
    assert {name for name in reachable(unit) if name == never or name.startswith(f"{never}.")} == set()


@each_module
def test_what_has_a_home_is_imported_there_alone(module: Module) -> None:
    imported = {name.split(".")[0] for name in module.imports(for_annotations=True)}
    foreign = imported - sys.stdlib_module_names - {"dbmigrate", "__future__"}

    assert foreign <= set(HOMES), "a library needs a home"
    assert [name for name in imported & set(HOMES) if module.unit not in HOMES[name].split()] == []


# --------------------------------------------------------------------------------------------------------------- homes


def dotted(node: ast.AST) -> str:
    """``os.environ`` for the expression that says so; else nothing."""
    return ast.unparse(node) if isinstance(node, ast.Name | ast.Attribute) else ""


def found(what: Callable[[ast.AST], bool]) -> dict[str, list[int]]:
    """The lines, by module, of the nodes that are meant."""
    places: dict[str, list[int]] = {}
    for module in MODULES:
        for node in ast.walk(module.tree):
            if what(node):
                places.setdefault(module.name, []).append(node.lineno)  # type: ignore[attr-defined]
    return places


@pytest.mark.parametrize(
    ("expressions", "homes"),
    [
        ({"print", "input", "breakpoint", "pprint.pprint"}, set()),
        ({"sys.stdout", "sys.stderr"}, {"cli.main", "cli.piping", "output.renderer"}),
        ({"sys.argv"}, {"cli.main", "cli.commands.demo"}),
        ({"sys.exit", "os._exit", "exit", "quit", "SystemExit"}, {"cli.main"}),
        # git has to see the environment of its user
        (
            {"os.environ", "os.getenv", "os.putenv", "os.environb"},
            {"cli.call", "tracking.provenance", "pytest_plugin.project"},
        ),
        ({"os.getcwd", "Path.cwd"}, {"cli.call", "cli.commands.demo", "pytest_plugin.project"}),
        ({"os.chdir", "os.umask", "os.system", "os.popen"}, {"schema.file"}),
        ({"eval", "exec", "compile", "__import__"}, set()),
    ],
    ids=lambda value: min(value, default="nowhere"),
)
def test_what_touches_the_process_is_done_in_few_places(expressions: set[str], homes: set[str]) -> None:
    assert set(found(lambda node: dotted(node) in expressions)) <= homes


def test_no_handler_catches_everything() -> None:
    broad = {"Exception", "BaseException"}

    def is_broad(node: ast.AST) -> bool:
        if isinstance(node, ast.ExceptHandler):
            kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
            return any(kind is None or dotted(kind) in broad for kind in kinds)
        is_suppress = isinstance(node, ast.Call) and dotted(node.func).endswith("suppress")
        return is_suppress and any(dotted(argument) in broad for argument in node.args)

    assert found(is_broad) == {}


def test_an_error_that_is_raised_from_a_handler_names_its_cause() -> None:
    def hides_its_cause(node: ast.AST) -> bool:
        return isinstance(node, ast.ExceptHandler) and any(
            isinstance(inner, ast.Raise) and inner.exc is not None and inner.cause is None
            for statement in node.body
            for inner in ast.walk(statement)
        )

    assert found(hides_its_cause) == {}


@pytest.mark.parametrize(
    ("word", "home"),
    [
        ("pg_dump", "connection.programs"),
        ("pg_config", "connection.programs"),
        ("--schema-only", "schema.pgdump"),
        ("--format=custom", "schema.pgdump"),
    ],
)
def test_programs_are_found_in_one_module_and_pg_dump_is_run_in_one(word: str, home: str) -> None:
    assert set(found(lambda node: isinstance(node, ast.Constant) and node.value == word)) == {home}


def test_no_module_is_called_after_nothing_in_particular() -> None:
    named = [module.name for module in MODULES if module.path.stem in FORBIDDEN_NAMES]

    assert named == ["importing.tools"]  # there a tool is what it is about


# ------------------------------------------------------------------------------------------------------------- lengths


def functions(module: Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def net_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """The lines of a function without its docstring."""
    first = function.body[0]
    has_docstring = ast.get_docstring(function, clean=False) is not None
    documented = (first.end_lineno or 0) - first.lineno + 1 if has_docstring else 0
    return (function.end_lineno or 0) - function.lineno + 1 - documented


@each_module
def test_a_module_can_be_read_in_one_sitting(module: Module) -> None:
    lines = module.path.read_text(encoding="utf-8").count("\n")

    assert lines <= MODULE_LINES


@each_module
def test_a_function_fits_on_a_screen(module: Module) -> None:
    assert [each.name for each in functions(module) if net_lines(each) > FUNCTION_LINES] == []


@pytest.mark.parametrize(
    "module",
    [module for module in MODULES if module.unit != "cli"],  # there, the options of a command are its parameters
    ids=lambda module: module.name,
)
def test_a_function_has_few_parameters(module: Module) -> None:
    def parameters(each: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
        given = [*each.args.posonlyargs, *each.args.args, *each.args.kwonlyargs]
        return len([argument for argument in given if argument.arg not in ("self", "cls")])

    too_many = [each.name for each in functions(module) if parameters(each) > PARAMETERS]

    # an error is told once, whole, where it arises
    assert too_many == (["__init__"] if module.name == "errors" else [])


@each_module
def test_the_module_and_what_it_offers_is_documented(module: Module) -> None:
    public = [
        node
        for node in module.tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
    ]

    assert ast.get_docstring(module.tree)
    assert [
        node.name
        for node in public
        if not ast.get_docstring(node) and (node.end_lineno or 0) - node.lineno >= UNDOCUMENTED_LINES
    ] == []


def test_half_of_the_functions_are_not_longer_than_eight_lines() -> None:
    lengths = sorted(net_lines(each) for module in MODULES for each in functions(module))

    assert lengths[len(lengths) // 2] <= 8
    assert lengths[len(lengths) * 9 // 10] <= 25


# ------------------------------------------------------------------------------------------------------- the document


def rows(heading: str) -> dict[str, str]:
    """The last cell by the first one of the table under a heading of the document, without back-ticks."""
    text = DOCUMENT.read_text(encoding="utf-8").split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("| `")]
    cells = [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in lines]
    return {first: last.replace("`", "").replace(",", " ") for first, *_, last in cells}


def test_the_document_has_every_package_and_what_it_may_import() -> None:
    documented = {unit: names for unit, names in rows("The packages").items() if unit in PACKAGES}

    assert list(documented) == list(PACKAGES)
    assert {unit: set(names.split()) for unit, names in documented.items()} == {
        unit: {"everything"} if names == "*" else set(names.split()) or {"nothing"} for unit, names in PACKAGES.items()
    }


def test_the_document_says_where_the_libraries_live() -> None:
    documented = {library: set(names.split()) for library, names in rows("One home each").items()}
    libraries = {name: set(homes.split()) for name, homes in HOMES.items() if name not in sys.stdlib_module_names}

    assert documented == {name: homes for name, homes in libraries.items() if homes}


@each_module
def test_possessive_quantifiers_stand_behind_single_characters(module: Module) -> None:
    """Python 3.11.2 to 3.11.4 match ``(?:...)*+`` and atomic groups wrongly: https://github.com/python/cpython/issues/106052"""
    assert re.findall(r"\)[*+?]\+|\(\?>", module.path.read_text(encoding="utf-8")) == []
