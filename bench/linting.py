"""How long `lint` looks at a file of 1 MB: what it costs that words in it are long, in CPU time of this process."""

from __future__ import annotations

import os
import statistics
import tempfile
import time

from bench.report import Chapter, Verdict, table
from dbmigrate.lint import LintConfig, lint, selection

MB = 1_000_000
MOST = 2  # times what a file of the same size takes whose words are short
_ROUNDS = 5


def _literals() -> dict[str, str]:
    """Files of one INSERT, by what is in it; the first one has no long word."""
    rows = ",\n".join(f"({number}, 'some words, none of which is long, of row {number}')" for number in range(MB // 62))
    longs = {
        "one hexadecimal literal": "3f9a" * (MB // 4),
        "one base64 literal": "eyJhbGciOiJIUzI1NiJ9" * (MB // 20),
        "one literal of letters and dots": "a.b@c-" * (MB // 6),
    }
    wide = {name: f"INSERT INTO shop.item (id, picture) VALUES (1, '{text}');" for name, text in longs.items()}
    return {"rows of short words": f"INSERT INTO shop.item (id, name) VALUES\n{rows};"} | wide


def seconds(sql: str) -> float:
    """The median of some looks at a migration with this up section, by dbmigrate's own rules."""
    config = LintConfig(uses_squawk=False)
    found = []
    with tempfile.TemporaryDirectory() as directory:
        for number in range(_ROUNDS):  # each another statement, for what is remembered of the last one
            with open(os.path.join(directory, "1_add_items.sql"), "w", encoding="utf-8") as file:
                text = sql.replace("shop.item", f"shop.item_{number}", 1)
                file.write(f"-- migrate:up\n{text}\n-- migrate:down irreversible:true\n")
            begin = time.process_time()
            lint(selection.everything([directory]).migrations, config=config)
            found.append(time.process_time() - begin)
    return statistics.median(found)


def chapter() -> Chapter:
    """The table, with the target for the slowest of the long words."""
    times = {name: seconds(sql) for name, sql in _literals().items()}
    short = next(iter(times.values()))
    worst = max(list(times)[1:], key=lambda name: times[name])
    verdict = Verdict(
        "`lint` of 1 MB without a blank",
        f"<= {MOST} x rows of short words",
        f"{times[worst] / short:.2f} ({worst})",
        times[worst] <= MOST * short,
    )
    rows = [(name, f"{value * 1000:.0f} ms", f"{value / short:.2f}") for name, value in times.items()]
    return Chapter("`lint` of a file of 1 MB, in CPU time", table(("content", "CPU", "ratio"), rows), (verdict,))
