"""Pictures of the report at 15, 60 and 300 tables, wide and narrow, light and dark, into a directory.

    python scripts/report_pictures.py [DIRECTORY]
    python scripts/report_pictures.py --documentation

The second form makes those of ``docs/pictures`` instead: the report of the example project, whose production is two
migrations behind. Needs Debian's packages of a browser, which it fetches. Exits with 1 if a picture shows nothing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).parent.parent))

from dbmigrate.reporting import page
from tests.support import png, reports
from tests.support.browser import fetched, running
from tests.support.servers import cache_directory

if TYPE_CHECKING:
    from tests.support.browser import Browser

ROOT = Path(__file__).resolve().parent.parent
WIDTHS = {"wide": 1280, "narrow": 390}
PICTURES = ROOT / "docs" / "pictures"
COLUMN = 1000  # the width of a page of documentation, and a bit
PRODUCTION = "20260317101500"  # the version that production has
LATEST = "20260413140000"  # that of staging; what the example project has behind it is left out
_MIDDLE = """[...document.querySelectorAll("h2")].find(title => title.textContent === "What changes")
    .getBoundingClientRect().top + scrollY - 12"""


def made_up(browser: Browser, scratch: Path, directory: Path) -> int:
    """Pictures of schemas of any size; the number of those that are empty."""
    directory.mkdir(parents=True, exist_ok=True)
    empty = 0
    for tables in (15, 60, 300):
        source = scratch / f"{tables}.html"
        source.write_text(page.write(reports.report(tables)), encoding="utf-8")
        for shape, width in WIDTHS.items():
            for scheme in ("light", "dark"):
                tab = browser.tab(width=width)
                tab.scheme(scheme)
                tab.open(source.as_uri())
                taken = directory / f"report-{tables}-{shape}-{scheme}.png"
                taken.write_bytes(tab.screenshot())
                empty += _told(taken, tab.screenshot(scale=0.2))
    return empty


def documented(browser: Browser, scratch: Path) -> int:
    """The first half of the example's report in the dark, the second one in the light; how many are empty."""
    source = _example(scratch)
    empty = 0
    for scheme in ("dark", "light"):
        tab = browser.tab(width=COLUMN)
        tab.scheme(scheme)
        tab.open(source.as_uri())
        middle = tab.evaluate(_MIDDLE)
        half = {"bottom": middle} if scheme == "dark" else {"top": middle}
        taken = PICTURES / f"report-{scheme}.png"
        taken.write_bytes(png.paletted(tab.screenshot(**half)))
        empty += _told(taken, tab.screenshot(scale=0.2, **half))
    return empty


def _told(taken: Path, small: bytes) -> bool:
    is_empty = png.is_empty(small)
    sys.stdout.write(f"{taken} ({taken.stat().st_size // 1000} kB){': EMPTY' if is_empty else ''}\n")
    return is_empty


def _example(scratch: Path) -> Path:
    """The report of the example project."""
    project = scratch / "shop"
    shutil.copytree(ROOT / "db" / "migrations", project / "db" / "migrations")
    for place in (scratch, project):
        place.chmod(0o711)  # root's embedded server runs as another account, which passes through here
    for file in (project / "db" / "migrations").iterdir():
        if file.name.partition("_")[0] > LATEST:
            file.unlink()
    environ = os.environ | {
        "PYTHONPATH": str(ROOT),
        "STAGING_DATABASE_URL": "embedded:?dbname=staging",
        "PRODUCTION_DATABASE_URL": "embedded:?dbname=shop",
        "DBMIGRATE_NO_DUMP_SCHEMA": "true",
    }
    for words in (
        ("-e", "staging", "up"),
        ("-e", "production", "up", "--to", PRODUCTION, "--yes"),
        ("-e", "staging", "-e", "production", "report"),
    ):
        subprocess.run([sys.executable, "-m", "dbmigrate", "--quiet", *words], cwd=project, env=environ, check=True)
    return project / "report.html"


def main(arguments: list[str]) -> int:
    """Take the pictures; the number of those that are empty."""
    with TemporaryDirectory() as scratch, running(fetched(cache=cache_directory(os.environ)), Path(scratch)) as browser:
        if arguments == ["--documentation"]:
            return documented(browser, Path(scratch))
        return made_up(browser, Path(scratch), Path(*arguments[:1] or ["pictures"]))


if __name__ == "__main__":
    sys.exit(bool(main(sys.argv[1:])))
