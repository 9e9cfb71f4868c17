"""What people see: in a pipe (dbmate's lines), on a terminal (a live line below them), and with --quiet."""

from __future__ import annotations

import io

import pytest

from dbmigrate.errors import MigrationFailed
from dbmigrate.events import (
    BackfillProgress,
    Created,
    Dropped,
    Event,
    Phase,
    PhaseDone,
    Planned,
    Progress,
    Retrying,
    RunStarted,
    SchemaLoaded,
    SchemaRead,
    SchemaWritten,
    ServerNotice,
    StepDone,
    StepFailed,
    StepStarted,
    Targeted,
    Waiting,
    Warned,
)
from dbmigrate.model import Direction, LogState, Plan, Problem
from dbmigrate.output import Human, Streams
from dbmigrate.output.verbosity import Verbosity
from dbmigrate.reports import MigrationState, Report, SchemaFile, Status, StatusRow
from tests.support.values import outcome, step, unfinished

DOWN = Direction.DOWN
WARNING = Warned(Problem("W1", "odd"))
EVERY_EVENT: list[Event] = [
    RunStarted("here", Plan((step("1_a"),), (Problem("W2", "strange"),))),
    Planned(Plan((step("1_a"),), digest="ab" * 32)),
    Created("database", "app"),
    Waiting("the lock", 2.0),
    StepStarted(step("1_a")),
    ServerNotice("NOTICE", "hello"),
    Progress(step("1_a"), 1, 3, "select 1", 2.0, "blocked"),
    BackfillProgress(step("1_a"), "app.t", 5, (5, 0.1), 50.0),
    Retrying(step("1_a"), 2, ("pid 7",)),
    WARNING,
    StepDone(outcome("1_a", rows=3)),
    StepFailed(step("1_a"), 0.5),
    SchemaRead("schema.sql"),
    SchemaLoaded("schema.sql", "here", 2),
    SchemaWritten(SchemaFile("schema.sql")),
    Dropped("app"),
    Targeted("here", "drop the database"),
    PhaseDone(Phase.VERIFY, 3),
]


class Terminal(io.StringIO):
    """A stream that says it is a terminal, and knows what would be visible on one."""

    def isatty(self) -> bool:
        return True

    def screen(self) -> list[str]:
        return [_visible(line) for line in self.getvalue().split("\n")]


def _visible(line: str) -> str:
    """What is left of a line whose beginning was written over, once for each carriage return."""
    left = ""
    for text in line.split("\r"):
        left = text + left[len(text) :]
    return left.rstrip()


class Shown:
    """A renderer and what it wrote."""

    def __init__(
        self,
        verbosity: Verbosity = Verbosity.NORMAL,
        err: io.StringIO | None = None,
        out: io.StringIO | None = None,
    ) -> None:
        self._out, self._err = out or io.StringIO(), err or io.StringIO()
        self.human = Human(Streams(self._out, self._err), verbosity=verbosity)

    def events(self, *events: Event) -> Shown:
        for event in events:
            self.human.on_event(event)
        return self

    @property
    def out(self) -> str:
        return self._out.getvalue()

    @property
    def err(self) -> str:
        return self._err.getvalue()


# -------------------------------------------------------------------------------------------------------------- a pipe


def test_a_run_in_a_pipe_has_results_on_stdout_and_messages_on_stderr() -> None:
    planned = Plan((step("1_a"), step("2_b")))

    shown = Shown().events(
        RunStarted("production · app@db:5432/app", planned),
        StepStarted(step("1_a")),
        StepDone(outcome("1_a", seconds=0.001991257)),
        SchemaWritten(SchemaFile("./db/schema.sql")),
    )

    assert shown.out == "Applied: 1_a.sql in 1.991257ms\n"
    assert shown.err == ("production · app@db:5432/app · 2 pending\nApplying: 1_a.sql\nWriting: ./db/schema.sql\n")


def test_a_terminal_gets_a_duration_for_people() -> None:
    shown = Shown(out=Terminal()).events(StepDone(outcome("1_a", seconds=0.031177013)))

    assert shown.out == "Applied: 1_a.sql in 31 ms\n"


def test_a_rollback_uses_the_words_of_dbmate() -> None:
    shown = Shown().events(
        RunStarted("here", Plan((step("1_a", DOWN),))), StepStarted(step("1_a", DOWN)), StepDone(outcome("1_a", DOWN))
    )

    assert shown.out == "Rolled back: 1_a.sql in 500ms\n"
    assert shown.err == "here · 1 to roll back\nRolling back: 1_a.sql\n"


def test_what_failed_is_never_called_applied() -> None:
    shown = Shown().events(StepStarted(step("1_a")), StepFailed(step("1_a"), 0.25))

    assert shown.out == ""
    assert shown.err == "Applying: 1_a.sql\nFailed: 1_a.sql after 250 ms\n"


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (Created("database", "app"), "Creating: app"),
        (Created("schema", '"My"'), 'Creating schema: "My"'),
        (Dropped("app"), "Dropping: app"),
        (SchemaRead("./db/schema.sql"), "Reading: ./db/schema.sql"),
        (SchemaLoaded("a.sql", "db:5432/app", 1), "Loaded: a.sql into db:5432/app · 1 migration recorded"),
        (SchemaLoaded("a.sql", "db:5432/app", None), "Loaded: a.sql into db:5432/app"),
        (ServerNotice("NOTICE", "hello", "more"), "  NOTICE: hello (more)"),
        (Waiting("the server"), "Waiting for the server"),
        (Waiting("the lock", 65), "Waiting for the lock (1 min 5 s so far)"),
        (Retrying(step("1_a"), 2), "  1_a.sql did not get a lock in time (try 2), trying again"),
        (
            Retrying(step("1_a"), 3, ("pid 1", "pid 2")),
            "  1_a.sql did not get a lock in time (try 3), trying again: pid 1; pid 2",
        ),
        (WARNING, "warning[W1]: odd"),
    ],
)
def test_talk_goes_to_stderr(event: Event, line: str) -> None:
    shown = Shown().events(event)

    assert (shown.out, shown.err) == ("", f"{line}\n")


def test_a_warning_is_said_once() -> None:
    planned = Plan((step("1_a"),), (WARNING.problem, WARNING.problem))

    assert Shown().events(RunStarted("here", planned), WARNING).err.count("odd") == 1


def test_short_statements_leave_no_trace_in_a_pipe() -> None:
    assert Shown().events(Progress(step("1_a"), 1, 2, "select 1", 3.0)).err == ""


def test_verbose_tells_the_rows_of_the_last_statement() -> None:
    shown = Shown(Verbosity.VERBOSE).events(StepDone(outcome("1_a", rows=3)), StepDone(outcome("2_b", rows=None)))

    assert shown.out.splitlines() == [
        "Rows affected: 3",
        "Applied: 1_a.sql in 500ms",
        "Rows affected: 0",
        "Applied: 2_b.sql in 500ms",
    ]


def test_verbose_tells_no_rows_where_no_statement_ran() -> None:
    assert "Rows" not in Shown(Verbosity.VERBOSE).events(StepDone(outcome("1_a", statements=0))).out


@pytest.mark.parametrize(
    "event",
    [
        StepStarted(step("1\x1b_a\n")),
        StepDone(outcome("1\x1b_a\n")),
        StepFailed(step("1\x1b_a\n"), 1),
        Created("database", "\x1b"),
        Dropped("\x1b"),
        SchemaWritten(SchemaFile("\x1b")),
        RunStarted("\x1b", Plan()),
        Waiting("\x1b"),
        ServerNotice("NOTICE", "\x1b", "\x1b"),
        Retrying(step("1\x1b_a"), 1, ("\x1b",)),
        Warned(Problem("W1", "\x1b")),
    ],
)
def test_no_escape_sequence_of_a_name_or_message_reaches_the_terminal(event: Event) -> None:
    shown = Shown().events(event)

    assert "\x1b" not in shown.out + shown.err
    assert "\\x1b" in shown.out + shown.err
    assert (shown.out + shown.err).count("\n") == 1


# -------------------------------------------------------------------------------------------------------------- status


def test_status_prints_the_lines_of_dbmate() -> None:
    shown = Shown()

    shown.human.status(
        Status(
            (
                StatusRow("1", "1_a.sql", MigrationState.APPLIED),
                StatusRow("2", "2_b.sql", MigrationState.PENDING),
            ),
            target="me@db:5432/shop",
            locations=("./db/migrations",),
        )
    )

    assert shown.out == "[X] 1_a.sql\n[ ] 2_b.sql\n\nApplied: 1\nPending: 1\n"
    assert shown.err == "me@db:5432/shop · version 1 · 1 pending, next 2_b.sql\nmigrations in ./db/migrations\n"


def test_status_explains_on_stderr_what_dbmate_does_not_know() -> None:
    broken = unfinished("3_c", LogState.DONE, LogState.FAILED, error="relation exists")
    rows = (
        StatusRow("2", "2_gone.sql", MigrationState.MISSING),
        StatusRow("3", "3_c.sql", MigrationState.UNFINISHED, unfinished=broken),
    )
    shown = Shown()

    shown.human.status(Status(rows, (WARNING.problem,)))

    assert shown.out == "[?] 2_gone.sql\n[!] 3_c.sql\n\nApplied: 0\nPending: 1\n"
    assert "2_gone.sql is applied, but its file is gone" in shown.err
    assert "3_c.sql (up) stopped at statement 2: relation exists" in shown.err
    assert "warning[W1]: odd" in shown.err


@pytest.mark.parametrize(
    ("states", "words"),
    [((LogState.STARTED,), "stopped at statement 1: outcome unknown"), ((LogState.DONE,), "interrupted")],
)
def test_status_does_not_guess_how_an_interrupted_statement_ended(states: tuple[LogState, ...], words: str) -> None:
    shown = Shown()

    shown.human.status(
        Status((StatusRow("3", "3_c.sql", MigrationState.UNFINISHED, unfinished=unfinished("3_c", *states)),))
    )

    assert words in shown.err


def test_a_file_name_cannot_forge_a_line_of_status() -> None:
    shown = Shown()

    shown.human.status(Status((StatusRow("1", "1_a\n[X] 2_b.sql", MigrationState.PENDING),)))

    assert shown.out.splitlines()[0] == "[ ] 1_a\\n[X] 2_b.sql"


# --------------------------------------------------------------------------------------------------- results and errors


def test_a_new_file_is_named_on_stdout_for_scripts() -> None:
    shown = Shown()

    shown.human.created_file("db/migrations/1_a.sql")

    assert shown.out == "db/migrations/1_a.sql\n"


def test_a_script_is_printed_as_it_is() -> None:
    shown = Shown()

    shown.human.script(iter(["begin;\n", "select '\x1b';", "\n"]))

    assert (shown.out, shown.err) == ("begin;\nselect '\x1b';\n", "")


def test_an_error_says_what_had_been_done_before_it() -> None:
    error = MigrationFailed("boom", code="E401")
    error.report = Report((outcome("1_a", seconds=1.5),), current="1")
    shown = Shown()

    shown.human.error(error)

    assert shown.out == ""
    assert shown.err == "error[E401]: boom\nbefore the failure: 1 applied in 1.5 s · version 1\n"


def test_an_error_before_anything_was_done_does_not_say_so() -> None:
    error = MigrationFailed("boom", code="E401")
    error.report = Report()
    shown = Shown()

    shown.human.error(error)

    assert shown.err == "error[E401]: boom\n"


def test_the_report_of_a_command_is_one_line_of_talk() -> None:
    shown = Shown()

    shown.human.report("up", Report((outcome("1_a"),), current="1", seconds=1))

    assert (shown.out, shown.err) == ("", "1 applied in 1.0 s · version 1\n")


def test_suggestions_call_the_program_as_it_was_called() -> None:
    shown = Shown()

    shown.human.suggestions("python -m dbmigrate")

    assert "  python -m dbmigrate rollback " in shown.err


# --------------------------------------------------------------------------------------------------------------- quiet


def test_quiet_says_nothing_while_it_works() -> None:
    shown = Shown(Verbosity.QUIET).events(*EVERY_EVENT)
    shown.human.report("up", Report((outcome("1_a"),)))
    shown.human.suggestions("dbmigrate")

    assert (shown.out, shown.err) == ("", "")


def test_quiet_on_a_terminal_draws_nothing_either() -> None:
    terminal = Terminal()

    Shown(Verbosity.QUIET, terminal).events(*EVERY_EVENT)

    assert terminal.getvalue() == ""


def test_quiet_prints_results_and_errors() -> None:
    shown = Shown(Verbosity.QUIET)

    shown.human.created_file("1_a.sql")
    shown.human.status(Status((StatusRow("1", "1_a.sql", MigrationState.MISSING),), (WARNING.problem,)))
    shown.human.script(["select 1;\n"])
    shown.human.error(MigrationFailed("boom", code="E401"))

    assert shown.out == "1_a.sql\n[?] 1_a.sql\n\nApplied: 0\nPending: 0\nselect 1;\n"
    assert shown.err == "error[E401]: boom\n"


# ---------------------------------------------------------------------------------------------------------- a terminal


def progress(sql: str, seconds: float = 2.0, name: str = "1_a") -> Progress:
    return Progress(step(name), 1, 1, sql, seconds)


def test_a_running_statement_is_one_live_line_that_is_drawn_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    terminal = Terminal()

    Shown(err=terminal).events(
        StepStarted(step("1_a")), progress("create index a_very_long_name"), progress("select 1", 3.0)
    )

    assert terminal.screen() == ["Applying: 1_a.sql", "  1_a.sql · statement 1 · select 1 · 3.0 s"]


@pytest.mark.parametrize("event", [StepDone(outcome("1_a")), WARNING, StepFailed(step("1_a"), 1)])
def test_the_live_line_is_gone_when_something_else_is_said(event: Event) -> None:
    terminal = Terminal()

    Shown(err=terminal).events(progress("select 1"), event)

    assert not any("statement" in line for line in terminal.screen())


def test_an_error_wipes_the_live_line() -> None:
    terminal = Terminal()
    shown = Shown(err=terminal).events(progress("select 1"))

    shown.human.error(MigrationFailed("boom", code="E401"))

    assert terminal.screen() == ["error[E401]: boom", ""]


@pytest.mark.parametrize("sql", ["select\n1", "select\r1", "a\tb", "x" * 500, "名" * 500])
def test_the_live_line_never_becomes_two(sql: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    terminal = Terminal()

    Shown(err=terminal).events(progress(sql))

    (line,) = terminal.screen()
    assert len(line) + line.count("名") < 60


def test_a_live_line_of_wide_characters_is_wiped_completely(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    terminal = Terminal()

    Shown(err=terminal).events(progress("名" * 10), StepDone(outcome("1_a")))

    drawn, wiped = terminal.getvalue().split("\r")[1:3]
    assert len(wiped) == len(drawn) + drawn.count("名")


def test_a_live_line_is_no_escape_for_escape_sequences() -> None:
    terminal = Terminal()

    Shown(err=terminal).events(Progress(step("1_\x1b"), 1, 1, "\x1b[2J", 2.0, "\x1b"))

    assert "\x1b" not in terminal.getvalue()


def test_every_event_is_shown_by_some_handler() -> None:
    """A new kind of event without a handler would stop a migration in the middle with a KeyError."""
    from typing import get_args

    from dbmigrate import events

    assert {type(event) for event in EVERY_EVENT} == set(get_args(events.Event))
    Shown().events(*EVERY_EVENT)


def test_of_statements_that_were_sent_together_none_is_named() -> None:
    terminal = Terminal()

    Shown(err=terminal).events(StepStarted(step("1_a")), Progress(step("1_a"), 2, 5, "", 3.0, "waiting for 7"))

    assert terminal.screen()[-1] == "  1_a.sql · one of the statements 2 to 5 · 3.0 s · waiting for 7"


def test_the_progress_of_a_backfill_is_a_live_line_and_a_wait_a_line_of_its_own() -> None:
    progress = BackfillProgress(
        step("1_a"),
        "app.users",
        2_100_000,
        (1800, 0.096),
        9300.0,
        0.43,
        5_000_000.0,
        302.0,
        "replica r1 is 14 s behind",
    )
    terminal = Terminal()
    shown = Shown(Verbosity.NORMAL, terminal)

    shown.events(BackfillProgress(step("1_a"), "app.t", 950, (5, 0.1), 0.0), progress)

    first, second = terminal.getvalue().split("app.users: ")
    assert "app.t: 950 rows, pages of 5 in 100 ms" in first
    assert second.startswith(
        "43 %, 2.1 million of about 5.0 million rows, 9,300 rows/s, pages of 1800 in 96 ms, 5 min 2 s left;"
        " waiting: replica r1 is 14 s behind"
    )
