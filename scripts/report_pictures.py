"""Pictures of the report at 15, 60 and 300 tables, wide and narrow, light and dark, into a directory.

    python scripts/report_pictures.py [DIRECTORY]

Needs Debian's packages of a browser, which it fetches. Exits with 1 if a picture shows nothing.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parent.parent))

from dbmigrate.reporting import page
from tests.support import png, reports
from tests.support.browser import fetched, running
from tests.support.servers import cache_directory

WIDTHS = {"wide": 1280, "narrow": 390}


def main(directory: Path) -> int:
    """Take the pictures; the number of those that are empty."""
    directory.mkdir(parents=True, exist_ok=True)
    empty = 0
    with TemporaryDirectory() as scratch, running(fetched(cache=cache_directory(os.environ)), Path(scratch)) as browser:
        for tables in (15, 60, 300):
            source = Path(scratch, f"{tables}.html")
            source.write_text(page.write(reports.report(tables)), encoding="utf-8")
            for shape, width in WIDTHS.items():
                for scheme in ("light", "dark"):
                    tab = browser.tab(width=width)
                    tab.scheme(scheme)
                    tab.open(source.as_uri())
                    taken = directory / f"report-{tables}-{shape}-{scheme}.png"
                    taken.write_bytes(tab.screenshot())
                    is_empty = png.is_empty(tab.screenshot(scale=0.2))
                    empty += is_empty
                    sys.stdout.write(f"{taken}{': EMPTY' if is_empty else ''}\n")
    return empty


if __name__ == "__main__":
    sys.exit(bool(main(Path(*sys.argv[1:2] or ["pictures"]))))
