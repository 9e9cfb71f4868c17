"""A report in which every text of a file or a server tries to be something else."""

from __future__ import annotations

from dataclasses import replace

from dbmigrate.model import LogState, Place, Problem
from dbmigrate.reporting import schema
from dbmigrate.reporting.values import Lane, Pending, Report
from tests.support import reports

NAMES = (
    'public."x"">< script>alert(1)</script>"',
    'public."</script><img src=http://evil.example/ onerror=alert(1)>"',
    'public."\u202eevil\x07"',
    'public."&lt;b&gt;"',
    'public."' + "長" * 60 + '"',
)
_ODD = "<script>alert(1)</script> http://evil.example/ \" ' & \x00 \ud800"


def report() -> Report:
    """Names, SQL, comments, errors, reasons: all of them hostile."""
    before, after = reports.CatalogMaker(), reports.CatalogMaker()
    for number, name in enumerate(NAMES):
        columns = {"id": "bigint", f'"</script><img onerror={number}>"': "text"}
        before.table(name, columns, references={"id": NAMES[0]})
        after.table(name, {**columns, '"\'><b>"': "text"}, references={"id": NAMES[0]})
    problem = Problem("L101", _ODD, place=Place(_ODD, 1), hint=_ODD)
    entry = reports.entry(1, file=_ODD, error=_ODD, reason=_ODD, os_user=_ODD, state=LogState.FAILED)
    pending = Pending(1, _ODD, _ODD, breaking=_ODD, conditions=((_ODD, _ODD),), findings=(problem,), losses=(problem,))
    made = reports.report(0)
    return replace(
        made,
        origin=replace(made.origin, target=_ODD, command=_ODD, commit=_ODD),
        lanes=(Lane(_ODD, (entry,)), Lane("x", failure=_ODD)),
        pending=(pending,),
        refusal=_ODD,
        notes=(problem,),
        schema=schema.of(before.catalog(), after.catalog()),
    )
