"""The shape of the code, as data: who may import whom, where things have their one home, and how long they may be.

`docs/explanation/architecture.md` explains it; its tables are compared with the data here.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import dbmigrate

PACKAGE = Path(dbmigrate.__file__).parent
DOCUMENT = PACKAGE.parent / "docs" / "explanation" / "architecture.md"

# A unit is a module of the package, or a sub-package as a whole. From the bottom to the top: no unit may import one
# that is not named here, lazily neither. Imports for annotations alone (TYPE_CHECKING) are free.
MAY_IMPORT: dict[str, str] = {
    "values": "",
    "order": "",
    "model": "order values",
    "events": "values",
    "errors": "",
    "planhash": "errors",
    "keywords": "",
    "redaction": "",
    "durations": "errors",
    "health": "errors redaction values",
    "deployconfig": "durations errors health values",
    "pgservice": "keywords",
    "dsn": "errors keywords redaction",
    "envfile": "errors model values",
    "environments": "",
    "variables": "values",
    "project": "errors model values variables",
    "config": "dsn durations envfile errors keywords pgservice project values variables",
    "othertools": "values",
    "placement": "model othertools values",
    "lookup": "envfile errors keywords pgservice values variables",
    "config": "dsn durations envfile environments errors lookup order project values variables",
    "lexer": "",
    "statements": "lexer model values",
    "headers": "model values",
    "source": "errors model values",
    "cuts": "",
    "sections": "errors model statements",
    "fingerprint": "lexer model statements",
    "leftsettings": "lexer values",
    "sections": "leftsettings model statements",
    "fingerprint": "lexer",
    "pieces": "lexer model statements",
    "reruns": "errors headers lexer pieces source",
    "parser": "cuts fingerprint headers lexer model othertools pieces reruns sections source statements",
    "files": "errors model othertools values",
    "parser": "cuts fingerprint headers leftsettings lexer model pieces reruns sections source statements",
    "files": "errors model",
    "verification": "errors model parser source",
    "plan": "errors model",
    "parser": "cuts errors fingerprint headers lexer model pieces reruns sections source statements",
    "files": "errors model",
    "verification": "errors model order parser source",
    "plan": "errors model order",
    "guards": "errors model values",
    "fleet": "errors model order values",
    "database": "errors events values",
    "fleet": "errors model values",
    "silence": "",
    "database": "errors events silence values",
    "fleet": "errors model values",
    "login_hints": "",
    "database": "errors events login_hints values",
    "wire": "values",
    "locks": "database errors events values",
    "monitor": "database errors locks",
    "tableshape": "errors othertools values",
    "history": "database errors model tableshape values",
    "whereabouts": "database errors history model othertools placement values verification",
    "surroundings": "database errors model othertools values",
    "monitor": "database errors locks silence",
    "history": "database errors model values",
    "journal": "model values",
    "outcomes": "values",
    "indexes": "database lexer outcomes statements values",
    "partitions": "database lexer outcomes values",
    "probes": "database indexes lexer outcomes partitions statements values",
    "units": "model parser statements values wire",
    "diagnosis": "database errors model redaction wire",
    "provenance": "database errors journal",
    "session": "database errors events history journal locks model monitor surroundings values whereabouts wire",
    "writing": "database errors events silence wire",
    "session": "database errors events history journal locks model monitor silence values wire writing",
    "pacing": "diagnosis durations errors events values wire",
    "textsettings": "errors lexer model",
    "stepwise": "database diagnosis errors history indexes locks model pacing partitions statements textsettings units "
    "wire",
    "recovery": "database diagnosis errors events indexes journal model partitions statements stepwise units values",
    "executor": "database diagnosis errors events journal model pacing parser session stepwise wire",
    "stepwise": "database diagnosis errors history indexes locks model pacing partitions statements units wire writing",
    "recovery": "database diagnosis errors events indexes journal model partitions silence statements stepwise units "
    "values writing",
    "stepwise": "database diagnosis errors history indexes locks model outcomes pacing probes statements units wire",
    "recovery": "database diagnosis errors events journal lexer model outcomes probes statements stepwise units values",
    "executor": "database diagnosis errors events model pacing parser session stepwise wire",
    "dryrun": "database executor history parser planhash stepwise units",
    "schema": "database errors events history model values wire",
    "executor": "database diagnosis errors events model pacing parser session stepwise textsettings wire",
    "psqltext": "errors lexer",
    "dryrun": "database executor history journal lexer parser planhash psqltext stepwise textsettings units",
    "schema": "database errors events history model values",
    "schema": "database errors events history model silence values",
    "backup": "database errors schema values",
    "catalog": "database schema values",
    "workbench": "database dsn errors events executor files history model pacing parser plan planhash provenance "
    "schema session surroundings values",
    "impact": "database diagnosis dsn errors executor lexer model parser partitions statements units values wire",
    "embedded": "errors values",
    "scratch": "database dsn embedded errors values",
    "schemacopy": "database errors history impact model parser schema scratch values",
    "lockreport": "database errors impact model schemacopy scratch values",
    "remedies": "",
    "drift": "catalog database errors events files model plan remedies schema schemacopy scratch values verification "
    "workbench",
    "reach": "database errors lexer model parser statements",
    "sameserver": "database",
    "confinement": "database",
    "removal": "database errors",
    "scratchserver": "confinement database errors reach removal values",
    "scratch": "confinement database dsn embedded errors reach removal sameserver scratchserver values",
    "schemacopy": "database errors history impact model parser reach schema scratch values",
    "lockreport": "database errors impact model reach schemacopy scratch values",
    "drift": "catalog database errors events files model parser plan reach schema schemacopy scratch values workbench",
    "trial": "database diagnosis errors executor parser wire",
    "rehearsal": "database errors executor history model pacing provenance reach schemacopy scratch session trial "
    "values",
    "queries": "database errors lexer model parser statements values",
    "lint": "errors files headers lexer model order parser provenance source values",
    "explanations": "errors lint values",
    "check": "catalog database errors files history impact model order parser plan provenance queries schema scratch "
    "check": "catalog database errors files history impact model parser plan provenance queries reach schema scratch "
    "session statements trial values",
    "migrator": "database dryrun errors events files history lockreport model parser plan planhash schema "
    "verification workbench",
    "rehearser": "database events files migrator model parser plan planhash rehearsal workbench",
    "undoing": "errors model",
    "deploy": "backup database deployconfig errors events files health history migrator model undoing values "
    "verification workbench",
    "upkeep": "database errors files history model plan provenance recovery values verification workbench",
    "demo": "errors",
    "output": "events fleet model redaction values",
    "cli": "catalog check config database demo deploy deployconfig drift durations embedded errors events "
    "explanations files fleet guards health impact lint lockreport migrator model output pacing parser "
    "planhash provenance queries redaction rehearser schema scratch upkeep values",
    "__main__": "cli",
    "__init__": "",
}

# what is not in the standard library, and a few things of it that have one home
HOMES: dict[str, str] = {
    "typer": "cli",
    "sqlparse": "lexer",
    "dotenv": "envfile",
    "psycopg": "catalog database diagnosis dryrun executor history impact monitor pacing queries schema schemacopy "
    "session stepwise surroundings trial whereabouts wire",
    "psycopg": "catalog database diagnosis dryrun executor history impact monitor pacing queries removal sameserver "
    "schema schemacopy session silence stepwise trial wire",
    "psycopg": "catalog database diagnosis dryrun executor history impact indexes monitor pacing queries schema "
    "schemacopy session stepwise trial wire",
    "subprocess": "embedded health lint provenance schema",
    "signal": "cli embedded health",
    "socket": "database embedded",
    "asyncio": "",
    "logging": "database",
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


def own_units(module: Module) -> set[str]:
    """The units of the package that a module imports when it runs, but for its own and the version."""
    known = {each.unit for each in MODULES}
    imported = (name.split(".")[1] for name in module.imports(for_annotations=False) if name.startswith("dbmigrate."))
    return {unit for unit in imported if unit in known} - {module.unit}


# ------------------------------------------------------------------------------------------------------------- imports


@each_module
def test_a_module_imports_only_what_it_may(module: Module) -> None:
    assert module.unit in MAY_IMPORT, "a new module has to be placed here and in docs/explanation/architecture.md"

    assert own_units(module) <= set(MAY_IMPORT[module.unit].split())


def test_nothing_is_allowed_to_what_is_gone() -> None:
    units = {module.unit for module in MODULES}

    assert set(MAY_IMPORT) == units
    assert {name for names in MAY_IMPORT.values() for name in names.split()} <= units


def test_what_is_allowed_has_no_cycle_and_stands_in_order() -> None:
    allowed = {unit: set(names.split()) for unit, names in MAY_IMPORT.items()}
    order = list(MAY_IMPORT)

    TopologicalSorter(allowed).prepare()  # raises CycleError

    assert not [(unit, name) for unit in order for name in allowed[unit] if order.index(name) > order.index(unit)]


@pytest.mark.parametrize("unit", sorted({module.unit for module in MODULES if "." in module.name}))
def test_the_modules_of_a_sub_package_have_no_cycle_either(unit: str) -> None:
    names = {module.name for module in MODULES if module.unit == unit}
    graph = {}
    for module in MODULES:
        if module.unit == unit:
            imported = {name.removeprefix("dbmigrate.") for name in module.imports(for_annotations=False)}
            imported |= {name.rpartition(".")[0] for name in imported}
            graph[module.name] = (imported & names) - {module.name, unit}

    TopologicalSorter(graph).prepare()  # raises CycleError


@each_module
def test_what_has_a_home_is_imported_there_alone(module: Module) -> None:
    imported = {name.split(".")[0] for name in module.imports(for_annotations=True)}
    foreign = imported - sys.stdlib_module_names - {"dbmigrate", "__future__"}

    assert foreign <= set(HOMES), "a library needs a home"
    assert [name for name in imported & set(HOMES) if module.unit not in HOMES[name].split()] == []


@pytest.mark.parametrize(
    ("unit", "never"),
    [
        ("model", "errors"),
        ("plan", "database"),
        ("output", "database"),
        ("migrator", "cli"),
        ("migrator", "output"),
        ("migrator", "config"),
        ("upkeep", "cli"),
        ("upkeep", "output"),
        ("upkeep", "config"),
        ("parser", "database"),
        ("embedded", "database"),
    ],
)
def test_some_things_must_not_meet_by_any_way(unit: str, never: str) -> None:
    """Not even through others: the pure parts stay pure, and the Python API needs no command line."""
    reached, waiting = set(), [unit]
    while waiting:
        current = waiting.pop()
        reached.add(current)
        waiting += set(MAY_IMPORT[current].split()) - reached

    assert never not in reached


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
        ({"sys.stdout", "sys.stderr"}, {"cli.call", "cli.main", "output.renderer"}),
        ({"sys.argv"}, {"cli.main", "cli.tour"}),
        ({"sys.exit", "os._exit", "exit", "quit", "SystemExit"}, {"cli.main"}),
        # git has to see the environment of its user
        ({"os.environ", "os.getenv", "os.putenv", "os.environb"}, {"cli.call", "provenance"}),
        ({"os.getcwd", "Path.cwd"}, {"cli.call", "cli.tour"}),
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


def test_pg_dump_is_called_in_the_schema_package_alone() -> None:
    homes = found(lambda node: isinstance(node, ast.Constant) and node.value == "pg_dump")

    assert {name.split(".")[0] for name in homes} == {"schema"}


def test_no_module_is_called_after_nothing_in_particular() -> None:
    assert [module.name for module in MODULES if module.path.stem in FORBIDDEN_NAMES] == []


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


def test_the_document_says_who_may_import_whom() -> None:
    documented = {unit: sorted(names.split()) for unit, names in rows("The modules").items()}
    allowed = {unit: sorted(names.split()) or ["nothing"] for unit, names in MAY_IMPORT.items()}

    assert documented == allowed


def test_the_document_says_where_the_libraries_live() -> None:
    documented = {library: set(names.split()) for library, names in rows("One home each").items()}
    libraries = {name: set(homes.split()) for name, homes in HOMES.items() if name not in sys.stdlib_module_names}

    assert documented == {name: homes for name, homes in libraries.items() if homes}


@each_module
def test_possessive_quantifiers_stand_behind_single_characters(module: Module) -> None:
    """Python 3.11.2 to 3.11.4 match ``(?:...)*+`` and atomic groups wrongly: https://github.com/python/cpython/issues/106052"""
    assert re.findall(r"\)[*+?]\+|\(\?>", module.path.read_text(encoding="utf-8")) == []
