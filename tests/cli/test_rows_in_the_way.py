"""A constraint that rows violate: the error has a query that finds them, which runs as it is printed."""

from __future__ import annotations

import json

import pytest

SHOP = """
create table users (id bigint primary key, email text);
create table orders (id bigint primary key, user_id bigint, amount int);
insert into users values (1, 'a@b'), (2, 'a@b'), (3, null), (4, null);
insert into orders values (10, 1, 5), (11, 99, -5), (12, null, null);
"""


@pytest.fixture
def failing(command, project, database_url, query):
    """Applies `before`, then a migration that fails; its error as data."""

    def fail(sql, before=SHOP, options=""):
        project.migration("1_before", up=before)
        assert command("up").exit_code == 0
        project.migration("2_fails", up=sql, up_options=options)
        done = command("up", "--json")
        answer = json.loads(done.stdout.splitlines()[-1])
        assert done.exit_code == answer["exit_code"] != 0
        return answer["error"]

    return fail


@pytest.fixture
def found(query, database_url):
    """The rows that the query of an error finds."""

    def run(error):
        return query(database_url, error["details"]["rows in the way"])

    return run


def test_orphans_of_a_new_foreign_key(failing, found):
    error = failing("alter table orders add constraint orders_user foreign key (user_id) references users (id);")

    assert found(error) == [(11, 99, -5)]
    assert error["details"]["DETAIL"] == 'Key (user_id)=(99) is not present in table "users".'
    assert error["hint"] == ("delete these rows, or give them something to refer to; then run `dbmigrate up` again")


def test_a_foreign_key_to_the_primary_key_without_a_name(failing, found):
    assert found(failing("alter table orders add foreign key (user_id) references users;")) == [(11, 99, -5)]


def test_orphans_of_the_foreign_key_that_is_named_among_several_actions(failing, found):
    sql = """
alter table orders
  add column other bigint,
  add constraint fine foreign key (id) references orders (id),
  add constraint orders_user foreign key (user_id) references users (id);
"""
    assert found(failing(sql)) == [(11, 99, -5)]


def test_quoted_names_and_composite_keys(failing, found):
    before = """
create schema "Odd one";
create table "Odd one"."Par""ent" ("A b" int, "C" int, primary key ("A b", "C"));
create table "Odd one"."select" (id int, "x y" int, "Z" int);
insert into "Odd one"."Par""ent" values (1, 2);
insert into "Odd one"."select" values (1, 1, 2), (2, 1, 3), (3, null, 3);
"""
    sql = """
alter table "Odd one"."select" add constraint "f k" foreign key ("x y", "Z") references "Odd one"."Par""ent";
"""

    assert found(failing(sql, before)) == [(2, 1, 3)]


def test_match_full_finds_rows_that_are_filled_in_part(failing, found):
    before = (
        "create table p (a int, b int, primary key (a, b)); create table c (a int, b int);"
        "insert into c values (1, null), (null, null);"
    )

    error = failing("alter table c add foreign key (a, b) references p (a, b) match full;", before)

    assert found(error) == [(1, None)]


@pytest.mark.parametrize("is_new", [False, True], ids=["added before", "added by the same file"])
def test_orphans_at_validate(failing, found, is_new):
    add = "alter table orders add constraint orders_user foreign key (user_id) references users (id) not valid;"
    validate = "alter table orders validate constraint orders_user;"

    error = failing(add + validate if is_new else validate, SHOP if is_new else SHOP + add)

    assert found(error) == [(11, 99, -5)]


def test_a_row_that_refers_to_nothing_is_not_searched_for(failing):
    before = SHOP + "alter table orders add foreign key (user_id) references users (id) not valid;"

    error = failing("insert into orders select 13, 77, 1;", before)

    assert "rows in the way" not in error["details"]
    assert error["hint"] == (
        "insert the row into public.users first, or write only what refers to one:"
        " WHERE EXISTS (SELECT FROM public.users AS p WHERE p.id = user_id); then run `dbmigrate up` again"
    )


def test_rows_that_refer_to_one_that_is_deleted(failing, found):
    before = SHOP + "alter table orders add foreign key (user_id) references users (id) not valid;"

    error = failing("delete from users where id = 1;", before)

    assert found(error) == [(10, 1, 5)]
    assert error["hint"].startswith("delete or change what refers to the row first, or give the constraint ON DELETE")


def test_a_deferred_foreign_key_fails_at_the_end(failing):
    before = (
        SHOP + "delete from orders where user_id = 99;"
        "alter table orders add foreign key (user_id) references users (id) deferrable initially deferred;"
    )

    error = failing("insert into orders values (13, 77, 1);", before)

    assert error["code"] == "E401"
    assert "insert the row into public.users first" in error["hint"]


def test_a_table_that_is_gone_with_the_migration_has_no_query(failing):
    sql = (
        "create table new_one (user_id bigint); insert into new_one values (99);"
        "alter table new_one add foreign key (user_id) references users (id);"
    )

    error = failing(sql)

    assert "rows in the way" not in error["details"]
    assert error["hint"].startswith("delete the rows that refer to nothing, or insert what they refer to; then run")


@pytest.mark.parametrize(
    "sql",
    [
        "create unique index users_email on users (email);",
        "alter table users add unique (email);",
        "create unique index users_email on users (lower(email)) where id < 100;",
    ],
    ids=["index", "constraint", "expression and predicate"],
)
def test_what_is_there_several_times(failing, found, sql):
    error = failing(sql)

    assert found(error) == [("a@b", 2)]
    assert error["hint"].startswith("merge or delete what is there several times; then run `dbmigrate up` again")


def test_nulls_that_are_not_distinct(failing, found, server):
    if server.major < 15:
        pytest.skip("NULLS NOT DISTINCT is new in PostgreSQL 15")

    error = failing("delete from users where id = 2; create unique index on users (email) nulls not distinct;")

    # the row that the migration deletes is there again
    assert sorted(found(error), key=str) == [("a@b", 2), (None, 2)]


def test_a_key_that_is_there_already(failing, found):
    error = failing("insert into users values (2, 'x');")

    assert found(error) == [(2, "a@b")]
    assert "users_pkey" in error["message"]
    assert error["hint"].startswith("the key is there already, perhaps from a part that was run by hand")
    assert "ON CONFLICT (id) DO NOTHING" in error["hint"]


def test_a_key_with_quotes_and_commas(failing, found):
    before = (
        """create table t ("The key" text, n int, primary key ("The key", n)); insert into t values ('it''s', 1);"""
    )

    assert found(failing("insert into t values ('it''s', 1);", before)) == [("it's", 1)]


def test_missing_values(failing, found):
    error = failing("alter table users alter column email set not null;")

    assert found(error) == [(3, None), (4, None)]
    assert error["hint"].startswith("fill the column in these rows")


def test_a_new_column_that_must_not_be_null(failing):
    error = failing("alter table users add column age int not null;")

    assert "rows in the way" not in error["details"]
    assert error["hint"].startswith("the table has rows: add the column with a DEFAULT")


def test_a_missing_value_that_is_written(failing):
    error = failing("insert into users (email) values ('x');")

    assert error["hint"].startswith("write a value into id, or give the column a DEFAULT")


@pytest.mark.parametrize("name", ["", "constraint positive "], ids=["without a name", "named"])
def test_rows_that_a_check_refuses(failing, found, name):
    error = failing(f"alter table orders add {name}check (amount > 0 and ')' <> '(');")

    assert found(error) == [(11, 99, -5)]


def test_rows_that_a_check_refuses_when_it_is_validated(failing, found):
    before = SHOP + "alter table orders add constraint positive check (amount > 0) not valid;"

    assert found(failing("alter table orders validate constraint positive;", before)) == [(11, 99, -5)]


def test_a_row_that_a_check_refuses(failing):
    before = SHOP + "alter table orders add constraint positive check (amount > 0) not valid;"

    error = failing("insert into orders values (13, 1, 0);", before)

    assert error["details"]["constraint"] == "positive CHECK ((amount > 0)) NOT VALID"


def test_pairs_of_rows_that_exclude_each_other(failing, found):
    before = "create table stays (id int, during int4range);"
    before += "insert into stays values (1, '[1,3]'), (2, '[2,5]'), (3, '[9,9]');"

    error = failing("alter table stays add exclude using gist (during with &&);", before)

    assert [(row[0], row[2]) for row in found(error)] == [(1, 2)]


def test_without_a_transaction_the_query_is_there_too(failing, found):
    error = failing(
        "update users set email = 'x' where id = 3;\ncreate unique index concurrently on users (email);",
        options="transaction:false",
    )

    assert error["code"] == "E501"
    assert found(error) == [("a@b", 2)]
    assert error["hint"] == (
        "merge or delete what is there several times, then continue with `dbmigrate resume`;"
        " `dbmigrate status` shows where it stopped"
    )


def test_the_error_of_the_tracking_table_is_not_about_rows(command, project, database_url, query):
    project.migration("1_a", up="insert into schema_migrations values ('1');")

    done = command("up")

    assert done.exit_code == 4
    assert "rows in the way" not in done.stderr
