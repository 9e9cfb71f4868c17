"""Writes what the documentation says about options, variables and codes, from the program itself.

    python docs/generate.py

A document holds ``<!-- generated: NAME -->`` and ``<!-- end -->``; what stands between them is replaced. A command or a
code that has no section yet gets one, behind that of the command or code before it. The tests compare the documents
with the program, so a forgotten run is noticed.
"""

from __future__ import annotations

import json
import re
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import typer

from dbmigrate import errors
from dbmigrate.cli.options import COMMON, VERBOSE
from dbmigrate.cli.program import app
from dbmigrate.cli.table import ENTRIES, GROUPS
from dbmigrate.lint import RULES
from dbmigrate.lint.squawk_rules import SQUAWK_RULES, link
from dbmigrate.model import Place
from dbmigrate.output.jsonlines import Json
from dbmigrate.output.renderer import Streams
from dbmigrate.settings import load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

ROOT = Path(__file__).resolve().parent.parent
_REGION = re.compile(r"(<!-- generated: (?P<name>[\w -]+) -->\n).*?(<!-- end -->)", re.DOTALL)

_TITLE = re.compile(r"^(### (?P<code>[EW]\d{3})\n\n\*\*)(?P<title>.+)\*\*$", re.MULTILINE)
_MEANINGS = {**errors.CODES, **errors.WARNINGS}

# of typer's private copy of click: the program with its commands
_GROUP: Any = typer.main.get_command(app)
_SHARED = frozenset((*COMMON, *VERBOSE, "help_all"))


class Parameter(Protocol):
    """What click knows of an option or an argument."""

    name: str
    opts: list[str]
    secondary_opts: list[str]
    help: str | None
    metavar: str | None
    required: bool
    is_flag: bool


def documents() -> list[Path]:
    """Every document of the project."""
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def command_names() -> list[str]:
    """The commands that the help shows, in its order."""
    return [entry.name for entry in ENTRIES]


def command(name: str) -> Any:  # noqa: ANN401 (a class that typer keeps private)
    """A command as typer made it."""
    return _GROUP.commands[name]


def aliases(name: str) -> list[str]:
    """The hidden names of a command."""
    return [alias for entry in ENTRIES if entry.name == name for alias in entry.aliases]


def options(name: str | None = None) -> list[str]:
    """The long options of a command; without a name, those before the command."""
    parameters = (_GROUP.commands[name] if name else _GROUP).params
    names = (name for parameter in parameters for name in (*parameter.opts, *parameter.secondary_opts))
    return [name for name in names if name.startswith("--")]


def regenerated(text: str) -> str:
    """A document with every generated part as it should be now."""
    text = _TITLE.sub(lambda found: f"{found[1]}{_MEANINGS.get(found['code'], found['title'])}**", text)
    return _REGION.sub(lambda found: f"{found[1]}\n{_region(found['name'])}\n{found[3]}", text)


def completed(text: str) -> str:
    """The command-line reference with a section for every command, the errors with one for every code."""
    if "<!-- generated: general" in text:
        sections = {name: f"<!-- generated: command {name} -->\n<!-- end -->" for name in command_names()}
    elif "<!-- generated: codes -->" in text:
        sections = {code: f"**{meaning}**" for code, meaning in _MEANINGS.items()}
    else:
        return text
    before = None
    for name, section in sections.items():
        if f"\n### {name}\n" not in text and before is not None:
            place = _end_of_section(text, before)
            text = f"{text[:place].rstrip()}\n\n### {name}\n\n{section}\n\n{text[place:]}".rstrip() + "\n"
        before = name
    return text


def _end_of_section(text: str, name: str) -> int:
    begin = text.index(f"\n### {name}\n") + 1
    found = re.compile(r"^##", re.MULTILINE).search(text, begin + 3)
    return found.start() if found else len(text)


def regions(text: str) -> list[str]:
    """The names of a document's generated parts."""
    return [found["name"] for found in _REGION.finditer(text)]


def _region(name: str) -> str:
    kind, _, argument = name.partition(" ")
    writers: dict[str, Callable[[str], Iterator[str]]] = {
        "agent-commands": _agent_commands,
        "agent-error": _agent_error,
        "agent-exits": _agent_exits,
        "codes": _codes,
        "command": _command,
        "commands": _commands,
        "general": _general,
        "lint-pages": _lint_pages,
        "lint-rules": _lint_rules,
        "numbers": _numbers,
        "squawk-rules": _squawk_rules,
        "variables": _variables,
    }
    return "\n".join(writers[kind](argument)) + "\n"


# ------------------------------------------------------------------------------------------------------------ commands


def _commands(link: str) -> Iterator[str]:
    """A table of the commands, linked to their sections. `link` is ``here`` inside the reference itself."""
    page = "" if link == "here" else "docs/reference/command-line.md"
    yield from _table_head("command", "what it does")
    for name in command_names():
        also = "".join(f", `{alias}`" for alias in aliases(name))
        yield f"| [`{name}`]({page}#{name}){also} | {_summary(_GROUP.commands[name].help)} |"


def _command(name: str) -> Iterator[str]:
    shown = command(name)
    yield f"{_summary(shown.help)}"
    yield ""
    yield "```text"
    yield " ".join(("dbmigrate", name, "[OPTIONS]", *(_argument(p) for p in shown.params if not _is_option(p))))
    yield "```"
    if also := aliases(name):
        yield ""
        yield "Also: " + ", ".join(f"`{alias}`" for alias in also) + "."
    own = [parameter for parameter in shown.params if _is_option(parameter) and not _is_shared(parameter)]
    if own:
        yield ""
        yield from _option_table(own)


def _argument(parameter: Parameter) -> str:
    return str(parameter.metavar or parameter.name.upper())


def _general(_: str) -> Iterator[str]:
    found = {parameter.name: parameter for parameter in (*_GROUP.commands["up"].params, *_GROUP.params)}
    yield from _option_table([found[name] for name in ("version", *COMMON, *VERBOSE)])


def _option_table(parameters: Iterable[Parameter]) -> Iterator[str]:
    yield from _table_head("option", "meaning")
    for parameter in parameters:
        names = ", ".join(f"`{name}`" for name in (*sorted(parameter.opts, key=len), *parameter.secondary_opts))
        value = f" `{parameter.metavar}`" if parameter.metavar and not parameter.is_flag else ""
        needed = " Required." if parameter.required else ""
        yield f"| {names}{value} | {_cell(parameter.help)}{needed}{_variable_of(parameter)} |"


def _variable_of(parameter: Parameter) -> str:
    names = [name for name, variable in load.VARIABLES.items() if variable.option in parameter.opts]
    return f" Variable: `{names[0]}`." if names else ""


def _is_shared(parameter: Parameter) -> bool:
    """Whether a command has the option as all others have it."""
    general = {each.name: each.help for each in (*_GROUP.commands["up"].params, *_GROUP.params)}
    return parameter.name in _SHARED and general[parameter.name] == parameter.help


def _is_option(parameter: Parameter) -> bool:
    return bool(parameter.opts[0].startswith("-"))


def _summary(text: str | None) -> str:
    return _cell((text or "").strip().split("\n\n")[0].replace("\n", " "))


# ------------------------------------------------------------------------------------------------------- coding agents


def _agent_commands(_: str) -> Iterator[str]:
    """The commands in the groups of the help, each with its example."""
    yield from _table_head("for", "command", "example")
    for group, entries in GROUPS.items():
        for entry in entries:
            yield f"| {group} | [`{entry.name}`](../reference/command-line.md#{entry.name}) | `{entry.example}` |"


def _agent_error(_: str) -> Iterator[str]:
    """An error as `--json` prints it, by the renderer itself."""
    error = errors.MigrationFailed(
        'relation "user" does not exist (42P01)',
        code="E401",
        hint="correct the file, then run `dbmigrate up` again; `dbmigrate status` shows what is applied",
        place=Place("db/migrations/20260301090000_create_users.sql", 3, 14),
        sqlstate="42P01",
    )
    error.state = "rolled back; nothing of 20260301090000_create_users.sql was applied"
    written = StringIO()
    Json(Streams(written, StringIO())).error(error)
    yield "```json"
    yield from json.dumps(json.loads(written.getvalue()), indent=2).splitlines()
    yield "```"


def _agent_exits(_: str) -> Iterator[str]:
    """The exit codes with their meanings, as the page about them has them."""
    page = (ROOT / "docs" / "reference" / "exit-codes.md").read_text(encoding="utf-8")
    yield from _table_head("exit code", "meaning", "errors")
    for line in page.splitlines():
        if re.match(r"\| \d", line):
            code, meaning, _, found = (cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1])
            yield f"| {code} | {meaning.replace('](', '](../reference/')} | {found} |"


# ------------------------------------------------------------------------------------------------- variables and codes


def _variables(_: str) -> Iterator[str]:
    yield from _table_head("variable", "default", "option", "key", "meaning")
    for name, variable in load.VARIABLES.items():
        twin = f"<br>also `{variable.twin}`" if variable.twin else ""
        default, option, key = _code(variable.default), _code(variable.option), _code(variable.key)
        yield f"| `{name}`{twin} | {default} | {option} | {key} | {_cell(variable.purpose)} |"


def _codes(_: str) -> Iterator[str]:
    yield from _table_head("code", "exit", "meaning")
    for code, meaning in errors.CODES.items():
        exit_code = code[1:] if code in ("E130", "E143") else code[1]
        yield f"| [{code}](#{code.lower()}) | {exit_code} | {_cell(meaning)} |"
    for code, meaning in errors.WARNINGS.items():
        yield f"| [{code}](#{code.lower()}) | | {_cell(meaning)} |"


def _lint_rules(_: str) -> Iterator[str]:
    yield from _table_head("code", "name", "severity", "finds")
    for rule in RULES.values():
        optional = ", off unless enabled" if rule.is_optional else ""
        yield f"| [{rule.code}](#{rule.code.lower()}) | {rule.name} | {rule.severity}{optional} | {_cell(rule.title)} |"


def _lint_pages(_: str) -> Iterator[str]:
    """The pages as `explain` shows them, below the headings of their files."""
    for path in sorted((ROOT / "dbmigrate" / "lint" / "pages").glob("*.md"), key=_first_code):
        yield re.sub("^# ", "## ", path.read_text(encoding="utf-8").strip())
        yield ""


def _first_code(path: Path) -> str:
    return min(re.findall(r"^### (\w+)", path.read_text(encoding="utf-8"), re.MULTILINE))


def _squawk_rules(_: str) -> Iterator[str]:
    yield from _table_head("rule", "finds", "here")
    for rule in SQUAWK_RULES.values():
        ours = [own.code for own in RULES.values() if rule.name in own.squawk]
        instead = f" ({', '.join(ours)})" if ours else ""
        yield f"| [{rule.name}]({link(rule.name)}) | {_cell(rule.meaning)} | {rule.treatment.value}{instead} |"


def _numbers(_: str) -> Iterator[str]:
    """What the first page quotes of the measurements and of the linter's corpus."""
    plain, default = (_waits(way) for way in ("without a limit", "as by default"))
    bad, good = (sum(1 for name in names for _ in (ROOT / "tests/lint_corpus").glob(name)) for names in _CORPUS)
    yield f"- **{default} instead of {plain}**: the longest that a writer of a table waits while a reader holds it for"
    yield "  six seconds and a migration alters it. The first is dbmigrate's default; the second has no lock"
    yield "  timeout. [All measurements](bench/RESULTS.md) name also the cases where dbmigrate is slower than dbmate."
    yield f"- **{bad} of {bad}, and 0 of {good}**: `lint` finds every one of the {bad} dangerous migrations in its"
    yield f"  [corpus](tests/support/lint_corpus.py), and nothing in the {good} safe ones. The corpus is our own, so it"
    yield "  lacks the hazards that we did not think of."


_CORPUS = (("dangerous/*.sql", "library/hazards/*.sql"), ("safe/*.sql", "library/safe/*.sql"))


def _waits(way: str) -> str:
    """The longest wait of a writer with one way to wait for locks, in seconds."""
    row = next(line for line in _results().splitlines() if line.startswith(f"| {way}"))
    return f"{float(row.split('|')[3].split()[0]) / 1000:.2g} s"


def _results() -> str:
    return (ROOT / "bench" / "RESULTS.md").read_text(encoding="utf-8")


def _table_head(*titles: str) -> Iterator[str]:
    yield "| " + " | ".join(titles) + " |"
    yield "|" + "---|" * len(titles)


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _cell(text: str | None) -> str:
    return (text or "").replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    for path in documents():
        old = path.read_text(encoding="utf-8")
        if (new := regenerated(completed(old))) != old:
            path.write_text(new, encoding="utf-8")
