"""Options of columns in pg_dump's text: a user's stay, a server's go."""

from __future__ import annotations

import pytest

from dbmigrate.schema.columns import settable

HEAD = "ALTER TABLE ONLY app.t ALTER COLUMN a "


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ("pg_attver=13999848", None),
        ("n_distinct=5", "n_distinct=5"),
        ("pg_attver=3, n_distinct=-0.5", "n_distinct=-0.5"),
        ("n_distinct=5, pg_attver=3, n_distinct_inherited=7", "n_distinct=5, n_distinct_inherited=7"),
        ("pg_other=x, pg_attver=3", None),
    ],
)
@pytest.mark.parametrize(
    "head",
    [
        HEAD,
        "ALTER FOREIGN TABLE ONLY app.t ALTER COLUMN a ",
        "ALTER TABLE t ALTER COLUMN a ",
        'ALTER TABLE ONLY "a b"."c;""d" ALTER COLUMN "e\n SET (f" ',
    ],
)
def test_what_a_user_can_set_is_kept(head, options, kept):
    assert settable(f"{head}SET ({options});") == (f"{head}SET ({kept});" if kept else "")


@pytest.mark.parametrize(
    "statement",
    [
        f"{HEAD}SET STATISTICS 5;",
        f"{HEAD}SET STORAGE EXTERNAL;",
        f"{HEAD}SET DEFAULT f(x);",
        f"{HEAD}SET DEFAULT ' SET (pg_attver=3);",
        "ALTER TABLE app.t SET (fillfactor=50);",
        "ALTER INDEX app.i SET (fillfactor=50);",
        "COMMENT ON TABLE t IS 'ALTER TABLE ONLY t ALTER COLUMN a SET (pg_attver=3);';",
        'ALTER TABLE ONLY t ADD CONSTRAINT "ALTER COLUMN a SET (pg_attver=3)" CHECK (a > 0);',
    ],
)
def test_everything_else_is_left_alone(statement):
    assert settable(statement) == statement
