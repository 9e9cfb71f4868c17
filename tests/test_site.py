"""The documentation site: its pages, its links, its order, and what is built of it."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tests.support import scripts

ROOT = Path(__file__).resolve().parent.parent
REPOSITORY = "https://git.example.com/team/dbmigrate"


site = scripts.load("docs/build_site.py")
DOCUMENTS = [*site.sources(), "CHANGELOG.md", "CONTRIBUTING.md", "db/README.md"]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """The pages as the generator gets them."""
    place = site.Workplace(tmp_path_factory.mktemp("site"))
    site.prepare(place, REPOSITORY)
    return place.pages


def links(text: str) -> list[str]:
    return [found["target"] for found in site._LINK.finditer(site._FENCED.sub("", text))]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_fences_have_a_form_that_every_reader_of_markdown_takes(name: str) -> None:
    """A word behind the language that is not ``title="..."`` ends the page there for Python-Markdown."""
    openings = re.findall(r"^ *`{3,}\w.*", (ROOT / name).read_text("utf-8"), re.MULTILINE)

    assert [line for line in openings if not re.fullmatch(r' *`{3,}\w+( title="[^"]+")?', line)] == []


@pytest.mark.parametrize("source", site.sources())
def test_links_of_a_page_lead_to_pages_pictures_or_the_repository(source: str, prepared: Path) -> None:
    page = prepared / site.place_of(source)
    for target in links(page.read_text("utf-8")):
        path = target.partition("#")[0]
        if target.startswith(f"{REPOSITORY}/"):
            kind, _, name = target.removeprefix(f"{REPOSITORY}/").partition("/HEAD/")
            assert {"blob": os.path.isfile, "tree": os.path.isdir}[kind](ROOT / name.partition("#")[0]), target
        elif path and not re.match(r"[a-z]+:", target):
            assert (page.parent / path).is_file(), target


def test_without_a_repository_a_link_to_it_is_text() -> None:
    source = "docs/how-to/run-in-containers.md"
    there, gone = site.page_text(source, REPOSITORY), site.page_text(source, None)

    assert f"[Dockerfile]({REPOSITORY}/blob/HEAD/Dockerfile)" in there.replace("`", "")
    assert "../../" not in site._FENCED.sub("", gone)
    assert len(links(gone)) < len(links(there))


def test_what_looks_like_a_link_in_a_code_block_stays() -> None:
    text = "[a](../x.py)\n```text\n[a](../x.py)\n```\n[a](../x.py)"

    assert site._outside_fences(text, lambda part: site._LINK.sub("B", part)) == "B\n```text\n[a](../x.py)\n```\nB"


@pytest.mark.parametrize(
    ("origin", "url"),
    [
        ("git@example.com:team/tool.git", "https://example.com/team/tool"),
        ("https://person:secret@example.com/team/tool.git", "https://example.com/team/tool"),
        ("ssh://git@example.com:2222/team/tool", "https://example.com/team/tool"),
        ("https://example.com/team/tool/", "https://example.com/team/tool"),
        ("/srv/git/tool.git", None),
        ("../tool", None),
        ("", None),
    ],
)
def test_what_a_browser_calls_a_repository(origin: str, url: str | None) -> None:
    assert site.browsed(origin) == url


def test_every_page_stands_once_in_the_navigation() -> None:
    listed = [path for _, pages in site.navigation() for _, path in pages]

    assert sorted(listed) == sorted({site.place_of(source) for source in site.sources()} - {"index.md"})


def test_the_list_for_programs_names_every_page_with_a_sentence() -> None:
    found = dict(re.findall(r"^- \[.+\]\((.+?)\): (.+)$", site.llms_text(), re.MULTILINE))

    assert set(found) == {site.place_of(source) for source in site.sources()} - {"index.md"}
    assert [path for path, sentence in found.items() if len(sentence) < 15 or "](" in sentence] == []


def test_a_directory_of_somebody_else_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "book.md").write_text("mine")

    with pytest.raises(site.SiteError, match="was not made here"):
        site.prepare(site.Workplace(tmp_path), None)

    assert (tmp_path / "pages" / "book.md").read_text() == "mine"


def test_faults_of_a_built_page_are_found(tmp_path: Path) -> None:
    for source in site.sources():
        path = tmp_path / Path(site.place_of(source)).with_suffix(".html")
        path.parent.mkdir(parents=True, exist_ok=True)
        titles = site.headings((ROOT / source).read_text("utf-8"))
        ids = "".join(f'<h2 id="{site.anchor(title)}"></h2>' for title in titles)
        path.write_text(f'{ids}<script src="a.js"></script><a href="https://example.com">', "utf-8")
    sound = list(site.faults(tmp_path))
    tables = tmp_path / "reference" / "tables.html"
    text = tables.read_text("utf-8").replace('id="', 'id="x', 1)
    tables.write_text(text + '<img src="//example.com/a.png">', "utf-8")
    (tmp_path / "how-to" / "deploy.html").unlink()
    (tmp_path / "a.css").write_text("@import url(https://fonts.example.com/a)")

    found = list(site.faults(tmp_path))

    assert sound == []
    assert len(found) == 4, found
    assert "no page how-to/deploy.html" in found[0]
    assert "is not an anchor" in found[1]
    assert "//example.com/a.png" in found[2]
    assert "fonts.example.com" in found[3]


@pytest.mark.matrix
def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    place = site.Workplace(tmp_path)

    assert site.build(place, REPOSITORY) == []

    first = (place.site / "index.html").read_text("utf-8")
    assert "pictures/dry-run.svg" in first
    assert (place.site / "pictures" / "dry-run.svg").is_file()
    assert "nextval" in (place.site / "search.js").read_text("utf-8")  # the search needs no server
    text = (place.pages / "reference" / "tables.md").read_text("utf-8")
    (place.pages / "reference" / "tables.md").write_text(text.replace("](", "](no-such-", 1), "utf-8")
    with pytest.raises(site.SiteError, match="no-such-"):
        site.generate(place)


def test_the_makefile_and_continuous_integration_build_it() -> None:
    assert "\ndocs-site: setup" in (ROOT / "Makefile").read_text("utf-8")
    assert re.search(r"exec make .*\bdocs-site\b", (ROOT / ".ci" / "run").read_text("utf-8"))
