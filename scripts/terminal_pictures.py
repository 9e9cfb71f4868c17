"""Makes the pictures of the README: what the program prints in a terminal, drawn as SVG.

    python scripts/terminal_pictures.py

Each picture is a session on an embedded server, recorded in a terminal of 92 columns. Nothing in it is written by hand.
"""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import struct
import sys
import tempfile
import termios
from dataclasses import dataclass
from fcntl import ioctl
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "docs" / "pictures"
COLUMNS = 92
PATIENCE = 120.0  # seconds that a command may print nothing

SCHEMA = """\
-- migrate:up
create table customers (
    id bigint generated always as identity primary key,
    email text not null unique
);
create table orders (
    id integer generated always as identity primary key,
    customer_id bigint not null references customers,
    amount numeric(10, 2) not null,
    status text not null default 'new',
    created_at timestamptz not null default '2026-01-01 00:00:00+00'
);

-- migrate:down
drop table orders, customers;
"""
ROWS = """\
-- migrate:up
insert into customers (email)
select 'customer' || number || '@example.com' from generate_series(1, 1000) as number;
insert into orders (customer_id, amount)
select number % 1000 + 1, number % 500 from generate_series(1, 600000) as number;
analyze customers, orders;

-- migrate:down
delete from orders;
delete from customers;
"""
PENDING = """\
-- migrate:up
alter table orders alter column id type bigint;
create index orders_by_status on orders (status);
alter table customers add column phone text;

-- migrate:down
alter table customers drop column phone;
drop index orders_by_status;
alter table orders alter column id type integer;
"""
MISTAKEN = """\
-- migrate:up
create view open_orders as
select o.id, o.amount, c.email
from orders o
join customers c on c.id = o.customer
where o.status <> 'paid';

-- migrate:down
drop view open_orders;
"""


@dataclass(frozen=True)
class Session:
    """A picture: the files that are there, what ran before, the command that is shown, and what it is about."""

    name: str
    title: str
    before: dict[str, str]
    pending: dict[str, str]
    command: str


_APPLIED = {"20260301090000_create_orders.sql": SCHEMA, "20260302090000_load_orders.sql": ROWS}
SESSIONS = (
    Session(
        "dry-run",
        "dbmigrate up --dry-run: which statement locks which table, and for how much work",
        _APPLIED,
        {"20260303090000_widen_order_ids.sql": PENDING},
        "dbmigrate up --dry-run > plan.sql",
    ),
    Session(
        "error",
        "dbmigrate up: a migration fails, with the line, the column and the state of the database",
        {"20260301090000_create_orders.sql": SCHEMA},
        {"20260303090000_open_orders.sql": MISTAKEN},
        "dbmigrate up",
    ),
)

# ----------------------------------------------------------------------------------------------------------- recording


def record(session: Session) -> str:
    """What the terminal receives for the command of `session`, escape sequences included."""
    place = Path(tempfile.mkdtemp(prefix="dbmigrate-picture-", dir="/tmp"))
    try:
        place.chmod(0o711)  # root's embedded server runs as another account, which passes through here
        project = place / "project"
        (project / "db" / "migrations").mkdir(parents=True)
        project.chmod(0o711)
        environ = _environment(place)
        _write(project, session.before)
        _run("dbmigrate up --quiet --no-dump-schema", project, environ)
        _write(project, session.pending)
        return _run(session.command, project, environ)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _environment(place: Path) -> dict[str, str]:
    programs = place / "bin"
    programs.mkdir()
    program = programs / "dbmigrate"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m dbmigrate "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    return {
        "PATH": f"{programs}:{os.environ.get('PATH', os.defpath)}",
        "HOME": str(place),
        "LANG": "C.UTF-8",
        "TERM": "xterm-256color",
        "PYTHONPATH": str(ROOT),
        "DATABASE_URL": "embedded:?dbname=shop",
        "DBMIGRATE_NO_DUMP_SCHEMA": "true",
    }


def _write(project: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (project / "db" / "migrations" / name).write_text(text, encoding="utf-8")


def _run(command: str, folder: Path, environ: dict[str, str]) -> str:
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(folder)
        # the size is set here, before the program can ask for it
        ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 40, COLUMNS, 0, 0))
        os.execve("/bin/sh", ["sh", "-c", command], environ)
    received = bytearray()
    while select.select([terminal], [], [], PATIENCE)[0]:
        try:
            part = os.read(terminal, 65536)
        except OSError:  # Linux says EIO where the other side has ended
            break
        if not part:
            break
        received += part
    os.close(terminal)
    os.waitpid(child, 0)
    return received.decode("utf-8")


# ------------------------------------------------------------------------------------------------------------- screen

Cell = tuple[str, str]  # a character, and the SGR codes that it was written with
_SEQUENCE = re.compile(r"\x1b\[([\d;]*)m|\x1b\[[\d;?]*[A-Za-z]")


def screen(received: str) -> list[list[Cell]]:
    """The lines that are there at the end: a carriage return writes over a line, long lines are wrapped."""
    lines: list[list[Cell]] = [[]]
    column, style, position = 0, "", 0
    while position < len(received):
        if found := _SEQUENCE.match(received, position):
            if found[0].endswith("m"):
                style = "" if found[1] in ("", "0") else found[1]
            position = found.end()
            continue
        character = received[position]
        position += 1
        if character == "\r":
            column = 0
        elif character == "\n":
            lines.append([])
            column = 0
        else:
            if column == COLUMNS:
                lines.append([])
                column = 0
            lines[-1].extend([(" ", "")] * (column + 1 - len(lines[-1])))
            lines[-1][column] = (character, style)
            column += 1
    return [_stripped(line) for line in lines]


def _stripped(line: list[Cell]) -> list[Cell]:
    return line[: len("".join(character for character, _ in line).rstrip())]


def shown_lines(session: Session) -> list[list[Cell]]:
    """The lines of a picture: the prompt with the command, and the answer."""
    answer = screen(record(session))
    while answer and not answer[-1]:
        answer.pop()
    return [[("$", "2"), (" ", ""), *((character, "1") for character in session.command)], *answer]


# ------------------------------------------------------------------------------------------------------------ drawing

_WIDTH, _HEIGHT, _PADDING, _BAR = 7.85, 19, 16, 30  # of a character, of a line, around the text, of the title bar
_FILLS = {"31": "#f47067", "32": "#8ddb8c", "33": "#e0b04c", "36": "#76c7dd", "2": "#8b949e"}


def svg(title: str, lines: list[list[Cell]]) -> str:
    """A picture of a terminal. Every line is one group."""
    width = round(COLUMNS * _WIDTH + 2 * _PADDING)
    height = len(lines) * _HEIGHT + _BAR + 2 * _PADDING - 8
    dots = "".join(f'<circle cx="{x}" cy="17" r="5.5"/>' for x in (20, 38, 56))
    texts = "\n".join(_line(number, line) for number, line in enumerate(lines) if line)
    return f"""\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">
<title>{escape(title)}</title>
<rect width="{width}" height="{height}" rx="8" fill="#161b22"/>
<g fill="#484f58">{dots}</g>
<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="13" \
fill="#e6edf3" xml:space="preserve">
{texts}
</g>
</svg>
"""


def _line(number: int, line: list[Cell]) -> str:
    """A line: one text element for each part of one style.

    Each has its place and its length, so that carets stand where they belong whatever font there is. Not every browser
    takes a `textLength` for a part of a text element.
    """
    baseline = _BAR + _PADDING + number * _HEIGHT + 4
    parts, column = [], 0
    for style, text in _runs(line):
        place = f'x="{_PADDING + column * _WIDTH:g}" y="{baseline}" textLength="{len(text) * _WIDTH:g}"'
        parts.append(f"<text {place}{_attributes(style)}>{escape(text, quote=False)}</text>")
        column += len(text)
    return f'<g class="line">{"".join(parts)}</g>'


def _runs(line: list[Cell]) -> list[tuple[str, str]]:
    """The line in parts of one style each."""
    runs: list[tuple[str, str]] = []
    for character, style in line:
        if runs and runs[-1][0] == style:
            runs[-1] = (style, runs[-1][1] + character)
        else:
            runs.append((style, character))
    return runs


def _attributes(style: str) -> str:
    codes = style.split(";")
    fill = next((f' fill="{_FILLS[code]}"' for code in codes if code in _FILLS), "")
    return fill + (' font-weight="bold"' if "1" in codes else "")


if __name__ == "__main__":
    PICTURES.mkdir(exist_ok=True)
    for session in SESSIONS:
        path = PICTURES / f"{session.name}.svg"
        path.write_text(svg(session.title, shown_lines(session)), encoding="utf-8")
        print(path.relative_to(ROOT))  # noqa: T201
