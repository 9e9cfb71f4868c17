"""The tables of a schema as SVG: boxes with rows, lines from foreign keys to what they refer to. Pure.

Each object that is drawn carries its kind and name in an id, ``PICTURE/column/public.orders.note`` (percent-encoded),
and each changed one its sign beside its colour.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from dbmigrate.catalog import Kind
from dbmigrate.frozen import frozen
from dbmigrate.output import text
from dbmigrate.reporting.layout import Size, arrange
from dbmigrate.reporting.schema import State, short

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dbmigrate.catalog import Key
    from dbmigrate.reporting.layout import Crossing, Edge, Layout
    from dbmigrate.reporting.markup import Pen
    from dbmigrate.reporting.schema import Column, Reference, Schema, Table

__all__ = ["CHARACTER", "Subject", "draw", "object_id"]

CHARACTER = 6.65  # a monospaced font of 11 px is 0.6 em wide everywhere: widths need no font file
HEAD, ROW, PADDING, MARGIN = 24, 17, 8, 10
_NARROWEST = 110
_NAME_WIDTH, _TYPE_WIDTH, _TITLE_WIDTH = 40, 30, 60  # characters that are shown
CLASSES = {State.SAME: "", State.ADDED: " add", State.REMOVED: " del", State.CHANGED: " chg"}


@frozen
class Subject:
    """What a picture shows: `name` begins its ids, `title` is for people.

    `full` tables show all their columns, `bare` pictures names only; `hubs` get no lines; `about` are the tables of
    which one has to be an end of each line (None: all); `referring` are counts of tables that are not drawn.
    """

    name: str
    title: str
    tables: tuple[str, ...]
    hubs: frozenset[str] = frozenset()
    about: frozenset[str] | None = None
    referring: Mapping[str, int] | None = None
    is_bare: bool = False


@frozen
class _Row:
    """A row of a box: its text, something at the right side, its sign, its object."""

    text: str
    right: str = ""
    mark: str = ""
    state: State = State.SAME
    key: Key | None = None
    full: str = ""

    @property
    def width(self) -> int:
        return sum(text.cells(part) for part in (self.label, self.right, self.mark)) + 3

    @property
    def label(self) -> str:
        return f"{self.state} {self.text}" if self.state else self.text


def object_id(picture: str, key: Key) -> str:
    """The id of an object in a picture."""
    return f"{picture}/{quote(key.kind, safe='')}/{quote(key.name, safe='')}"


def draw(schema: Schema, subject: Subject, pen: Pen) -> str:
    """The SVG of a picture."""
    names = [name for name in subject.tables if name in schema.tables]
    rows = {name: _rows(schema.tables[name], subject, pen) for name in names}
    sizes = {name: _size(_title(schema.tables[name], pen), rows[name]) for name in names}
    drawing = _Drawing(schema, subject, pen, rows, sizes)
    lines = [(table, each) for table in map(schema.tables.get, names) if table for each in drawing.drawn(table)]
    layout = arrange(sizes, [(table.name, each.target) for table, each in lines])
    width, height = layout.width + 2 * MARGIN, layout.height + 2 * MARGIN
    return pen.element(
        "svg",
        "".join(
            (
                pen.element("title", pen.text(subject.title)),
                *(drawing.line(table, each, layout) for table, each in lines),
                *(drawing.box(name, layout.places[name]) for name in names),
            )
        ),
        viewBox=f"{-MARGIN} {-MARGIN} {width:.0f} {height:.0f}",
        width=width,
        height=height,
        role="img",
        aria_label=f"{subject.title}: {text.count(len(names), 'table')}, {text.count(len(lines), 'reference')}",
    )


# ---------------------------------------------------------------------------------------------------------------- rows


def _rows(table: Table, subject: Subject, pen: Pen) -> Sequence[_Row]:
    if subject.is_bare:
        return ()
    return tuple(_all_rows(table, subject, pen))


def _all_rows(table: Table, subject: Subject, pen: Pen) -> Iterator[_Row]:
    keys = {column: each for each in reversed(table.references) for column in each.columns}
    is_whole = table.state in (State.ADDED, State.REMOVED)
    hidden = 0
    for column in table.columns:
        reference = keys.get(column.name)
        if is_whole or column.is_primary or reference or column.state:
            to = _named(reference, table, subject.hubs)
            yield _column_row(column, reference, to, pen)
        else:
            hidden += 1
    if hidden:
        yield _Row(f"… {hidden} more")
    for detail in table.details:
        key = None if detail.key == table.key else detail.key  # the box has its id
        yield _Row(pen.label(detail.text, _NAME_WIDTH + _TYPE_WIDTH), "", "", detail.state, key, detail.text)
    if number := (subject.referring or {}).get(table.name):
        yield _Row(f"← {number} tables refer to it")


def _named(reference: Reference | None, table: Table, hubs: frozenset[str]) -> str:
    """What a foreign key refers to, where that gets no line."""
    is_hub = reference is not None and reference.target in hubs and reference.target != table.name
    return f" → {short(reference.target)}" if reference is not None and is_hub else ""


def _column_row(column: Column, reference: Reference | None, to: str, pen: Pen) -> _Row:
    mark = "PK" if column.is_primary else "FK" if reference else ""
    type_ = column.was or f"{column.type}{'?' if column.is_nullable else ''}"
    width = 2 * _TYPE_WIDTH if column.was else _TYPE_WIDTH  # what changed is before and after
    shown = pen.label(f"{column.name}{to}", _NAME_WIDTH), pen.label(type_, width)
    return _Row(*shown, mark, column.state, column.key, f"{column.name}{to} {type_}")


def _title(table: Table, pen: Pen) -> str:
    name = pen.label(short(table.name), _TITLE_WIDTH)
    return f"{table.state} {name}" if table.state else name


def _size(title: str, rows: Sequence[_Row]) -> Size:
    widest = max([text.cells(title) + 1, *(row.width for row in rows)])
    height = HEAD + len(rows) * ROW + (4 if rows else 0)
    return Size(max(_NARROWEST, round(widest * CHARACTER + 2 * PADDING)), height)


# -------------------------------------------------------------------------------------------------------------- drawing

Point = tuple[float, float]


class _Through(NamedTuple):
    """A point of a line, reached to the right (1), to the left (-1) or in a bow (0); then it goes on `level`."""

    point: Point
    turn: int
    level: float = 0.0


@frozen
class _Drawing:
    schema: Schema
    subject: Subject
    pen: Pen
    rows: Mapping[str, Sequence[_Row]]
    sizes: Mapping[str, Size]

    def drawn(self, table: Table) -> Iterator[Reference]:
        """The references of a table that get a line."""
        about = self.subject.about
        for each in table.references:
            is_shown = each.target in self.sizes and each.target not in self.subject.hubs and each.target != table.name
            if is_shown and (about is None or table.name in about or each.target in about):
                yield each

    def box(self, name: str, place: tuple[float, float]) -> str:
        table, size, pen = self.schema.tables[name], self.sizes[name], self.pen
        parts = [
            pen.element("title", pen.text(f"{name}{f': {table.comment}' if table.comment else ''}")),
            pen.element("rect", class_="b", width=size.width, height=size.height, rx=4.0),
            pen.element("rect", class_="h", width=size.width, height=22.0, rx=4.0),
            pen.element("text", pen.text(_title(table, pen)), class_="n", x=float(PADDING), y=15.0),
            *(self._row(row, number, size.width) for number, row in enumerate(self.rows[name])),
        ]
        return pen.element(
            "g",
            "".join(parts),
            id=object_id(self.subject.name, table.key),
            class_=f"t{CLASSES[table.state]}",
            data_t=name,
            transform=f"translate({place[0]:.0f} {place[1]:.0f})",
        )

    def _row(self, row: _Row, number: int, width: float) -> str:
        pen, top = self.pen, HEAD + number * ROW
        kind = CLASSES[row.state] if row.key or row.state else " more"
        mark = pen.element("tspan", f" {row.mark}", class_="k") if row.mark else ""
        parts = []
        if row.full and row.full != f"{row.text} {row.right}".strip():
            parts.append(pen.element("title", pen.text(row.full)))
        if row.state:
            parts.append(pen.element("rect", class_="r", x=1.0, y=float(top), width=width - 2, height=float(ROW)))
        parts.append(pen.element("text", pen.text(row.label) + mark, class_="c", x=float(PADDING), y=top + 12.0))
        if row.right:
            parts.append(pen.element("text", pen.text(row.right), class_="y", x=width - PADDING, y=top + 12.0))
        identity = (
            object_id(self.subject.name, row.key) if row.key and (row.state or row.key.kind is Kind.COLUMN) else None
        )
        return pen.element("g", "".join(parts), id=identity, class_=f"w{kind}")

    def line(self, table: Table, reference: Reference, layout: Layout) -> str:
        pen = self.pen
        at, through, (x, y) = self._ends(table, reference, layout)
        path = [f"M{at[0]:.0f} {at[1]:.0f}"]
        for each in through:
            path.append(_curve(at, each))
            path += [f"h{each.level:.0f}"] if each.level else []
            at = (each.point[0] + each.level, each.point[1])
        label = f"{short(table.name)} ({', '.join(reference.columns)}) → {short(reference.target)}"
        state = reference.state or (table.state if table.state in (State.ADDED, State.REMOVED) else State.SAME)
        title = pen.element("title", pen.text(f"{state} {label}".strip()))
        kind = CLASSES[state]
        ends = {"data_a": table.name, "data_b": reference.target}
        drawn = pen.element("path", title, class_=f"e{kind}", d="".join(path), **ends)
        return drawn + pen.element("circle", class_=f"d{kind}", cx=x, cy=y, r=2.5)

    def _ends(self, table: Table, reference: Reference, layout: Layout) -> tuple[Point, list[_Through], Point]:
        """Where a line begins, the points that it leads through, and its end."""
        edge: Edge = (table.name, reference.target)
        (cx, cy), (px, py) = layout.places[table.name], layout.places[reference.target]
        crossings: Sequence[Crossing] = layout.ways.get(edge, ())
        y1, y2 = cy + self._anchor(table, reference), py + HEAD / 2
        if cx > px:
            start, end = (cx, y1), (px + self.sizes[reference.target].width, y2)
            through = [_Through((each.x + each.width, each.y), -1, -each.width) for each in reversed(crossings)]
            return start, [*through, _Through(end, -1)], end
        start = (cx + self.sizes[table.name].width, y1)
        end = (px, y2) if cx < px else (px + self.sizes[reference.target].width, y2)
        through = [_Through((each.x, each.y), 1, each.width) for each in crossings]
        return start, [*through, _Through(end, 1 if cx < px else 0)], end

    def _anchor(self, table: Table, reference: Reference) -> float:
        """The height of the row of the first column of a foreign key."""
        wanted = Kind.COLUMN, f"{table.name}.{reference.columns[0]}" if reference.columns else ""
        rows = self.rows[table.name]
        number = next((at for at, row in enumerate(rows) if row.key == wanted), None)
        return HEAD / 2 if number is None else HEAD + (number + 0.5) * ROW


def _curve(start: Point, through: _Through) -> str:
    """A curve to the next point of a line."""
    x, y = through.point
    reach = max(18.0, abs(x - start[0]) / 2) * through.turn
    one, two = (start[0] + reach, x - reach) if through.turn else (start[0] + 40, x + 40)
    return f"C{one:.0f} {start[1]:.0f} {two:.0f} {y:.0f} {x:.0f} {y:.0f}"
