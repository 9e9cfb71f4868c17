"""Several targets: a line for each while they run, one live line on a terminal, and the report at the end."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from dbmigrate.output import target_records as records
from dbmigrate.output import text
from dbmigrate.output.colour import Line, Style
from dbmigrate.output.jsonlines import line as json_line
from dbmigrate.output.jsonlines import problem_value
from dbmigrate.output.logged import LogStreams
from dbmigrate.output.verbosity import Verbosity
from dbmigrate.targets.values import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from dbmigrate.model import Problem
    from dbmigrate.output.records import Record
    from dbmigrate.output.renderer import Streams
    from dbmigrate.targets.planning import Tally
    from dbmigrate.targets.values import Result, Rollout, Totals

__all__ = ["Lines", "Objects", "heading"]

_REPORT_EVERY = 30.0  # seconds, where there is no live line
_REDRAW_EVERY = 0.25
_WAIT_AGAIN = 30.0  # seconds before the same target may say again that it waits
_BAR = 20
_FIRST_ESTIMATE = 5.0  # seconds
_MOST_FAILURES = 10
_NAMED = 5
_MOST_WARNINGS = 3  # that have one code and differ, as they name what is in their target
_OF_THEIR_OWN = "one of their own; --json shows each"


def heading(command: str, total: int, rollout: Rollout) -> str:
    """``200 targets · canary 2, then 4 at a time · stop after 3 failures``"""
    at_once = f"{min(rollout.parallel, total)} at a time"
    parts = [f"{command} on {text.count(total, 'target')}"]
    parts.append(f"canary {rollout.canary}, then {at_once}" if 0 < rollout.canary < total else at_once)
    if rollout.max_failures is not None:
        parts.append(f"stop after {text.count(rollout.max_failures, 'failure')}")
    return " · ".join(parts)


def summary(command: str, value: Mapping[str, Any]) -> str:
    """What a command found or did on one target, from its object for programs."""
    if "error" in value:
        return "failed"
    if command == "status":
        missing = f" · {value['missing']} missing" if value.get("missing") else ""
        return f"{value.get('applied', 0)} applied · {value.get('pending', 0)} pending{missing}"
    if command == "verify":
        serious = sum(bool(finding["serious"]) for finding in value.get("findings", ()))
        return text.count(serious, "disagreement") if serious else "files and history agree"
    if command == "drift":
        return text.count(len(value.get("differences", ())), "difference")
    directions = Counter(outcome["direction"] for outcome in value.get("done", ()))
    parts = [
        f"{directions[key]} {done}" for key, done in (("up", "applied"), ("down", "rolled back")) if directions[key]
    ]
    parts += [text.count(len(value["deferred"]), "backfill") + " deferred"] if value.get("deferred") else []
    return ", ".join(parts) or "nothing to do"


class Lines:
    """For people. Lines about targets are results on stdout, but for those on a terminal, where the live line counts.

    `is_question`: each target's line is an answer, and is printed wherever stdout goes.
    """

    def __init__(self, streams: Streams, verbosity: Verbosity, *, is_question: bool) -> None:
        self._streams = streams
        self._verbosity = verbosity
        self._is_question = is_question
        self._is_live = streams.is_live and verbosity > Verbosity.QUIET
        self._started = self._drawn = self._reported = time.monotonic()
        self._length = 0
        # by code and message each warning, and how many targets have it
        self._warned: dict[str, dict[str, tuple[Problem, int]]] = {}
        self._waiting: dict[str, float] = {}

    def begins(self, line: str) -> None:
        """The first line."""
        self._message(text.one_line(line))

    def ended(self, result: Result, tally: Tally) -> None:
        """A target is done with: failures always have a line."""
        self._waiting.pop(result.name, None)
        self._warn(result)
        if result.outcome in (Outcome.FAILED, Outcome.INTERRUPTED):
            self._erase()
            self._tell(records.failure(result), *_failure_lines(result))
        elif result.outcome in (Outcome.DONE, Outcome.NO) and self._shows_each:
            self._erase()
            style = Style.SUCCESS if result.outcome is Outcome.DONE else Style.WARNING
            shown = f"{text.one_line(result.name)}  {result.summary} in {text.duration(result.seconds)}"
            self._write(text.labelled(style, f"{result.outcome:<10}", shown))

    @property
    def _shows_each(self) -> bool:
        if self._verbosity is Verbosity.QUIET:
            return False
        return self._is_question or not self._is_live or self._verbosity >= Verbosity.VERBOSE

    def waits(self, name: str, what: str) -> None:
        """Say it at once, and every half a minute again."""
        now = time.monotonic()
        if now - self._waiting.get(name, -_WAIT_AGAIN) >= _WAIT_AGAIN:
            self._waiting[name] = now
            line = text.one_line(f"{name}  {what.removeprefix('waiting for ')}")
            said = records.waiting(name, what.removeprefix("waiting for "))
            self._note(said, text.labelled(Style.WARNING, f"{'waiting':<10}", line))

    def turn(self, running: int, tally: Tally) -> None:
        """Draw the live line again; without a terminal a line now and then."""
        now = time.monotonic()
        if self._is_live and now - self._drawn >= _REDRAW_EVERY:
            self._drawn = now
            shown = text.cut(_progress(tally, running, now - self._started), max(_columns() - 1, 20))
            length = text.cells(shown)
            self._streams.draw(f"\r{shown}{' ' * (self._length - length)}")
            self._length = length
        elif not self._is_live and now - self._reported >= _REPORT_EVERY:
            self._note(records.progress(tally, running), _progress(tally, running, now - self._started))

    def canary_done(self, tally: Tally, seconds: float) -> None:
        """The first targets are done."""
        ended = f"{tally.ended}/{tally.ended}  ok in {text.duration(seconds)}"
        self._note(records.canary(tally, seconds), text.labelled(Style.SUCCESS, f"{'canary':<10}", ended))

    def report(self, totals: Totals, again: str) -> None:
        """The end; `again` is the command that does the rest."""
        self._erase()
        self._count_warnings(sum(totals.counts.values()))
        for line in _closing(totals, again):
            self._write(line)

    def _write(self, line: Line | str) -> None:
        """Of a change the work matters more than the line; of a question the line is all."""
        if self._is_question:
            self._streams.answer(line)
        else:
            self._streams.result(line)

    def warned(self, *problems: Problem) -> None:
        """Warnings about the list of targets."""
        for problem in problems:
            self._message(*text.problem_lines(problem))

    def _warn(self, result: Result) -> None:
        """Each warning with the first target that has it: it is often the same of every target."""
        for problem in result.problems:
            of_code = self._warned.setdefault(problem.code, {})
            if problem.message not in of_code and len(of_code) >= _MOST_WARNINGS:
                problem = replace(problem, message=_OF_THEIR_OWN, place=None, hint=None)
            elif problem.message not in of_code:
                first, *more = text.problem_lines(problem)
                self._note(records.warning(problem, target=result.name), _about(result.name, first), *more)
            _, before = of_code.get(problem.message, (problem, 0))
            of_code[problem.message] = (problem, before + 1)

    def _count_warnings(self, total: int) -> None:
        """At the end: how many targets have a warning that was shown for the first of them, or for others alone."""
        for problem, number in (each for of_code in self._warned.values() for each in of_code.values()):
            first, *_ = text.problem_lines(problem)
            who = f"all {total} targets" if number == total else f"{number} of {total} targets"
            if problem.message == _OF_THEIR_OWN:
                who = f"{number} more {'target' if number == 1 else 'targets'}"
            elif number == 1:
                continue
            self._note(records.warning(problem, targets=number), _about(who, first))

    def _message(self, *lines: Line | str) -> None:
        self._erase()
        if self._verbosity > Verbosity.QUIET:
            self._reported = time.monotonic()
            self._streams.message(*lines)

    def _note(self, record: Record, *lines: Line | str) -> None:
        """A message that has a form for programs."""
        self._erase()
        if self._verbosity > Verbosity.QUIET:
            self._reported = time.monotonic()
            self._tell(record, *lines)

    def _tell(self, record: Record, *lines: Line | str) -> None:
        if isinstance(self._streams, LogStreams):
            self._streams.record(record)
        else:
            self._streams.message(*lines)

    def _erase(self) -> None:
        if self._length:
            self._streams.draw(f"\r{' ' * self._length}\r")
            self._length = 0


class Objects(Lines):
    """For programs: a JSON object on stdout for each target when it is done with, and one for the run at its end."""

    def __init__(self, streams: Streams, verbosity: Verbosity, *, command: str) -> None:
        super().__init__(streams, verbosity, is_question=False)
        self._command = command

    @property
    def _shows_each(self) -> bool:
        return False

    def ended(self, result: Result, tally: Tally) -> None:
        super().ended(result, tally)
        self._streams.answer(json_line(self._value(result), self._streams.complete))

    def report(self, totals: Totals, again: str) -> None:
        self._erase()
        self._count_warnings(sum(totals.counts.values()))
        for name in totals.left:
            self._streams.answer(json_line({**self._named(name), "ok": False, "result": Outcome.NOT_STARTED.value}))
        value = {
            "command": self._command,
            "ok": totals.exit_code == 0 and not totals.left,
            "targets": sum(totals.counts.values()),
            "results": {outcome.value: number for outcome, number in totals.counts.items()},
            "stopped": totals.stopped or None,
            "slowest": totals.slowest.name if totals.slowest else None,
            "duration_ms": round(totals.seconds * 1000, 3),
            "exit_code": totals.exit_code,
            "next": again or None,
        }
        self._streams.answer(json_line(value, self._streams.complete))

    def _value(self, result: Result) -> dict[str, object]:
        return {
            **self._named(result.name),
            **result.value,
            "ok": result.outcome is Outcome.DONE,
            "result": result.outcome.value,
            "exit_code": result.exit_code,
            "duration_ms": round(result.seconds * 1000, 3),
            "waited_ms": round(result.waited * 1000, 3),
            "problems": [problem_value(problem) for problem in result.problems],
        }

    def _named(self, name: str) -> dict[str, object]:
        return {"command": self._command, "target": name}


def _about(who: str, line: Line) -> Line:
    """`line` with what it holds for before it."""
    before = text.one_line(f"{who}: ")
    return Line(f"{before}{line.text}", line.style, line.begin + len(before), line.end + len(before))


def _failure_lines(result: Result) -> Iterator[Line | str]:
    """What failed, and in the second line where, and what state that left behind."""
    failure = result.failure
    label = "FAILED" if result.outcome is Outcome.FAILED else result.outcome.value
    reason = f"{failure.code} {failure.message}" if failure else result.summary
    yield text.labelled(Style.ERROR, f"{label:<10}", f"{text.one_line(result.name)}  {_in_one_line(reason)}")
    if failure:
        more = " · ".join(filter(None, (failure.place, _in_one_line(failure.state))))
        if more:
            yield text.block(f"{'':<10} {more}")
        if failure.hint:
            yield text.labelled(Style.LABEL, f"{'':<10} hint:", _in_one_line(failure.hint))


def _in_one_line(reason: str) -> str:
    return text.one_line(" ".join(reason.split()))


def _closing(totals: Totals, again: str) -> Iterator[Line | str]:
    total = sum(totals.counts.values())
    counted = (f"{totals.counts[each]} {each.replace('-', ' ')}" for each in Outcome if totals.counts.get(each))
    parts = [f"{text.count(total, 'target')}: {', '.join(counted)}", text.duration(totals.seconds)]
    if totals.slowest and total > 1:
        waited = f" ({text.duration(totals.slowest.waited)} of it waiting)" if totals.slowest.waited else ""
        parts.append(f"slowest {text.one_line(totals.slowest.name)} {text.duration(totals.slowest.seconds)}{waited}")
    yield " · ".join(parts)
    for result in totals.failures[:_MOST_FAILURES]:
        yield next(iter(_failure_lines(result)))
    if len(totals.failures) > _MOST_FAILURES:
        kinds = Counter(_kind(result) for result in totals.failures)
        more = ", ".join(f"{number} x {kind}" for kind, number in kinds.most_common())
        yield text.block(f"{'':<10} and {len(totals.failures) - _MOST_FAILURES} more; all of them: {more}")
    if totals.interrupted:
        yield text.block(f"interrupted: {_some(totals.interrupted)}")
    if totals.left:
        yield text.block(f"not started ({totals.stopped}): {_some(totals.left)}")
    if again:
        yield text.block(f"go on with: {again}")


def _kind(result: Result) -> str:
    failure = result.failure
    return (failure.sqlstate or failure.code) if failure else "?"


def _some(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(map(text.one_line, names[:_NAMED])) + (f" and {more} more" if more > 0 else "")


def _progress(tally: Tally, running: int, seconds: float) -> str:
    """``[#########...........] 91/200 · 1 failed · 8 running · 1 min 50 s left``"""
    share = tally.ended / tally.total if tally.total else 1.0
    full = round(share * _BAR)
    parts = [f"[{'#' * full}{'.' * (_BAR - full)}] {tally.ended}/{tally.total}"]
    if tally.failures:
        parts.append(f"{len(tally.failures)} failed")
    parts.append(f"{running} running")
    if tally.ended and seconds >= _FIRST_ESTIMATE and share < 1:
        parts.append(f"{text.duration(seconds / share - seconds)} left")
    return " · ".join(parts)


def _columns() -> int:
    import shutil

    return shutil.get_terminal_size().columns
