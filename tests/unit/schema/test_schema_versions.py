"""The rows of the tracking table at the end of the file."""

from __future__ import annotations

from dbmigrate.schema.versions import Layout, render

TITLE = "\n--\n-- Dbmate schema migrations\n--\n\n"


def test_the_rows_are_dbmates_very_bytes():
    text = render(["10", "2", "it's"], table="public.schema_migrations")

    assert text == (
        TITLE + "INSERT INTO public.schema_migrations (version) VALUES\n    ('10'),\n    ('2'),\n    ('it''s');\n"
    )


def test_without_a_version_the_title_stands_alone():
    assert render([], table="public.schema_migrations") == TITLE
    assert render([], table="public.schema_migrations", layout=Layout.SCATTERED) == TITLE


def test_scattered_rows_are_statements_ordered_by_their_last_digits():
    text = render(["201", "101", "190"], table='"camelSchema"."testMigrations"', layout=Layout.SCATTERED)

    assert text.startswith(TITLE + "-- ")
    assert text.splitlines()[-3:] == [
        """INSERT INTO "camelSchema"."testMigrations" (version) VALUES ('190');""",
        """INSERT INTO "camelSchema"."testMigrations" (version) VALUES ('101');""",
        """INSERT INTO "camelSchema"."testMigrations" (version) VALUES ('201');""",
    ]
