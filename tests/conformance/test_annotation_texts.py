"""Comments that begin like an annotation: files of dbmate's may hold any text there, and run as they do in dbmate."""

from __future__ import annotations

from tests.conformance.seen import tables, versions

TEXTS = """\
-- migrate:depends on the users table
-- migrate:depends on 001
-- migrate:depends upon what Anna decides
-- migrate:depends 001 and 003
-- migrate:depends
-- migrate:depends the previous one
-- migrate:depend on nothing
-- migrate:dependencies: users, orders
-- migrate:dependency 001
-- migrate:dependent objects are dropped first
-- migrate:checked by Anna
-- migrate:check the row counts afterwards
-- migrate:check with operations
-- migrate:checks
-- migrate:check
-- migrate:checklist done
-- migrate:require approval of the DBA
-- migrate:requires PostgreSQL 13
-- migrate:require
-- migrate:requirement FLOW-12
-- migrate:required for the new checkout
-- migrate:requested by sales
-- migrate:env variables are not needed
-- migrate:environment dev
-- migrate:env is staging first, then production
-- migrate:env
-- migrate:envs differ here
-- migrate:end users
-- migrate:end of support, see the wiki
-- migrate:end
-- migrate:en masse
-- migrate:enc keys
-- migrate:eng, ops
-- migrate:new users
-- migrate:any
-- migrate:envoys
-- migrate:vars are set by the shell
-- migrate:variables none
-- migrate:vars
-- migrate:various small changes
-- migrate:cars
-- migrate:bars, cafes
-- migrate:vary names
-- migrate:wars
-- migrate:vat numbers
-- migrate:chess clubs
-- migrate:speaking of which
-- migrate:baking recipes
-- migrate:replaces the old trigger
-- migrate:replace the view
-- migrate:replaces
-- migrate:repeatable on every start
-- migrate:repeat until done
-- migrate:repeatable no
-- migrate:breakfast first
-- migrate:break the table in two
-- migrate:breakpoint 7
-- migrate:broken before, works now
-- migrate:all
-- migrate:note that this takes a minute
-- migrate:todo drop the column in May
-- migrate:done 2019-04-01
-- migrate:author Anna
-- migrate:by hand in production
-- migrate:see https://example.com/FLOW-123
-- migrate:ticket FLOW-123
-- migrate:safe
-- migrate:from version 1 to version 2
-- migrate:data only
-- migrate:schema only
-- migrate:users into customers
-- migrate:1
-- migrate:
-- migrate: the old way
-- migrate:über alles
-- migrate:id bigint -> uuid
-- migrate:'quoted' text
-- Migrate the users, then the orders
-- Migrate: see the wiki
-- migrates nothing
--migrate:checked twice
--   migrate:depends on the weather
-- migrate:depends on the users table,
--   and on 001
-- migrate:check; drop table users;
""".splitlines()


def test_there_are_enough_of_them():
    assert len(TEXTS) >= 60


def _file(number, before, below, after):
    return (
        f"{before}\n-- migrate:up\n{below}\ncreate table t{number} (i int);\n{after}\n"
        f"-- migrate:down\n{below}\ndrop table t{number};\n{after}\n"
    )


def test_free_text_is_a_comment_wherever_it_stands(program, project, url):
    for number, text in enumerate(TEXTS, 1001):
        project.write(f"{number}_a.sql", _file(number, text, text, text))
    last = 1000 + len(TEXTS)

    program.ok("up", url=url)

    assert tables(url) == ["schema_migrations", *(f"t{number}" for number in range(1001, last + 1))]
    assert versions(url) == [str(number) for number in range(1001, last + 1)]

    program.ok("rollback", url=url)

    assert f"t{last}" not in tables(url)
    assert versions(url)[-1] == str(last - 1)


def test_annotations_are_comments_to_dbmate(program, project, url):
    project.write("1_a.sql", _file(1, "-- migrate:breaking the API", "", ""))
    project.write("2_b.sql", _file(2, "-- migrate:depends 1", "", ""))

    project.write("3_c.sql", _file(3, "-- migrate:require select count(*) = 0\n--   from t2", "", ""))
    project.write("4_d.sql", _file(4, "", "-- migrate:check select true", ""))

    program.ok("up", url=url)

    assert versions(url) == ["1", "2", "3", "4"]
