"""One browser for the tests of a process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.browser import Browser, fetched, running
from tests.support.servers import cache_directory
from tests.support.unavailable import UnavailableError

_ENVIRON = dict(os.environ)  # as the test run was started
_REQUIRED = "DBMIGRATE_TEST_REQUIRE_BROWSER"


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Without one the tests are skipped, with the reason; where it is required, they fail."""
    try:
        with running(fetched(cache=cache_directory(_ENVIRON)), tmp_path_factory.mktemp("browser")) as found:
            yield found
    except UnavailableError as exc:
        if _ENVIRON.get(_REQUIRED):
            pytest.fail(f"no browser: {exc}")
        pytest.skip(f"no browser: {exc}")


@pytest.fixture
def shown(browser: Browser, tmp_path: Path):
    """Opens the source of a page in a new tab."""

    def shown(source: str, *, width: int = 1280, scheme: str = "light", hash_: str = ""):
        path = tmp_path / "report.html"
        path.write_text(source, encoding="utf-8")
        tab = browser.tab(width=width)
        tab.scheme(scheme)
        tab.open(f"{path.as_uri()}{hash_}")
        return tab

    return shown
