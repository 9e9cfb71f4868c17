"""The whole page: one HTML file that loads nothing, runs nothing but its own script, and reads without that. Pure.

The Content-Security-Policy allows the one script by its hash: text from the database cannot run, and no request is
possible.
"""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING

from dbmigrate.output import text
from dbmigrate.reporting import choice, picture, sections
from dbmigrate.reporting.markup import Pen
from dbmigrate.reporting.picture import Subject
from dbmigrate.reporting.schema import State, short

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dbmigrate.reporting.choice import Group
    from dbmigrate.reporting.schema import Schema, Table
    from dbmigrate.reporting.values import Origin, Report

__all__ = ["write"]

_HERE = Path(__file__).parent
_REFERRED = 6  # so many tables of other groups are named


def write(report: Report, *, hide: Callable[[str], str] = str) -> str:
    """The page. `hide` masks secrets in every text that comes from files and servers."""
    pen = Pen(hide)
    script = (_HERE / "page.js").read_text(encoding="utf-8").strip()
    style = (_HERE / "page.css").read_text(encoding="utf-8").strip()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    title = f"Migrations of {report.origin.target}"
    head = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f"<title>{pen.text(title)}</title><style>{style}</style></head><body>\n"
    )
    body = "".join(f"{part}\n" for part in _parts(report, title, pen))
    data = pen.data(_data(report.schema, pen)) if report.schema else "[]"
    return (
        f'{head}{body}<script type="application/json" id="m">{data}</script>\n<script>{script}</script></body></html>\n'
    )


def _parts(report: Report, title: str, pen: Pen) -> Iterator[str]:
    origin = report.origin
    yield f"<header><h1>{pen.text(title)}</h1>{_made(origin, pen)}{sections.lead(report, pen)}</header><main>"
    yield _section("Environments", sections.environments(report, pen))
    yield _section("Pending, and what it locks and destroys", sections.pending(report, pen))
    yield _section("What changes", _changes(report, pen))
    yield _section("History", sections.history(report, pen))
    yield _section(_schema_title(report), _schema(report.schema, pen))
    made = f'<p class="dim">made by {pen.code(origin.command)}; nothing is loaded from elsewhere</p>'
    yield f"</main><footer>{made}</footer>"


def _section(title: str, content: str) -> str:
    return f"<section><h2>{title}</h2>{content}</section>"


def _made(origin: Origin, pen: Pen) -> str:
    commit = f" · commit {pen.code(origin.commit)}" if origin.commit else ""
    when = f"{origin.made_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    return f'<p class="dim">{when}{commit} · {pen.text(origin.version)}</p>'


# ------------------------------------------------------------------------------------------------------------- pictures


def _changes(report: Report, pen: Pen) -> str:
    schema = report.schema
    if schema is None:
        return "<p>The schema could not be read.</p>"
    if not report.pending:
        return "<p>Nothing is pending.</p>"
    notice = _unmeasured(report)
    if not schema.differences:
        return notice or "<p>Nothing changes in the schema.</p>"
    around = choice.around_changes(schema)
    if not around.tables:
        return notice + sections.changes(report, pen)
    spared = frozenset(choice.hubs(schema) - frozenset(around.tables))
    subject = Subject(
        "change", "What changes, with the tables next to it", around.tables, spared, around.changed, around.referring
    )
    drawn = _scrolling(picture.draw(schema, subject, pen), "what changes")
    return notice + sections.changes(report, pen) + _legend(spared, pen) + drawn


def _unmeasured(report: Report) -> str:
    """Where not everything ran on the scratch database, the picture is not the whole."""
    if report.measured is None:
        return "<p>The pending migrations were not tried, so what they change is not known.</p>"
    if report.untried > 0:
        tried = f"{report.measured} of {text.count(report.measured + report.untried, 'pending migration')}"
        return f"<p>{tried} could be tried; what the others change is not known.</p>"
    return ""


def _legend(spared: frozenset[str], pen: Pen) -> str:
    kinds = (
        '<b class="add">+ added</b> · <b class="del">− removed (dashed, struck through)</b> · '
        '<b class="chg">~ changed</b> · a line leads from a foreign key to what it refers to · ? may be null'
    )
    names = ", ".join(pen.code(short(name)) for name in sorted(spared))
    return f'<p class="dim">{kinds}{f" · named in the row instead of a line: {names}" if names else ""}</p>'


def _scrolling(svg: str, label: str) -> str:
    return f'<div class="pic" tabindex="0" role="region" aria-label="picture: {label}">{svg}</div>'


def _schema_title(report: Report) -> str:
    return f"Schema: {text.count(len(report.schema.tables), 'table')}" if report.schema else "Schema"


def _schema(schema: Schema | None, pen: Pen) -> str:
    if schema is None:
        return "<p>The schema could not be read.</p>"
    if not schema.tables:
        return "<p>There is no table.</p>"
    large = choice.hubs(schema)
    if len(schema.tables) <= choice.IN_ONE_PICTURE:
        subject = Subject("schema", "All tables, with their keys", tuple(schema.tables), large)
        drawn = _scrolling(picture.draw(schema, subject, pen), "all tables")
    else:
        drawn = "".join(_group(schema, group, number, pen) for number, group in enumerate(choice.groups(schema)))
    return _search(schema, pen) + _legend(large, pen) + drawn


def _search(schema: Schema, pen: Pen) -> str:
    """Needs the script; without it the browser's own search finds the names in the pictures."""
    options = "".join(pen.element("option", value=short(name)) for name in schema.tables)
    box = '<input id="q" list="tables" placeholder="type a name, or click a table" autocomplete="off">'
    return (
        f'<p class="noprint"><label>Table: {box}</label></p><datalist id="tables">{options}</datalist>'
        '<div id="ego" class="pic noprint" tabindex="0" role="region" aria-label="the chosen table"></div>'
    )


def _group(schema: Schema, group: Group, number: int, pen: Pen) -> str:
    """The tables of a group, by their names alone; what changes is open."""
    named = ", ".join(
        f"{short(name)} ({count})" if count > 1 else short(name) for name, count in group.refers_to[:_REFERRED]
    )
    title = f"{text.count(len(group.tables), 'table')}{f', refers to {named}' if named else ''}"
    subject = Subject(f"group{number}", group.name, group.tables, choice.hubs(schema), is_bare=True)
    drawn = _scrolling(picture.draw(schema, subject, pen), pen.text(group.name))
    summary = f"<summary><b>{pen.text(group.name)}</b> · {pen.text(title)}</summary>"
    return f"<details{' open' if group.is_changed else ''}>{summary}{drawn}</details>"


# ---------------------------------------------------------------------------------------------------- for the script


def _data(schema: Schema, pen: Pen) -> list[object]:
    """Pairs of a name and what the picture of one table needs: `c` columns, `f` references, `s` the state."""
    return [[pen.plain(name), _table_data(table, pen)] for name, table in schema.tables.items()]


def _table_data(table: Table, pen: Pen) -> dict[str, object]:
    keys = {column for each in table.references for column in each.columns}
    columns = [
        [
            pen.plain(each.name),
            pen.plain(each.was or f"{each.type}{'?' if each.is_nullable else ''}"),
            "PK" if each.is_primary else "FK" if each.name in keys else "",
            each.state.value,
        ]
        for each in table.columns
    ]
    details = [[pen.plain(each.text), "", "", each.state.value] for each in table.details]
    references = [[pen.plain(each.target), pen.plain(each.columns[0])] for each in table.references if each.columns]
    found: dict[str, object] = {"c": [*columns, *details], "f": references}
    return found | ({"s": table.state.value} if table.state is not State.SAME else {})
