"""ALTER TABLE: constraints that are added NOT VALID and validated, indexes that are built before their constraint.

The actions are taken apart in the order in which the server runs them; neighbours of one form stay one statement.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING

from dbmigrate.frozen import frozen
from dbmigrate.lint.fix.actions import Fragment, Slice, altered, head_of, name_at, slices, words_between
from dbmigrate.lint.fix.conditions import no_offender
from dbmigrate.lint.fix.values import Refusal, Rewrite, Sql, Step, code_at
from dbmigrate.lint.fix.writing import Writer, quoted
from dbmigrate.lint.sql.reading import folded
from dbmigrate.lint.sql.shape import ActionKind, AlterTable, ConstraintKind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dbmigrate.lint.fix.facts import Relation
    from dbmigrate.lint.fix.values import Target
    from dbmigrate.lint.sql.shape import Constraint

__all__ = ["constraints"]

_FORMS = {
    (ActionKind.SET_NOT_NULL, None): "L106",
    (ActionKind.ADD_CONSTRAINT, ConstraintKind.CHECK): "L105",
    (ActionKind.ADD_CONSTRAINT, ConstraintKind.FOREIGN): "L104",
    (ActionKind.ADD_CONSTRAINT, ConstraintKind.UNIQUE): "L103",
    (ActionKind.ADD_CONSTRAINT, ConstraintKind.PRIMARY): "L103",
    (ActionKind.ADD_CONSTRAINT, ConstraintKind.EXCLUDE): "L103",
}
_NOT_NULL_CONSTRAINTS = 18  # PostgreSQL's version from which NOT NULL is a constraint that can be NOT VALID
_UNNAMED = "the name that the server gives to it is not certain"


class _RefusedError(Exception):
    """One action cannot be rewritten, so that the statement stays."""

    def __init__(self, reason: str, hint: str = "") -> None:
        super().__init__(reason)
        self.refusal = Refusal(reason, hint)


@frozen
class _Table:
    """The statement: its beginning, its table there, and how to write."""

    target: Target
    head: str
    name: str
    relation: Relation
    write: Writer

    def check_names(self, columns: Sequence[str]) -> list[str]:
        """A name for the helping CHECK of each column, as SQL has it: two that are cut must not become the same."""
        write, names = self.write, list[str]()
        for column in columns:
            names.append(write.free_name(self.relation.name, column, suffix="not_null_check"))
            write = write.with_names(names[-1])
        return [quoted(name) for name in names]


def constraints(target: Target) -> Rewrite | Refusal | None:
    """The rewritten ALTER TABLE; None if no form fits to what was found."""
    shape, sql = target.shape, target.piece.sql
    if not isinstance(shape, AlterTable):
        return None
    found = slices(sql, shape)
    chosen = [each for each in found if _code(each) in code_at(target, each.begin, each.end)]
    relation = target.before.relation(shape.table)
    if not chosen or relation is None or relation.kind not in ("r", "p"):
        return None
    if relation.persistence == "t" or relation.is_of_extension:
        return None
    table = _Table(target, head_of(sql, shape), name_at(sql, shape.table.at), relation, target.write)
    steps: list[Step] = []
    main = 0
    fixed = set(map(id, chosen))
    ordered = sorted(found, key=lambda each: each.order)
    try:
        for form, group in groupby(ordered, key=lambda each: _form(each) if id(each) in fixed else ""):
            parts = list(group)
            made = _MAKERS[form](table, parts) if form else [Step((altered(table.head, _texts(parts), table.write),))]
            if any(part is found[-1] for part in parts):
                main = len(steps) + _main_of(made, parts)
            steps += made
    except _RefusedError as exc:
        return exc.refusal
    needed = [each for part in chosen for each in no_offender(target, part, relation, table.name)]
    return Rewrite(tuple(steps), frozenset(_code(each) for each in chosen), main, conditions=tuple(needed))


def _code(found: Slice) -> str:
    constraint = found.action.constraint
    return _FORMS.get((found.action.kind, constraint.kind if constraint else None), "")


def _form(found: Slice) -> str:
    constraint = found.action.constraint
    return constraint.kind.value if constraint else "SET NOT NULL"


def _texts(parts: Sequence[Slice]) -> list[Fragment]:
    return [part.fragment for part in parts]


def _main_of(steps: Sequence[Step], parts: Sequence[Slice]) -> int:
    """The step that holds the author's own words."""
    wanted = parts[-1].text
    holding = [number for number, step in enumerate(steps) if any(wanted in each.text for each in step.statements)]
    return holding[0] if holding else 0


# ------------------------------------------------------------------------------------------------- CHECK, FOREIGN KEY


def _validated(table: _Table, parts: Sequence[Slice]) -> list[Step]:
    """Added as NOT VALID, which reads nothing; validated under a lock that lets reads and writes go on."""
    added, names = [], []
    is_partitioned = table.relation.kind == "p" and table.target.server < _NOT_NULL_CONSTRAINTS
    if is_partitioned and table.target.is_rare and len(parts) == 1 and _form(parts[0]) == "FOREIGN KEY":
        return _reference_on_partitions(table, parts)
    for part in parts:
        constraint = part.action.constraint
        assert constraint is not None
        _refuse_unsafe(table, part, constraint)
        name, text = _named(table, part)
        names.append(name)
        added.append(replace(part.fragment, text=f"{text} {table.write('not valid')}"))
    validate = table.write("validate constraint")
    return [
        Step((altered(table.head, added, table.write),)),
        Step((_on_one_line(table, [f"{validate} {name}" for name in names]),)),
    ]


def _reference_on_partitions(table: _Table, parts: Sequence[Slice]) -> list[Step]:
    """Each partition gets the constraint first; the author's statement finds them, and reads nothing."""
    write, added, validated = table.write, [], []
    name, text = _named(table, parts[0])
    after = table.target.after.relation(_altered(table.target).table)
    for leaf in table.target.after.leaves(after) if after else ():
        alter = f"{write('alter table')} {_leaf_name(table, leaf)}"
        added.append(Step((Sql(f"{alter} {text} {write('not valid')};"),)))
        validated.append(Step((Sql(f"{alter} {write('validate constraint')} {name};"),)))
    own = replace(parts[0].fragment, text=text)
    return [*added, *validated, Step((altered(table.head, [own], write),))]


def _on_partitions(table: _Table, parts: Sequence[Slice]) -> list[Step]:
    """An index for each partition, built while rows are written; then all constraints in one short transaction."""
    if len(parts) > 1:
        raise _RefusedError("one constraint of a partitioned table at a time")
    write, built, taken = table.write, [], []
    constraint = parts[0].action.constraint
    name, text = _named(table, parts[0])
    after = table.target.after.relation(_altered(table.target).table)
    indexes = table.target.after.indexes_of(after) if after else []
    own = next((each for each in indexes if each.name == folded(name)), None)
    if own is None or after is None or constraint is None:
        raise _RefusedError(_UNNAMED)
    for leaf in table.target.after.leaves(after):
        part = table.target.after.index_of_leaf(own, leaf)
        if part is None:
            raise _RefusedError(f"the partition {leaf.name} has no part of the index")
        index, where = quoted(part.name), _leaf_name(table, leaf)
        keys = part.definition[part.definition.index(" USING ") :].replace(" USING btree", "", 1)
        built.append(Step((Sql(f"{write('create unique index concurrently')} {index} {write('on')} {where}{keys};"),)))
        kind = write(constraint.kind.value.lower())
        using = f"{write('add constraint')} {index} {kind} {write('using index')} {index}"
        taken.append(Sql(f"{write('alter table')} {where} {using};"))
    last = altered(table.head, [replace(parts[0].fragment, text=text)], write)
    return [*built, Step((*taken, last), is_block=True)]


def _altered(target: Target) -> AlterTable:
    assert isinstance(target.shape, AlterTable)
    return target.shape


def _leaf_name(table: _Table, leaf: Relation) -> str:
    is_qualified = "." in table.name or leaf.schema not in table.target.after.path[:1]
    return f"{quoted(leaf.schema)}.{quoted(leaf.name)}" if is_qualified else quoted(leaf.name)


def _refuse_unsafe(table: _Table, part: Slice, constraint: Constraint) -> None:
    words = [word.text for word in words_between(table.target.piece.sql, part.begin, part.end)]
    if "ENFORCED" in words:
        raise _RefusedError("a NOT ENFORCED constraint is not validated")
    if constraint.kind is ConstraintKind.FOREIGN and table.relation.kind == "p" and table.target.server < 18:
        raise _RefusedError(
            "a foreign key of a partitioned table cannot be NOT VALID before PostgreSQL 18",
            f"dbmigrate new --pattern add-foreign-key {table.name} {' '.join(constraint.columns)}",
        )


def _on_one_line(table: _Table, actions: Sequence[str]) -> Sql:
    return Sql(f"{table.head} {', '.join(actions)};")


def _named(table: _Table, part: Slice) -> tuple[str, str]:
    """The constraint's name as it is written, and the action with it."""
    constraint = part.action.constraint
    assert constraint is not None
    if constraint.name is not None:
        words = words_between(table.target.piece.sql, part.begin, part.end)
        at = next(number for number, word in enumerate(words) if word.text == "CONSTRAINT")
        return table.target.piece.sql[words[at + 1].start : words[at + 1].end], part.text
    given = table.target.given.get((table.target.piece.at, part.action.at))
    if given is None:
        raise _RefusedError(_UNNAMED)
    add = words_between(table.target.piece.sql, part.begin, part.end)[0]
    length = add.end - add.start
    text = f"{part.text[:length]} {table.write('constraint')} {quoted(given)}{part.text[length:]}"
    return quoted(given), text


# ------------------------------------------------------------------------------------------------------- SET NOT NULL


def _required(table: _Table, parts: Sequence[Slice]) -> list[Step]:
    """A valid CHECK proves to SET NOT NULL that it need not read the table."""
    if table.target.server >= _NOT_NULL_CONSTRAINTS:
        return _required_by_constraint(table, parts)
    checks, validated, dropped, write = [], [], [], table.write
    names = table.check_names([part.action.name for part in parts])
    for part, name in zip(parts, names, strict=True):
        condition = f"{_column(table, part)} {write('is not null')}"
        checks.append(f"{write('add constraint')} {name} {write('check')} ({condition}) {write('not valid')}")
        validated.append(f"{write('validate constraint')} {name}")
        dropped.append(f"{write('drop constraint')} {name}")
    leads = [replace(part.fragment, text=check) for part, check in zip(parts, checks, strict=True)]
    return [
        Step((altered(table.head, [replace(lead, tail="") for lead in leads], write),)),
        Step((_on_one_line(table, validated),)),
        Step(
            (
                altered(table.head, [replace(part.fragment, lead=()) for part in parts], write),
                _on_one_line(table, dropped),
            ),
            is_block=True,
        ),
    ]


def _required_by_constraint(table: _Table, parts: Sequence[Slice]) -> list[Step]:
    added, validated, write = [], [], table.write
    for part in parts:
        given = table.target.given.get((table.target.piece.at, part.action.at))
        if given is None:
            raise _RefusedError(_UNNAMED)
        what = f"{write('not null')} {_column(table, part)} {write('not valid')}"
        added.append(replace(part.fragment, text=f"{write('add constraint')} {quoted(given)} {what}"))
        validated.append(f"{write('validate constraint')} {quoted(given)}")
    return [Step((altered(table.head, added, write),)), Step((_on_one_line(table, validated),))]


def _column(table: _Table, part: Slice) -> str:
    """The column of ``ALTER [COLUMN] name ..``, as it is written."""
    words = words_between(table.target.piece.sql, part.begin, part.end)
    word = next(word for word in words[1:] if folded(word.text) == part.action.name and word.text != "COLUMN")
    return table.target.piece.sql[word.start : word.end]


# ------------------------------------------------------------------------------------------------ UNIQUE, PRIMARY KEY


def _unique(table: _Table, parts: Sequence[Slice]) -> list[Step]:
    """The index is built while rows are written; the constraint takes it over."""
    if table.relation.kind == "p" and table.target.is_rare:
        return _on_partitions(table, parts)
    _refuse_index(table, parts)
    built, added = zip(*(_built(table, part) for part in parts), strict=True)
    return [*(Step((Sql(index),)) for index in built), Step((altered(table.head, added, table.write),))]


def _primary(table: _Table, parts: Sequence[Slice]) -> list[Step]:
    if table.relation.kind == "p" and table.target.is_rare:
        return _on_partitions(table, parts)
    _refuse_index(table, parts)
    constraint, write = parts[0].action.constraint, table.write
    assert constraint is not None
    open_ = [each for each in constraint.columns if not table.relation.columns[each].is_required]
    if table.target.before.constraints_of(table.relation, "p"):
        columns = " ".join(constraint.columns)
        raise _RefusedError(
            "the table has a primary key", f"dbmigrate new --pattern change-primary-key {table.name} {columns}"
        )
    index, added = _built(table, parts[0])
    if not open_:
        return [Step((Sql(index),)), Step((altered(table.head, [added], write),))]
    names = table.check_names(open_)
    checks = [
        f"{write('add constraint')} {name} {write('check')} ({quoted(column)} {write('is not null')})"
        f" {write('not valid')}"
        for name, column in zip(names, open_, strict=True)
    ]
    dropped = _on_one_line(table, [f"{write('drop constraint')} {name}" for name in names])
    return [
        Step((altered(table.head, checks, write),)),
        Step((_on_one_line(table, [f"{write('validate constraint')} {name}" for name in names]),)),
        Step((Sql(index),)),
        Step((altered(table.head, [added], write), dropped), is_block=True),
    ]


def _exclude(table: _Table, parts: Sequence[Slice]) -> list[Step]:
    raise _RefusedError(
        "EXCLUDE has no safe form: PostgreSQL can neither build its index concurrently nor add it as NOT VALID",
        "plan a downtime, or fill a new table that has it",
    )


def _refuse_index(table: _Table, parts: Sequence[Slice]) -> None:
    if table.relation.kind == "p":
        constraint = parts[0].action.constraint
        assert constraint is not None
        raise _RefusedError(
            f"{table.name} is partitioned: its constraint cannot take over an index",
            f"dbmigrate new --pattern add-unique {table.name} {' '.join(constraint.columns)}",
        )
    if "EXISTS" in table.head.upper().split():
        raise _RefusedError("with IF EXISTS the table may be missing, and CREATE INDEX would fail")


def _built(table: _Table, part: Slice) -> tuple[str, Fragment]:
    """The index, and the constraint that takes it over, from the words of the constraint."""
    sql, write = table.target.piece.sql, table.write
    name, _ = _named(table, part)
    words = words_between(sql, part.begin, part.end)
    texts = [word.text for word in words]
    at = next(number for number, text in enumerate(texts) if text in ("UNIQUE", "PRIMARY"))
    kind = sql[words[at].start : words[at + (texts[at] == "PRIMARY")].end]
    if "USING" in texts and texts[texts.index("USING") + 1] == "INDEX" and "TABLESPACE" not in texts:
        raise _RefusedError("it takes over an index already")
    keys = texts.index("(", at)
    close = _closing(texts, keys)
    clauses = sql[words[keys].start : words[close].end]
    distinct = sql[words[at].end : words[keys].start].strip() if kind.upper() == "UNIQUE" else ""
    rest, number = [clauses], close + 1
    behind = ""
    while number < len(words):
        if texts[number] in ("INCLUDE", "WITH"):
            end = _closing(texts, texts.index("(", number))
            rest.append(sql[words[number].start : words[end].end])
            if texts[number] == "INCLUDE" and distinct:
                rest.append(distinct)
                distinct = ""
            number = end + 1
        elif texts[number : number + 3] == ["USING", "INDEX", "TABLESPACE"]:
            rest.append(sql[words[number + 2].start : words[number + 3].end])
            number += 4
        else:
            behind = f" {sql[words[number].start : words[-1].end]}"
            break
    if distinct:
        rest.insert(1, distinct)
    index = f"{write('create unique index concurrently')} {name} {write('on')} {table.name} {' '.join(rest)};"
    added = f"{write('add constraint')} {name} {kind} {write('using index')} {name}{behind}"
    return index, replace(part.fragment, text=added)


def _closing(texts: Sequence[str], at: int) -> int:
    """The number of the word that closes a parenthesis."""
    depth = 0
    for number in range(at, len(texts)):
        depth += (texts[number] == "(") - (texts[number] == ")")
        if depth == 0:
            return number
    raise _RefusedError("its parentheses are not closed")


_MAKERS: dict[str, Callable[[_Table, Sequence[Slice]], list[Step]]] = {
    "CHECK": _validated,
    "FOREIGN KEY": _validated,
    "SET NOT NULL": _required,
    "UNIQUE": _unique,
    "PRIMARY KEY": _primary,
    "EXCLUDE": _exclude,
}
