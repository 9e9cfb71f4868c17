"""What was measured, as Markdown: a line for each target, and a table for each case."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from bench.harness import Measured, Result, Target

OURS = "dbmigrate"
SHOWN = (OURS, "dbmate", "Alembic", "floor")  # in the table of targets; the other tables have all
PEAKS = {"client": "client", "backend": "server process"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """One target: what was wanted, what was reached, and the values of the programs by name."""

    case: str
    wanted: str
    reached: str
    is_met: bool
    values: Mapping[str, str] = field(default_factory=dict)

    @property
    def row(self) -> str:
        met = "yes" if self.is_met else "**no**"
        return line(self.case, self.wanted, self.reached, met, *(self.values.get(name, "") for name in SHOWN))


@dataclass(frozen=True, slots=True)
class Chapter:
    """A table with its title, and the targets that it answers."""

    title: str
    table: str
    verdicts: tuple[Verdict, ...] = ()

    @property
    def text(self) -> str:
        return f"### {self.title}\n\n{self.table}\n"


def line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join((line(*head), "|" + "---|" * len(head), *(line(*row) for row in rows)))


def targets(verdicts: Sequence[Verdict]) -> str:
    """The table of all targets, and how many of them are met."""
    met = sum(verdict.is_met for verdict in verdicts)
    head = ("case", "target", "reached", "met", *SHOWN)
    rows = (verdict.row for verdict in verdicts)
    return "\n".join((f"{met} of {len(verdicts)} are met.\n", line(*head), "|" + "---|" * len(head), *rows))


def chapter(measured: Measured) -> Chapter:
    """The table of a case that was run, and the verdicts on its targets."""
    results = measured.results
    base = _base(measured)
    head = (
        "program",
        "wall, median",
        f"ratio to {base.program}",
        "client CPU",
        "server CPU",
        "client peak",
        "server process peak",
    )
    rows = (_row(result, base) for result in results.values())
    rounds = f"{measured.rounds} round{'s' * (measured.rounds != 1)}"
    verdicts = tuple(_verdict(measured, target) for target in measured.case.targets)
    return Chapter(measured.case.title, f"{table(head, rows)}\n\n{rounds}.", verdicts)


def _base(measured: Measured) -> Result:
    """What the target of the time is a ratio to; else the first program."""
    wanted = [target.base for target in measured.case.targets if target.what == "wall"]
    return next(
        (measured.results[name] for name in wanted if name in measured.results),
        measured.results[measured.case.programs[0].name],
    )


def _row(result: Result, base: Result) -> tuple[str, ...]:
    if result.why:
        return (result.program, f"fails: {result.why}", "", "", "", "", "")
    ratio = result.ratio(base)
    times = (milliseconds(result.median(what)) for what in ("wall", "cpu", "server_cpu"))
    wall, cpu, server_cpu = times
    peaks = (megabytes(result.peak("client")), megabytes(result.peak("backend")))
    return (result.program, wall, "" if ratio is None else f"{ratio:.2f}", cpu, server_cpu, *peaks)


def _verdict(measured: Measured, target: Target) -> Verdict:
    ours = measured.results[OURS]
    base = measured.results.get(target.base)  # None as well where a program of somebody else is not here
    if target.what == "wall":
        wanted, reached = f"<= {target.limit:g} x {target.base}", None if base is None else ours.ratio(base)
        values = {name: milliseconds(result.median("wall")) for name, result in measured.results.items()}
    else:
        reached = ours.peak(target.what)
        values = {name: megabytes(result.peak(target.what)) for name, result in measured.results.items()}
        wanted = f"{PEAKS[target.what]} <= {target.limit:.0f} MB"
        if base is not None:
            wanted = f"{PEAKS[target.what]} <= {target.limit:g} x {target.base}"
            reached = _quotient(reached, base.peak(target.what))
    failed = {name: "fails" for name, result in measured.results.items() if result.why}
    is_met = reached is not None and reached <= target.limit
    return Verdict(measured.case.title, wanted, _shown(reached, target), is_met, values | failed)


def _quotient(value: float | None, base: float | None) -> float | None:
    return value / base if value is not None and base else None


def _shown(reached: float | None, target: Target) -> str:
    if reached is None:
        return "-"
    return f"{reached:.2f}" if target.what == "wall" or target.base else f"{reached:.0f} MB"


def milliseconds(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    return f"{seconds * 1000:.0f} ms" if seconds < 10 else f"{seconds:.1f} s"


def megabytes(value: float | None) -> str:
    """0 is what was never seen: the program was too quick."""
    return f"{value:.0f} MB" if value else "-"
