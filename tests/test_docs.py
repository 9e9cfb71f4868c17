"""The documentation says what the program does: names are compared with it, examples are run and compared."""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import psycopg
import pytest

from dbmigrate import errors
from dbmigrate.cli.table import ENTRIES, Entry
from dbmigrate.errors import MigrationFileError
from dbmigrate.migrations import headers, parser
from dbmigrate.model import Migration, MigrationFile
from dbmigrate.planning import annotation_faults
from dbmigrate.settings import load
from tests.support import environment
from tests.support.databases import MakeDatabase
from tests.support.projects import Project

ROOT = Path(__file__).resolve().parent.parent


def _load_generator() -> ModuleType:
    """``docs`` is not a package: others of that name may be installed."""
    spec = importlib.util.spec_from_file_location("generate_docs", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


generate = _load_generator()
TEXTS: dict[str, str] = {str(path.relative_to(ROOT)): path.read_text("utf-8") for path in generate.documents()}
MANUAL = {name: text for name, text in TEXTS.items() if name.startswith(("README", "docs/how-to", "docs/reference"))}
ALL_OPTIONS = {option for name in (None, *generate.command_names()) for option in generate.options(name)} | {"--help"}


def page(name: str) -> str:
    return TEXTS[f"docs/reference/{name}.md"]


# ------------------------------------------------------------------------------------------------------ parts of a page


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: its language, the words after it, its text.

    Its title is a file, the code of the error that refuses it, or what it is for.
    """

    language: str
    info: str
    text: str

    @property
    def title(self) -> str | None:
        found = re.search(r'title="([^"]+)"', self.info)
        return found[1] if found else None

    @property
    def file(self) -> str | None:
        """The file whose text it is."""
        return self.title if self.title and "." in self.title else None

    @property
    def refused_with(self) -> str | None:
        """The code of the error that refuses it as a migration."""
        return self.title if re.fullmatch(r"E\d{3}", self.title or "") else None


_FENCE = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(text: str) -> list[Block]:
    return [Block(language, info.strip(), body) for language, info, body in _FENCE.findall(text)]


def prose(text: str) -> str:
    return _FENCE.sub("", text)


def sections(text: str, *, level: int) -> dict[str, str]:
    """The parts below the headings of a level, by heading."""
    _, *parts = re.split(rf"^{'#' * level} (.+)$", prose(text), flags=re.MULTILINE)
    bodies = [re.split(r"^#+ ", body, flags=re.MULTILINE)[0] for body in parts[1::2]]
    return dict(zip(parts[::2], bodies, strict=True))


def anchors(text: str) -> set[str]:
    """The anchors that GitHub makes of the headings."""
    titles = re.findall(r"^#+ (.+)$", prose(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def shown_commands(text: str) -> Iterator[list[str]]:
    """The words of every command line of dbmigrate in a page, without its name."""
    lines = [line for block in blocks(text) if block.language in ("console", "sh") for line in block.text.splitlines()]
    for line in [*lines, *re.findall(r"`([^`\n]+)`", prose(text))]:
        found = re.search(r"(?:^|\$ |&& |: )dbmigrate (.+)", line)
        if found and "OPTIONS" not in line and "<" not in line:
            yield shlex.split(re.split(r" [>|&]| -- |; ", found[1])[0], comments=True)


# ------------------------------------------------------------------------------------------------------- the same names


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_the_help_of_the_program_and_of_a_command_say_the_same(entry: Entry) -> None:
    command = generate.command(entry.name)

    assert entry.summary == " ".join(command.help.split("\n\n")[0].split())


@pytest.mark.parametrize("name", TEXTS)
def test_generated_parts_are_what_the_program_says(name: str) -> None:
    assert generate.regenerated(TEXTS[name]) == TEXTS[name], "run: python docs/generate.py"


def test_generating_twice_changes_nothing() -> None:
    once = generate.regenerated("<!-- generated: codes -->\nold\n<!-- end -->\n")

    assert "E201" in once
    assert generate.regenerated(once) == once


@pytest.mark.parametrize(("name", "title"), [("command-line", "redo"), ("command-line", "help"), ("errors", "E202")])
def test_a_section_that_is_missing_is_made_where_it_belongs(name: str, title: str) -> None:
    whole = page(name)
    without = re.sub(rf"^### {title}\n.*?(?=^##|\Z)", "", whole, flags=re.MULTILINE | re.DOTALL)

    made = generate.regenerated(generate.completed(without))

    headings = re.compile(r"^##.*", re.MULTILINE)
    assert f"### {title}\n" not in without
    assert headings.findall(made) == headings.findall(whole)
    assert f"### {title}\n\n" in made


def test_the_title_of_a_code_is_made_from_the_program() -> None:
    old = "### E202\n\n**an older meaning**\n\nWhat to do.\n"

    assert generate.regenerated(old) == f"### E202\n\n**{errors.CODES['E202']}**\n\nWhat to do.\n"


def test_modules_that_a_page_names_exist() -> None:
    for name, text in TEXTS.items():
        for dotted in re.findall(r"`(dbmigrate(?:\.\w+)+)", prose(text)):
            if dotted != "dbmigrate.toml":
                assert resolved(dotted) is not None, f"{name}: {dotted}"
        for path in re.findall(r"`(dbmigrate/[\w/]+\.py)`", prose(text)):
            assert (ROOT / path).exists(), f"{name}: {path}"


def resolved(dotted: str) -> object:
    """A module, or what an attribute of one is."""
    module, _, attribute = dotted.rpartition(".")
    try:
        return importlib.import_module(dotted)
    except ModuleNotFoundError:
        return getattr(resolved(module), attribute) if attribute else None


def test_every_command_has_its_section_and_no_other_has_one() -> None:
    documented = [name for name in generate.regions(page("command-line")) if name.startswith("command ")]

    assert sorted(documented) == sorted(f"command {name}" for name in generate.command_names())
    assert set(generate.command_names()) <= anchors(page("command-line"))


@pytest.mark.parametrize("command", [None, *generate.command_names()])
def test_every_option_is_documented(command: str | None) -> None:
    own = set(generate.options(command)) - {"--help"}

    assert [option for option in own if not re.search(rf"[` ]{option}`", page("command-line"))] == []


@pytest.mark.parametrize("name", MANUAL)
def test_command_lines_in_a_page_exist(name: str) -> None:
    hidden = {alias for command in generate.command_names() for alias in generate.aliases(command)}
    for words in shown_commands(MANUAL[name]):
        options = {word.partition("=")[0] for word in words if word.startswith("--")}
        plain = [word for word in words if not word.startswith("-")]
        commands = [word for word in plain if word in {*generate.command_names(), *hidden}]

        assert commands or not plain, f"no command in: dbmigrate {shlex.join(words)}"
        known = set(generate.options(commands[0] if commands and commands[0] not in hidden else None)) | {"--help"}
        assert options <= known | set(generate.options()), f"no such option: dbmigrate {shlex.join(words)}"


def test_the_makefile_calls_the_program_as_it_is() -> None:
    calls = re.findall(r"\$\(BIN\)/dbmigrate (.+)", (ROOT / "Makefile").read_text("utf-8"))

    assert calls
    for command, *arguments in map(shlex.split, calls):
        assert command in generate.command_names()
        assert {word for word in arguments if word.startswith("--")} <= set(generate.options(command))


@pytest.mark.parametrize("name", MANUAL)
def test_options_in_the_prose_exist(name: str) -> None:
    named = set(re.findall(r"`(--[a-z][\w-]*)", prose(MANUAL[name])))

    others = {"--schema-only", "--dbmigrate-check", "--dbmigrate-create-db"}  # pg_dump's, and pytest's by the plugin
    assert named <= ALL_OPTIONS | others


def test_every_variable_is_documented_and_every_documented_one_is_read() -> None:
    known = {name for name in load.VARIABLES} | {variable.twin for variable in load.VARIABLES.values()}
    pattern = re.compile(r"\b(?:DBMIGRATE|DBMATE|DB)_[A-Z_]*[A-Z]\b")
    texts = {**MANUAL, ".env.example": (ROOT / ".env.example").read_text("utf-8")}

    for name, text in texts.items():
        found = {each for each in pattern.findall(text) if not each.startswith("DBMIGRATE_VAR_")}  # a migration's own
        assert found - known - {"DBMIGRATE_X", "DBMATE_X"} == set(), name
    assert [name for name in known - {""} if f"`{name}`" not in page("configuration")] == []


def test_every_exit_code_is_documented() -> None:
    documented = set(re.findall(r"^\| (\d+) \|", page("exit-codes"), re.MULTILINE))
    possible = {"0", "1", "130", "143", *(str(kind.exit_code) for kind in _error_classes() if kind is not errors.Error)}

    assert documented == possible


def _error_classes() -> list[type[errors.Error]]:
    return [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.Error)]


def test_every_error_class_is_in_the_python_api() -> None:
    named = set(re.findall(r"`([A-Z]\w+)`", sections(page("python-api"), level=2)["Errors"]))

    assert {kind.__name__ for kind in _error_classes()} - {"Error"} <= named


@pytest.mark.parametrize("code", [*errors.CODES, *errors.WARNINGS])
def test_every_code_has_a_section_that_says_more_than_its_meaning(code: str) -> None:
    body = sections(page("errors"), level=3)[code]
    meaning = {**errors.CODES, **errors.WARNINGS}[code]

    assert body.strip().startswith(f"**{meaning}**")
    assert len(body.replace(meaning, "").split()) >= 8


def test_no_code_is_documented_that_does_not_exist() -> None:
    known = {*errors.CODES, *errors.WARNINGS}
    documented = {title for title in sections(page("errors"), level=3) if re.fullmatch(r"[EW]\d{3}", title)}

    assert documented == known
    for name, text in TEXTS.items():
        assert set(re.findall(r"\b[EW]\d{3}\b", text)) <= known, name


@pytest.mark.parametrize("option", sorted(headers._OPTIONS))
def test_every_option_of_a_section_is_in_the_file_format(option: str) -> None:
    assert f"`{option}:" in page("file-format")


def test_both_tables_are_described_with_every_column(run, project: Project, database_url, query) -> None:
    project.migration("1_a", up="create table a ();")
    run("up", env={"DATABASE_URL": database_url})
    log = "select attname::text from pg_attribute where attnum > 0 and attrelid = 'schema_migrations_log'::regclass"
    columns = query(database_url, log)

    assert len(columns) > 15
    assert [name for (name,) in columns if f"`{name}`" not in page("tables")] == []


# --------------------------------------------------------------------------------------------------------------- links


@pytest.mark.parametrize("name", [*TEXTS, "db/README.md"])
def test_links_lead_somewhere(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(text)):
        path, _, anchor = target.partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        file = (ROOT / name).parent / path if path else ROOT / name

        assert file.exists(), target
        assert not anchor or anchor in anchors(file.read_text("utf-8")), target


def test_the_package_names_the_repository_that_the_pages_name() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    urls = {label: url for label, url in project["urls"].items() if label in ("Documentation", "Issues")}
    (repository,) = set(re.findall(r"repo: (\S+)", "".join(MANUAL.values())))

    assert len(urls) == 2
    assert all(url.startswith(f"{repository}/") for url in urls.values())


def test_the_first_page_begins_with_make_demo_and_make_test() -> None:
    commands = re.findall(r"^make \w+", TEXTS["README.md"], re.MULTILINE)

    assert commands[:2] == ["make demo", "make test"]


@pytest.mark.parametrize("name", TEXTS)
def test_every_page_is_reachable_from_the_first_one(name: str) -> None:
    assert name == "README.md" or f"({name})" in TEXTS["README.md"]


@pytest.mark.parametrize("name", TEXTS)
def test_places_in_a_page_are_places_on_any_machine(name: str) -> None:
    found = re.findall(
        r"(?<![\w./:>~@\]*-])/[a-z]\w*(?=/)", prose(TEXTS[name]) + "".join(b.text for b in blocks(TEXTS[name]))
    )

    assert set(found) <= {"/dev", "/etc", "/opt", "/run", "/tmp", "/usr", "/var"}


# ------------------------------------------------------------------------------------------------------------ SQL files


def sql_files() -> Iterator[tuple[str, Block]]:
    for name, text in MANUAL.items():
        for number, block in enumerate(blocks(text)):
            if block.language == "sql" and (block.file or block.refused_with or "-- migrate:up" in block.text):
                yield f"{name}:{number}", block


@pytest.mark.parametrize("block", [pytest.param(block, id=name) for name, block in sql_files()])
def test_migrations_in_a_page_are_accepted_or_refused_as_it_says(block: Block, tmp_path: Path) -> None:
    path = tmp_path / "1_example.sql"
    path.write_text(block.text, "utf-8")

    if block.refused_with:
        with pytest.raises(MigrationFileError) as caught:
            _as_pending(MigrationFile("1", path.name, str(path)))
        assert caught.value.code == block.refused_with
    else:
        assert _as_pending(MigrationFile("1", path.name, str(path))).problems == ()


def _as_pending(file: MigrationFile) -> Migration:
    """The migration, where nothing prevents that it is applied."""
    migration = parser.read(file)
    annotation_faults.refuse(annotation_faults.faults(migration))
    return migration


# ------------------------------------------------------------------------------------------------------------- sessions

# what differs from run to run, or from machine to machine
_VARIABLE: tuple[tuple[str, str], ...] = (
    (r"\b[0-9a-f]{64}\b", "SHA"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", "TIME"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d\b", "TIME"),
    (r"\b20(?!99)\d{12}", "VERSION"),
    (r'(?<="duration_ms": )[\d.]+', "DURATION"),
    (r"(?<= in )[\d.]+(?:µs|ms|s)$", "DURATION"),
    (r"(?<= after )[\d.]+(?:µs|ms|s)$", "DURATION"),
    (r"\(\+\d+ -\d+\)$", "(LINES)"),
    (r"\b[\d.]+ (?:ms|s)\b", "DURATION"),
    (r"(?:\S+@\S*/\S+|embedded:\S+)(?= ·)", "SERVER"),
    (r"\b\S+@[\w.-]+$", "PERSON"),
    (r"^Creating: .*", "Creating: DATABASE"),
)
_MARK = "-- done --"


def unified(line: str) -> str:
    for pattern, name in _VARIABLE:
        line = re.sub(pattern, name, line)
    return line.rstrip()


def matches(expected: list[str], actual: list[str]) -> bool:
    """Whether the lines are the same; ``...`` stands for any number of lines."""
    pattern = "".join(r"(?:.*\n)*" if line == "..." else re.escape(unified(line)) + "\n" for line in expected)
    return re.fullmatch(pattern, "".join(f"{unified(line)}\n" for line in actual)) is not None


@dataclass
class Session:
    """A shell that is given the commands of a page one after the other."""

    folder: Path
    urls: Mapping[str, str] = field(default_factory=dict)
    shell: subprocess.Popen[str] = field(init=False)

    def __post_init__(self) -> None:
        programs = self.folder.parent / "bin"
        programs.mkdir(mode=0o755)
        program = programs / "dbmigrate"
        program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m dbmigrate "$@" </dev/null\n')
        program.chmod(0o755)
        home = self.folder.parent / "home"
        home.mkdir()
        env = environment.clean(os.environ, home=home)
        self.shell = subprocess.Popen(
            ["sh"],
            env={**env, "PATH": f"{programs}:{env['PATH']}"},
            cwd=self.folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        )

    def run(self, command: str) -> list[str]:
        """The lines that the command writes, to stdout and stderr."""
        assert self.shell.stdin is not None
        assert self.shell.stdout is not None
        self.shell.stdin.write(f"{self.here(command, quote=shlex.quote)}\nstatus=$?; echo '{_MARK}'; (exit $status)\n")
        self.shell.stdin.flush()
        lines = []
        for line in self.shell.stdout:
            if line.rstrip("\n") == _MARK:
                return lines
            lines.append(line.rstrip("\n"))
        raise AssertionError(f"the shell has gone: {lines}")

    def write(self, title: str, text: str) -> None:
        """Write a file; a pattern names the one that is there."""
        names = list(self.folder.glob(title)) if "*" in title else [self.folder / title]
        assert len(names) == 1, title
        names[0].parent.mkdir(parents=True, exist_ok=True)
        names[0].write_text(self.here(text), "utf-8")

    def here(self, text: str, *, quote: Callable[[str], str] = str) -> str:
        """The text with databases of the test server in place of those of the page."""
        for shown, real in self.urls.items():
            text = re.sub(rf"{re.escape(shown)}(?=[\s\"']|$)", lambda _, real=real: quote(real), text)
        return text

    def close(self) -> None:
        assert self.shell.stdin is not None
        self.shell.stdin.close()
        self.shell.wait(timeout=30)
        assert self.shell.stdout is not None
        self.shell.stdout.close()


def steps(text: str) -> Iterator[tuple[str, str, list[str]]]:
    """What a page has one do: ``("write", file, lines)`` and ``("run", command, the lines it answers)``."""
    for block in blocks(text):
        if block.file:
            yield "write", block.file, [block.text]
        elif block.language == "console":
            for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
                command, *answer = part.rstrip("\n").split("\n")
                yield "run", command, answer


def play(text: str, session: Session) -> None:
    for kind, what, lines in steps(text):
        if kind == "write":
            session.write(what, "".join(lines))
        else:
            actual = session.run(what)
            shown = "\n".join(actual)
            assert matches(lines, actual), f"$ {what}\n{shown}"


URL = re.compile(r"embedded:(?=[\s\"'])|postgres://[^\s\"'`]+")
# pages for fewer people, which change with the importers alone
_RARE = ("alembic", "knex", "liquibase", "orms", "other-sql-tools", "supabase")
PAGES = [
    pytest.param(name, marks=[pytest.mark.matrix] if name.endswith(tuple(f"-{tool}.md" for tool in _RARE)) else [])
    for name in sorted(MANUAL)
    if name.startswith("docs/how-to/")
]


@pytest.fixture
def folder(open_tmp_path: Path) -> Path:
    """An empty folder that the embedded server's account can reach."""
    folder = open_tmp_path / "project"
    folder.mkdir(mode=0o711)
    return folder


@pytest.fixture
def page_urls(server, make_database: MakeDatabase):
    """Makes databases out of the URLs of a page: each one has a name, and does not exist yet."""

    def urls_of(text: str) -> dict[str, str]:
        shown = list(dict.fromkeys(URL.findall("".join(block.text for block in blocks(text)))))
        real = {url: make_database() for url in shown}
        for url in real.values():
            server.drop(psycopg.conninfo.conninfo_to_dict(url)["dbname"])
        return real

    return urls_of


@pytest.mark.parametrize("name", PAGES)
def test_what_a_page_has_one_do_gives_what_it_shows(name: str, folder: Path, page_urls) -> None:
    if "$ psql" in MANUAL[name] and shutil.which("psql") is None:
        pytest.skip("psql is not installed")
    session = Session(folder, page_urls(MANUAL[name]))

    try:
        play(MANUAL[name], session)
    finally:
        session.close()


def test_the_first_session_of_the_readme_runs_on_the_embedded_server(folder: Path) -> None:
    session = Session(folder)

    try:
        play(TEXTS["README.md"].split("## What it does")[0], session)
    finally:
        session.close()


# --------------------------------------------------------------------------------------------------- Python and queries


def test_the_python_example_prints_what_it_says(project: Project, database_url: str, runner) -> None:
    example, answer = blocks(page("python-api"))[:2]
    project.migration("20260301090000_create_users", up="create table users (id bigint);", down="drop table users;")

    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", example.text],
        env={**environment.clean(os.environ, home=runner.home), "DATABASE_URL": database_url},
        cwd=project.root,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.stdout == answer.text, done.stderr


def test_the_queries_about_the_tables_run(run, project: Project, database_url: str, query) -> None:
    project.migration("20260301090000_create_users", up="create table users (id bigint);", down="drop table users;")
    run("up", env={"DATABASE_URL": database_url})
    queries = [block.text for block in blocks(page("tables")) if block.title == "query"]

    answers = [query(database_url, text) for text in queries]

    assert [len(rows) for rows in answers] == [1, 1, 0, 1]
    assert answers[3] == [("-- migrate:down\ndrop table users;\n",)]


def test_the_rights_that_the_page_grants_are_enough(run, server, project: Project, make_database: MakeDatabase) -> None:
    if not server.is_ours:
        pytest.skip("makes roles, which belong to the whole server")
    owner_sql, watcher_sql = (block.text for block in blocks(page("tables")) if block.title in ("setup", "grant"))
    owner_sql, _, create_sql = owner_sql.partition(";")
    url = make_database()
    name = psycopg.conninfo.conninfo_to_dict(url)["dbname"]
    assert create_sql.strip() == "create database shop owner migrator;"
    project.migration("1_a", up="create table a ();", down="drop table a;")

    try:
        server.admin.execute(owner_sql)
        server.admin.execute(f'alter database "{name}" owner to migrator')
        up = run("up", "--url", _as(url, "migrator"))
        create_role, grant, _ = watcher_sql.split(";")
        server.admin.execute(create_role)
        with psycopg.connect(_as(url, "migrator")) as conn:
            conn.execute(grant)
        questions = (("status",), ("verify",), ("history",), ("rollback", "--dry-run"))
        looks = [run(*words, "--url", _as(url, "watcher")) for words in questions]
    finally:
        server.drop(name)
        server.admin.execute("drop role if exists watcher, migrator")

    assert up.exit_code == 0, up.stderr
    assert [look.exit_code for look in looks] == [0, 0, 0, 0], [look.stderr for look in looks]


def _as(url: str, role: str) -> str:
    return psycopg.conninfo.make_conninfo(url, user=role)
