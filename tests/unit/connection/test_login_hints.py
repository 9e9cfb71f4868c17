"""What to do about a failed login, by the words of servers and poolers."""

from __future__ import annotations

import pytest

from dbmigrate.connection import login_hints


@pytest.mark.parametrize(
    "message",
    [
        "FATAL:  unsupported startup parameter: options",  # PgBouncer 1.18
        "FATAL:  unsupported startup parameter in options: search_path",  # 1.20 and later
    ],
)
def test_settings_that_a_pooler_refuses_get_a_way_out(message) -> None:
    hint = login_hints.hint(message, {"search_path": "app"})

    assert hint is not None
    assert "are not passed on by a pooler" in hint
    assert "--allow-pooler" in hint


def test_a_parameter_that_is_not_from_the_url_gets_no_word_about_it() -> None:
    assert login_hints.hint("FATAL:  unsupported startup parameter in options: jit", {"search_path": "app"}) is None
