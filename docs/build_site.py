"""Builds the documentation site from the README and ``docs/``, and looks through what was built.

    python docs/build_site.py [DIRECTORY]

The site is in DIRECTORY/site (default: build/docs), and can be read from the disk. The pages stand in the order in
which the README lists them. Zensical, the generator, is installed into DIRECTORY, too, with exactly the versions of
``docs/site/requirements.txt``. Beside each page is its text, and ``llms.txt`` lists these for programs.

A link to a file that is not a page leads to the repository: REPOSITORY_URL, otherwise that of the GitHub workflow or of
git's ``origin``. If there is none, the link becomes text. The exit code is 1 where the generator warns, where a heading
is not an anchor of the built page, or where a page asks another server for something.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
OWN = DOCS / "site"
HOME = "README.md"
AGENTS = "how-to/work-with-a-coding-agent.md"

_FENCED = re.compile(r"^(?:```.*?^```$|~~~.*?^~~~$)", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?P<image>!?)\[(?P<text>(?:[^\[\]]|\[[^\]]*\])*)\]\((?P<target>[^)\s]+)\)")
_WRITTEN_SMALL = ("knex", "sqlx")
_FOREIGN = re.compile(r"(?:https?:)?//", re.IGNORECASE)


class SiteError(Exception):
    """The site cannot be built, or is not what it should be."""


# --------------------------------------------------------------------------------------------------------------- pages


def sources() -> list[str]:
    """The pages: the README, and all documents of ``docs/``."""
    return [HOME, *sorted(path.relative_to(ROOT).as_posix() for path in DOCS.rglob("*.md"))]


def place_of(source: str) -> str:
    """Where a page stands in the site: the README is the first one, ``docs/`` falls away."""
    return "index.md" if source == HOME else source.removeprefix("docs/")


def page_text(source: str, repository: str | None) -> str:
    """A page as the generator gets it: links between pages as they are in the site, others to the repository."""

    def link(found: re.Match[str]) -> str:
        target = _target(source, found["target"], repository)
        if target is None:
            return found["text"]
        return f"{found['image']}[{found['text']}]({target})"

    return _outside_fences((ROOT / source).read_text(encoding="utf-8"), lambda text: _LINK.sub(link, text))


def _outside_fences(text: str, change: Callable[[str], str]) -> str:
    parts, end = [], 0
    for fence in _FENCED.finditer(text):
        parts += [change(text[end : fence.start()]), fence[0]]
        end = fence.end()
    return "".join([*parts, change(text[end:])])


def _target(source: str, target: str, repository: str | None) -> str | None:
    """Where a link of `source` leads in the site; None if it leads nowhere there."""
    path, mark, anchor = target.partition("#")
    if not path or re.match(r"[a-z]+:", target):
        return target
    file = Path(os.path.normpath(ROOT / Path(source).parent / path))
    name = file.relative_to(ROOT).as_posix()
    if name == HOME or (name.startswith("docs/") and file.suffix in (".md", ".svg", ".png")):
        return os.path.relpath(place_of(name), Path(place_of(source)).parent) + mark + anchor
    if repository is None:
        return None
    kind = "tree" if file.is_dir() else "blob"
    return f"{repository}/{kind}/HEAD/{name}{mark}{anchor}"


def navigation() -> list[tuple[str, list[tuple[str, str]]]]:
    """The sections of the README's list of documents: their titles, and the title and the place of each page."""
    _, found, listed = (ROOT / HOME).read_text(encoding="utf-8").partition("\n## Documentation\n")
    if not found:
        raise SiteError(f"{HOME} has no section Documentation")
    sections = []
    for item in re.findall(r"^\* (.*(?:\n  .*)*)", listed, re.MULTILINE):
        title, _, links = item.partition(":")
        pages = [
            (_title(text), place_of(target))
            for text, target in re.findall(r"\[([^\]]+)\]\(([^)]+\.md)\)", links.replace("\n", " "))
        ]
        sections.append((title, pages))
    return sections


def llms_text() -> str:
    """The list of the pages for programs that read them, as https://llmstxt.org describes it."""
    summary = _first_paragraph((ROOT / HOME).read_text(encoding="utf-8"))
    lines = ["# dbmigrate", "", f"> {summary}", "", f"Every page is Markdown. Start with {AGENTS}."]
    for title, pages in navigation():
        lines += ["", f"## {title}", ""]
        for name, path in pages:
            lines.append(f"- [{name}]({path}): {_first_sentence((DOCS / path).read_text(encoding='utf-8'))}")
    return "\n".join(lines) + "\n"


def _first_paragraph(text: str) -> str:
    """The first paragraph below the title, without its links and emphasis."""
    parts = (part for part in _FENCED.sub("", text).split("\n\n") if part)
    first = next(part for part in parts if not part.startswith(("#", "<", "!", "|")))
    plain = _LINK.sub(lambda found: found["text"], first.strip()).replace("**", "")
    return " ".join(plain.split())


def _first_sentence(text: str) -> str:
    return re.sub(":$", ".", re.split(r"(?<=[.:])\s", _first_paragraph(text))[0])


def _title(text: str) -> str:
    words = " ".join(text.split())
    return words if words.startswith(_WRITTEN_SMALL) else words[0].upper() + words[1:]


def repository_url() -> str | None:
    """The address of the repository in a browser, without a slash at its end."""
    environ = os.environ
    if url := environ.get("REPOSITORY_URL"):
        return url.rstrip("/")
    if environ.get("GITHUB_REPOSITORY"):
        return f"{environ.get('GITHUB_SERVER_URL', 'https://github.com')}/{environ['GITHUB_REPOSITORY']}"
    asked = ["git", "-C", str(ROOT), "remote", "get-url", "origin"]
    try:
        origin = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
    except FileNotFoundError:
        return None
    return browsed(origin)


def browsed(origin: str) -> str | None:
    """What a browser calls the repository that git calls `origin`; a directory has no such name."""
    found = re.fullmatch(
        r"(?:(?:https?|ssh|git)://(?:[^@/]+@)?([\w.-]+)(?::\d+)?/|(?:\w+@)([\w.-]+):)(.+?)(?:\.git)?/?", origin
    )
    return f"https://{found[1] or found[2]}/{found[3]}" if found else None


# --------------------------------------------------------------------------------------------------------------- build


@dataclass(frozen=True)
class Workplace:
    """The directory in which the site is built."""

    root: Path

    @property
    def pages(self) -> Path:
        """What the generator reads."""
        return self.root / "pages"

    @property
    def site(self) -> Path:
        """What it writes."""
        return self.root / "site"


def prepare(place: Workplace, repository: str | None) -> None:
    """Write the generator's input: its configuration and the pages, with the pictures beside them."""
    made = place.root / "zensical.toml"
    if not made.exists() and (place.pages.exists() or place.site.exists()):
        raise SiteError(
            f"{place.pages} or {place.site} was not made here: it is not overwritten, name another directory"
        )
    for directory in (place.pages, place.site, place.root / ".cache"):
        shutil.rmtree(directory, ignore_errors=True)
    made.write_text(configuration(repository), encoding="utf-8")
    for source in sources():
        target = place.pages / place_of(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(page_text(source, repository), encoding="utf-8")
    shutil.copytree(DOCS / "pictures", place.pages / "pictures")
    (place.pages / "assets").mkdir()
    shutil.copy(OWN / "iframe-worker.js", place.pages / "assets")
    (place.pages / "llms.txt").write_text(llms_text(), encoding="utf-8")


def configuration(repository: str | None) -> str:
    """The generator's configuration: what stands in the file, with the pages and the repository."""
    lines = [f"    {{ {_quoted('Overview')} = {_quoted('index.md')} }},"]
    for title, pages in navigation():
        entries = ", ".join(f"{{ {_quoted(name)} = {_quoted(path)} }}" for name, path in pages)
        lines.append(f"    {{ {_quoted(title)} = [{entries}] }},")
    added = ["nav = [", *lines, "]", *([f"repo_url = {_quoted(repository)}"] if repository else [])]
    text = (OWN / "zensical.toml").read_text(encoding="utf-8")
    return text.replace("[project]\n", "[project]\n" + "\n".join(added) + "\n", 1)


def _quoted(text: str) -> str:
    """A string of TOML; those of JSON are."""
    return json.dumps(text, ensure_ascii=False)


def generator(place: Workplace) -> Path:
    """The directory that the generator is installed in, which is done where it is not there in these versions.

    Not a virtual environment, which not every Python can make; the directory comes before those of this Python.
    """
    wanted = OWN / "requirements.txt"
    directory = place.root / f"generator-{hashlib.sha256(wanted.read_bytes()).hexdigest()[:12]}"
    if not directory.exists():
        new = directory.with_name(f"{directory.name}-{os.getpid()}")
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        try:
            _run([*pip, "--requirement", str(wanted), "--target", str(new)], place.root, os.environ)
            if not directory.exists():  # of another build, meanwhile
                new.rename(directory)
        finally:
            shutil.rmtree(new, ignore_errors=True)
    return directory


def _run(command: list[str], directory: Path, environ: Mapping[str, str]) -> None:
    done = subprocess.run(
        command, cwd=directory, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        shown = re.sub(r"\x1b\[[\d;]*m", "", done.stdout).partition("Traceback ")[0].strip() or done.stdout.strip()
        raise SiteError(f"{' '.join(command)} ended with {done.returncode}:\n{shown}")


def build(place: Workplace, repository: str | None) -> list[str]:
    """Build the site; return what is wrong with it."""
    place.root.mkdir(parents=True, exist_ok=True)
    prepare(place, repository)
    generate(place)
    for source in sources():  # the text itself, for programs that read it: llms.txt names these
        shutil.copy(place.pages / place_of(source), place.site / place_of(source))
    return list(faults(place.site))


def generate(place: Workplace) -> None:
    """Make the site of the pages; a warning is an error."""
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--config-file", "zensical.toml"]
    _run(command, place.root, {**os.environ, "PYTHONPATH": str(generator(place))})


# --------------------------------------------------------------------------------------------------------------- faults


class _Page(HTMLParser):
    """What a built page holds: its anchors, and the addresses that a browser asks for when it shows the page."""

    def __init__(self) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.asked: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.anchors.add(values.get("id", ""))
        if "src" in values:
            self.asked.append(values["src"])
        if tag == "link" and values.get("rel") not in ("canonical", "next", "prev"):
            self.asked.append(values.get("href", ""))


def faults(site: Path) -> Iterator[str]:
    """What is missing in the built pages, and what they ask other servers for."""
    for source in sources():
        path = site / Path(place_of(source)).with_suffix(".html")
        if not path.exists():
            yield f"{source}: no page {path.relative_to(site)}"
            continue
        page = _Page()
        page.feed(path.read_text(encoding="utf-8"))
        for heading in headings((ROOT / source).read_text(encoding="utf-8")):
            if anchor(heading) not in page.anchors:
                yield f"{source}: the heading {heading!r} is not an anchor of the page"
        for address in page.asked:
            if _FOREIGN.match(address):
                yield f"{source}: the page asks {address}"
    for sheet in site.rglob("*.css"):
        for address in re.findall(r"(?:url\(|@import )[\"']?((?:https?:)?//[^\"')]+)", sheet.read_text("utf-8")):
            yield f"{sheet.relative_to(site)}: the style sheet asks {address}"


def headings(text: str) -> list[str]:
    """The headings of a document below its title, as a reader of GitHub sees them."""
    return re.findall(r"^##+ (.+)$", _FENCED.sub("", text), re.MULTILINE)


def anchor(heading: str) -> str:
    """The anchor that GitHub makes of a heading."""
    shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[^\w\- ]", "", shown.lower()).replace(" ", "-")


def main(arguments: list[str]) -> int:
    """Build the site, and say where it is or what is wrong."""
    place = Workplace(Path(arguments[0] if arguments else ROOT / "build" / "docs").resolve())
    try:
        found = build(place, repository_url())
    except SiteError as error:
        found = [str(error)]
    for fault in found:
        print(fault, file=sys.stderr)  # noqa: T201
    if not found:
        print(place.site / "index.html")  # noqa: T201
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
