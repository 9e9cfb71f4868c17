"""What the projects of other tools need of a server."""

from __future__ import annotations

import pytest

from tests.support.importing_states import refuse_older


@pytest.fixture(autouse=True)
def _needs_a_server_of_their_time(request: pytest.FixtureRequest) -> None:
    refuse_older(request)
