"""What migrations do to the tables that are there: locks, rewrites, scans, measured on a scratch database.

Nothing is guessed from the text of a statement that can be measured: it is run, and then the server is asked which
locks it took, which files of tables changed, which tables were read whole. An empty copy of the schema gives the same
answers as the populated one, with the exceptions that ``docs/explanation/locking.md`` names. What PostgreSQL refuses to
run inside a transaction lets go of its locks before anybody can look: for those statements there are fixed rules.

`run_measured` runs and measures a migration; `price` adds the live sizes and users of the tables on the target.
"""

from __future__ import annotations

from dbmigrate.impact.measure import MeasureOptions, run_measured
from dbmigrate.impact.pricing import price, unpriced
from dbmigrate.impact.values import (
    Held,
    Impact,
    LockMode,
    Priced,
    PricedTable,
    Relation,
    Size,
    TableImpact,
    Usage,
    Verdict,
)

__all__ = [
    "Held",
    "Impact",
    "LockMode",
    "MeasureOptions",
    "Priced",
    "PricedTable",
    "Relation",
    "Size",
    "TableImpact",
    "Usage",
    "Verdict",
    "price",
    "run_measured",
    "unpriced",
]
