"""Placeholders of other tools as variables: where one is all of a literal or of a name, and nowhere else."""

from __future__ import annotations

import pytest

from dbmigrate.importing.flyway import TOOL
from dbmigrate.importing.values import Answers, ForeignMigration, Source, SourceFile


def flyway(sql: str, name: str = "V1__x.sql", undo: str | None = None) -> ForeignMigration:
    files = {name: sql} | ({"U1__x.sql": undo} if undo else {})
    source = Source("sql", tuple(SourceFile(path, text.encode()) for path, text in files.items()))
    [migration] = TOOL.read(source, Answers()).migrations
    return migration


@pytest.mark.parametrize(
    ("sql", "becomes"),
    [
        ("select '${x}';", "select :'x';"),
        ("select interval'${x}';", "select interval:'x';"),
        ('select * from "${x}";', 'select * from :"x";'),
        ("select '${X}', '${x}';", "select :'x', :'x';"),  # Flyway's names ignore case
        ("select '${app.x}';", "select :'app_x';"),
        ("create table ${x}.t (id int);", 'create table :"x".t (id int);'),
        ("select * from s.${x};", 'select * from s.:"x";'),
        ("create schema if not exists ${x};", 'create schema if not exists :"x";'),
        ("create schema /* it */ ${x};", None),
        ("alter table t owner to ${x};", 'alter table t owner to :"x";'),
        ("alter role ${x} login;", 'alter role :"x" login;'),
    ],
)
def test_all_of_a_literal_or_a_name_becomes_a_variable(sql: str, becomes: str | None) -> None:
    found = flyway(sql)

    assert [each.asks for each in found.judgements] == [becomes is None]
    assert found.ups[0].sql == (becomes or sql)
    assert len(found.variables) == (becomes is not None)


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("select 'a ${x}';", "longer string"),
        ("select '${x}${x}';", "longer string"),
        ("select E'${x}';", "longer string"),
        ("select U&'${x}';", "longer string"),
        ("select B'${x}';", "longer string"),
        ("select 'a'\n'${x}';", "longer string"),
        ("select '${x}'\n'a';", "longer string"),
        ('select "a${x}";', "longer name"),
        ("select 1 as a_${x};", "longer name"),
        ("select ${x};", "any SQL"),
        ("select * from t limit ${x};", "any SQL"),
        ("set schema '${x}'; create table ${x} (id int);", "any SQL"),
        ("select $$ ${x} $$;", "dollar-quoted body"),
        ("do $f$ begin perform '${x}'; end $f$;", "dollar-quoted body"),
        ("select 1; -- ${x}\n", "comment"),
        ("-- ${x}\nselect 1;", "comment"),
        ("select /* ${x} */ 1;", "comment"),
        ("copy t from stdin;\n${x}\n\\.\n", "data of COPY"),
        ("select a[1:'${x}'] from t;", "any SQL"),
        ("select json_object('k':'${x}');", "any SQL"),
        ("select '${x}', '${a.x}', '${a-x}';", "same variable"),
        ("select '${flyway:defaultSchema}';", "has no value"),
        ("select 'open ${x};", "not understood"),
    ],
)
def test_elsewhere_its_value_is_asked_for(sql: str, why: str) -> None:
    found = flyway(sql)
    asked = [each for each in found.judgements if each.asks]

    assert len(asked) == 1, found.judgements
    assert why in asked[0].message
    assert (asked[0].hint or "").startswith("--placeholder ")
    assert str(asked[0].place).startswith("V1__x.sql:")
    assert "\ue000" not in found.ups[0].sql


def test_one_place_that_needs_the_value_is_enough() -> None:
    found = flyway("select '${x}', '${y}';\nselect $$${x}$$;")

    assert [(each.asks, str(each.place)) for each in found.judgements] == [
        (True, "V1__x.sql:2:1"),
        (False, "V1__x.sql:1:1"),
    ]
    assert found.variables == ("y",)


def test_a_repeatable_migration_has_no_variables() -> None:
    found = flyway("select '${x}';", "R__v.sql")

    assert [each.asks for each in found.judgements] == [True]
    assert found.variables == ()


def test_the_undo_file_has_its_own_places() -> None:
    found = flyway("select '${x}';", undo="select 1;\nselect '${y}', '1 ${z}';")

    assert found.variables == ("x", "y")
    assert [str(each.place) for each in found.judgements if each.asks] == ["U1__x.sql:2:1"]
