"""What the projects of other tools need of a server."""

from __future__ import annotations

import pytest

from tests.support.servers import DatabaseServer

_OLDEST = 14  # `extract` returns numeric, which a function of these projects rounds


@pytest.fixture(autouse=True)
def _needs_a_server_of_their_time(request: pytest.FixtureRequest) -> None:
    if "server" not in request.fixturenames:
        return
    server: DatabaseServer = request.getfixturevalue("server")
    if server.major < _OLDEST:
        pytest.skip(f"the projects of other tools need PostgreSQL {_OLDEST}")
