"""What a linter of migrations must not do with a megabyte that holds no blank: look at it again from each character."""

from __future__ import annotations

import importlib
import pkgutil
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import dbmigrate.lint
from dbmigrate.lint.rules import security
from tests.unit.lint.linting import codes

# repeated, each of these keeps one of the expressions busy: its beginnings, its repetitions, its almost-matches
SYLLABLES = [
    *("ab12", "A", "a.", "a.b@", "@a", "a@a.", "://", "a://", "://a:", "a:", "-", "eyJ", ".eyJ", "eyJabcdefgh."),
    *(
        "1",
        "1-",
        "1 ",
        "4111 ",
        "GB82",
        "GB82 ",
        "AB12 CDEF ",
        "password",
        "password ",
        "password=",
        "= ",
        "sk-",
        "SG.",
    ),
    *(
        "ghp_",
        "-----BEGIN ",
        "A ",
        "x",
        "xxx",
        "$",
        "$a",
        "squawk:",
        "dbmigrate:ignore",
        "dbmigrate: ",
        "a,",
        ", ",
        "_",
    ),
    *("\t", "\n", "'", '"', ";", "TODO", "change_", "."),
]
SHORT = 2_000  # characters; the other text is eight times as long
TIMES = 8


def expressions() -> dict[str, Callable[[str], Any]]:
    """Every regular expression that a module of the linter keeps, as the method that it is used by."""
    found: dict[str, Callable[[str], Any]] = {}
    for info in pkgutil.walk_packages(dbmigrate.lint.__path__, "dbmigrate.lint."):
        for name, value in vars(importlib.import_module(info.name)).items():
            if isinstance(getattr(value, "__self__", None), re.Pattern):
                found[f"{info.name.removeprefix('dbmigrate.lint.')}.{name}"] = value
            elif isinstance(value, re.Pattern):
                found[f"{info.name.removeprefix('dbmigrate.lint.')}.{name}"] = value.search
    return found


EXPRESSIONS = expressions()


def effort(search: Callable[[str], Any], text: str) -> float:
    """The least processor time of some tries; what `finditer` returns is gone through."""

    def once() -> float:
        start = time.process_time_ns()
        result = search(text)
        for _ in result if hasattr(result, "__next__") else ():
            pass
        return (time.process_time_ns() - start) / 1e9

    return min(once() for _ in range(3))


def test_the_expressions_of_the_linter_are_found() -> None:
    assert {"rules.security._MAIL", "rules.security._URL_PASSWORD", "suppression._OURS"} <= set(EXPRESSIONS)


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_no_expression_takes_more_than_its_share_of_a_longer_word(name: str) -> None:
    search = EXPRESSIONS[name]
    for syllable in SYLLABLES:
        short = (syllable * SHORT)[:SHORT]
        long = (syllable * SHORT * TIMES)[: SHORT * TIMES]
        before, after = effort(search, short), effort(search, long)

        # linear is 8 times as much, quadratic 64; half a millisecond is noise of the clock
        assert after < TIMES * 3 * before + 0.0005, (syllable, before, after)


def test_the_way_it_was_written_before_would_be_found() -> None:
    mail = re.compile(r"[\w.+%-]+@((?:[\w-]+\.)+[A-Za-z]{2,})").search
    before, after = effort(mail, "ab12" * (SHORT // 4)), effort(mail, "ab12" * (SHORT // 4) * TIMES)

    assert after > TIMES * 3 * before + 0.0005


@given(st.text(alphabet="ab1.@:/ -+%é_\n", max_size=40))
def test_what_stands_around_a_sign_is_found_as_by_the_plain_expressions(text: str) -> None:
    mail = re.compile(r"[\w.+%-]+@((?:[\w-]+\.)+[A-Za-z]{2,})").finditer
    url = re.compile(r"[a-z0-9+.-]+://[^\s:/@]+:([^\s/@]+)@", re.IGNORECASE).search

    assert [found[1] for found in security._MAIL(text)] == [found[1] for found in mail(text)]
    assert (security._URL_PASSWORD(text) is None) == (url(text) is None)


@pytest.mark.parametrize("secret", ["postgres://app:s3cr3t@db/x", "eyJhbGciOiJI.eyJzdWIiOiIx.sig", "jane@gmail.com"])
def test_what_is_looked_for_is_still_found_in_a_long_text(secret: str, tmp_path: Path) -> None:
    expected = "L162:2" if "gmail" in secret else "L161:2"

    assert expected in codes(tmp_path, f"insert into t (d) values ('{'ab12' * 10_000}', '{secret}');")


@pytest.mark.parametrize(
    "statement",
    [
        "alter table t{0} add column c int, disable trigger x;",
        "drop trigger x{0} on t{0}; drop policy p{0} on t{0};",
        "revoke select on t{0} from public; grant select on t{0} to app;",
        "lock t{0}; update t{0} set a = 1 where b = 2;",
        "create table f{0} (a int references p{0});",
        "do $$ begin loop update t{0} set a = 1 where b = 2; exit when not found; end loop; end $$;",
        "do $$ begin execute 'drop table t{0}; drop view v{0}'; end $$;",
    ],
)
def test_no_rule_takes_more_than_its_share_of_a_longer_file(statement: str, tmp_path: Path) -> None:
    def look(count: int) -> float:
        up = "\n".join(statement.format(number) for number in range(count))
        return effort(lambda text: codes(tmp_path, text), up)

    assert look(8 * 25) < TIMES * 3 * look(25)
