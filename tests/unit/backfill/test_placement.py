"""Where `:batch` counts, by tokens; what a statement changes."""

from __future__ import annotations

import pytest

from dbmigrate.backfill.placement import PlacementError, assigned, changes, paged, plain

COUNTS = {
    "where :batch": 1,
    "where a and :batch(u)": 1,
    'where (:batch) and not :batch( "U x" )': 2,
    "from v join t on :batch(t)": 1,
    "where (a or b) and :batch": 1,
    "where case when a or b then c else d end and :batch": 1,
    "where exists (select 1 from v where v.a = 1 or v.b = 2) and :batch": 1,
    "where x in (select y from v where z or w) and\n-- :batch\n:batch": 1,
}
TEXT = (
    "where x::batch = 1",
    "where a[1:batch] = 2",
    "where a[:batch] = 2",
    "where json_object('k':batch) is null",
    "where s = ':batch'",
    "where s = $q$ :batch $q$",
    "where true -- and :batch",
    "where true /* /* and :batch */ */",
    'where ":batch" = 1',
    "where :batches",
    "where e'\\' :batch' = ''",
    "where : batch",
    "where :BATCH",
)
BESIDE_OR = (
    "where a or :batch",
    "where a or b and :batch",
    "where :batch or a",
    "where n = 0 or (n = 5 and :batch)",
    "where (:batch) or x",
    "where ((a and (:batch)) or x) and b",
    "from v join t on a or :batch",
)


@pytest.mark.parametrize("clause", COUNTS)
def test_it_counts_where_a_condition_may_stand(clause):
    found = paged(f"update t set n = 1 {clause}")

    assert len(found.marks) == COUNTS[clause]
    assert ":batch" not in found.expanded(lambda alias: "true").replace("-- :batch", "")


@pytest.mark.parametrize("clause", TEXT)
def test_elsewhere_it_is_text(clause):
    with pytest.raises(PlacementError) as refused:
        paged(f"update t set n = 1 {clause}")

    assert refused.value.code == "E287"


@pytest.mark.parametrize("clause", BESIDE_OR)
def test_beside_an_or_it_is_an_error_with_its_place(clause):
    sql = f"update t set n = 1 {clause}"

    with pytest.raises(PlacementError, match="OR") as refused:
        paged(sql)

    assert sql[refused.value.start :].startswith(":batch")


@pytest.mark.parametrize(
    "sql", ["create index on t (a)", "set role x", "do $$ begin end $$", "truncate t", "vacuum t", "copy t from stdin"]
)
def test_other_statements_have_no_pages(sql):
    with pytest.raises(PlacementError) as refused:
        paged(sql)

    assert refused.value.code == "E288"


def test_places_in_the_expanded_text_lead_back_to_the_file():
    sql = "update t u set n = 1 where :batch(u) and nothing = 1 and :batch(u) and other = 2"
    found = paged(sql)
    expanded = found.expanded(lambda alias: f"({alias}.id > 17)")

    for word in ("update", "nothing", "other"):
        assert sql[found.offset(expanded.index(word), lambda alias: f"({alias}.id > 17)") :].startswith(word)
    inside = expanded.index("u.id > 17", expanded.index("nothing"))
    assert found.offset(inside, lambda alias: f"({alias}.id > 17)") == sql.rindex(":batch")


def test_those_who_only_read_get_plain_sql_of_the_same_length():
    sql = 'delete from t "x y" where :batch("x y") and a'

    assert plain(sql) == 'delete from t "x y" where (true)        and a'
    assert len(plain(sql)) == len(sql)
    assert plain("select ':batch'") == "select ':batch'"


def test_the_table_that_is_changed_and_its_columns():
    assert changes("update only app.T set x = 1", ("app", "t"))
    assert changes('DELETE FROM "T" where true', ("app", "T"))
    assert not changes("update u set x = 1 from t", ("app", "t"))
    assert not changes("with t as (select 1) select 1", ("app", "t"))
    found = assigned(
        'update t set a=1, (b, "C c")=(select 1,2), d[1]=f(x,y), e = case when a then b end where q=1, z=3'
    )
    assert found == {"a", "b", "C c", "d", "e"}
    assert assigned("delete from t") == frozenset()
