"""What a migration says that it does: which of its comments, which tickets and links."""

from __future__ import annotations

import pytest

from dbmigrate.migrations import head
from dbmigrate.planning import description

SQL = "create table t (a text default '-- no comment');\n-- of the SQL\n-- migrate:down\n-- of the down section\n"


def said(text, **options):
    return description.of(head.cut(text), **options)


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("begin", "expected"),
    [
        ("-- above\n\n-- migrate:up\n-- Adds users,\n-- who log in.\n\n-- more\n", "Adds users, who log in."),
        ("-- migrate:up\n\n/* Adds users,\n * who log in. */\n", "Adds users, who log in."),
        ("-- above it\n-- migrate:up\n", "above it"),
        ("\ufeff-- Copyright 2024 Shop Ltd\n\n-- above it\n-- migrate:up\n", "above it"),
        ("/* SPDX-License-Identifier: MIT */\n-- imported: flyway 1 V1__a.sql\n-- migrate:up\n-- =====\n", None),
        ("-- migrate:depends 1,\n--   2\n-- migrate:up\n-- migrate:breaking note goes\n-- it does\n", "it does"),
        ("-- dbmigrate:ignore L101 small table\n-- squawk-ignore x\n-- migrate:up\n", None),
        ("-- ======\n-- Adds users\n-- ======\n-- migrate:up\n", "Adds users"),
        ("/* -- migrate:up\n-- inside */\n-- migrate:up\n", "-- migrate:up -- inside"),
        ("-- migrate:up\n/* a /* nested */ one */\n", "a nested one"),
        ("-- migrate:up\n", None),
        ("-- migrate:up\n/* not closed", None),
        ("", None),
    ],
)
def test_the_first_comment_below_the_header_else_above_it(begin, expected, line_end):
    found = said((begin + SQL).replace("\n", line_end))

    assert (found.text if found else None) == expected


def test_fields_of_a_header_are_kept_and_may_be_the_text():
    found = said(
        "-- Migration: 001_create_users\n-- Purpose: Users who can\n--   log in\n-- Dependencies: none\n"
        "-- Rollback: drop table users\n-- Ticket:\n\n-- migrate:up\n" + SQL
    )

    assert found.text == "Users who can log in"
    assert found.fields == (
        ("Migration", "001_create_users"),
        ("Purpose", "Users who can log in"),
        ("Dependencies", "none"),
        ("Rollback", "drop table users"),
    )


def test_tickets_and_links_count_wherever_in_the_comments_they_stand():
    text = (
        "-- See https://example.com/a?b=(c), SHOP-7.\n\n-- migrate:up\n"
        "-- UTF-8 names (FLOW-123, FLOW-123)\n-- dbmigrate:ignore L101 SHOP-8\n" + SQL + "-- SHOP-9\n"
    )

    assert said(text).tickets == ("SHOP-7", "FLOW-123")
    assert said(text).links == ("https://example.com/a?b=(c)",)
    assert said(text, tickets="#[0-9]+").tickets == ()
    assert said(text, tickets="").tickets == ()
    assert said("-- fixes #12\n-- migrate:up\n", tickets="#([0-9]+)").tickets == ("#12",)


def test_a_very_long_comment_is_cut_and_takes_no_time():
    found = said("-- migrate:up\n/*" + "/*" * 100_000 + "\n")
    assert found is None
    assert len(said("-- migrate:up\n-- " + "x" * 1_000_000 + "\n" + SQL).text) == 2000
