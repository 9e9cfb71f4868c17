"""The lexer on whole texts, streams and COPY data; what is not closed."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import pytest
import sqlparse.lexer

from dbmigrate.migrations.headers import BOUNDARY
from dbmigrate.sql import COPY_DATA, LexerError, PostgresLexer, PostgresSplitter, Segment, SegmentKind, words
from dbmigrate.sql.statements import is_plain
from tests.unit.sql.lexer_cases import CASES, Case


def reader(text: str) -> Callable[[int], str]:
    """`read(n)` over a text."""
    at = 0

    def read(size: int) -> str:
        nonlocal at
        at += size
        return text[at - size : at]

    return read


def segments(text: str) -> list[Segment]:
    """With the COPY tokens read, in the place of their iterator."""
    found = PostgresSplitter().process(PostgresLexer(BOUNDARY).get_tokens(text))
    return [segment._replace(copy=tuple(segment.copy) if segment.copy else None) for segment in found]


def streamed(text: str, size: int) -> list[Segment]:
    found = PostgresSplitter().process(PostgresLexer(BOUNDARY).read_tokens(reader(text), size=size))
    return [segment._replace(copy=tuple(segment.copy) if segment.copy else None) for segment in found]


def texts(found: list[Segment]) -> list[tuple[str, str]]:
    return [(segment.kind.value, segment.text) for segment in found if segment.kind is not SegmentKind.REST]


def data(segment: Segment) -> str:
    return "".join(value for kind, value in segment.copy or () if kind is COPY_DATA)


def refusal(text: str) -> tuple[str, int, int]:
    with pytest.raises(LexerError) as caught:
        segments(text)
    return caught.value.message, caught.value.line, caught.value.column


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_statements_are_cut_where_postgresql_cuts_them(case: Case):
    assert texts(segments(case.source)) == [("statement", text) for text in case.statements]


@pytest.mark.parametrize("size", [1, 16, 64])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_stream_gives_the_same_statements(case: Case, size: int):
    assert texts(streamed(case.source, size)) == texts(segments(case.source))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_tokens_and_pieces_joined_are_the_text(case: Case):
    tokens = list(PostgresLexer().get_tokens(case.source))

    assert "".join(value for _, value in tokens) == case.source
    assert "".join(segment.lead + segment.text for segment in segments(case.source)) == case.source


def test_names_of_cases_are_unique_and_there_are_enough():
    names = {case.name for case in CASES}

    assert len(names) == len(CASES) >= 102


def test_the_lexer_takes_bytes_and_files(tmp_path):
    path = tmp_path / "1.sql"
    path.write_text("SELECT 'é;';", encoding="utf-8")

    with path.open(encoding="utf-8") as file:
        from_file = list(PostgresLexer().get_tokens(file))

    assert from_file == list(PostgresLexer().get_tokens("SELECT 'é;';".encode()))


def test_the_lexer_of_sqlparse_stays_as_it_is():
    before = list(sqlparse.lexer.tokenize("SELECT 5 # 3;"))
    list(PostgresLexer().get_tokens("SELECT 5 # 3;"))

    assert list(sqlparse.lexer.tokenize("SELECT 5 # 3;")) == before


@pytest.mark.parametrize("text", ["SELECT 1$$;$$;", "SELECT $1$x$;$x$;", "SELECT 1.5$$;$$, 0x1F$$;$$;"])
def test_a_number_does_not_take_dollar_quotes_into_a_name(text: str):
    assert texts(segments(text)) == [("statement", text)]


# -- runs


def runs(text: str, *but: str) -> list[tuple[str, int]]:
    found = PostgresSplitter().process(PostgresLexer(BOUNDARY).read_runs(reader(text), but=but))
    return [(segment.text, segment.number) for segment in found if segment.kind is not SegmentKind.REST]


def test_statements_of_rows_come_together():
    rows = "insert into t values ('a;');\n  INSERT INTO t VALUES (-1);\nupdate t set a = 1;"

    assert runs(f"create table t (a int);\n{rows}\nvacuum t;") == [
        ("create table t (a int);", 1),
        (rows, 3),
        ("vacuum t;", 1),
    ]


def test_a_run_holds_nothing_that_has_to_be_looked_at():
    row, other = "insert into t values (1);", "insert into t values ('look here');"

    assert runs(f"{row}{row}{other}{row}", "look", "!") == [(row * 2, 2), (other, 1), (row, 1)]


def test_a_comment_ends_a_run():
    row = "insert into t values (1);"

    assert runs(f"{row}{row} -- x\n{row}") == [(row * 2, 2), (row, 1)]


def test_runs_are_of_a_moderate_length():
    row = "insert into t values (1);\n"

    lengths = [len(text) for text, _ in runs(row * 100_000)]

    assert max(lengths) < 70_000
    assert sum(lengths) > 2_500_000


@pytest.mark.parametrize("word", ["insert", "update", "delete", "merge", "select", "values", "with"])
def test_what_begins_a_run_means_nothing_for_transactions(word: str):
    assert runs(f"{word} a;" * 2) == [(f"{word} a;" * 2, 2)]
    assert is_plain(f"{word} a;")


# -- long statements


@pytest.mark.parametrize("unit", ["('a'),", "('it''s',-1),", '("a"),'])
@pytest.mark.parametrize("whole", [True, False], ids=["whole", "stream"])
def test_memory_for_a_long_statement_is_a_small_multiple_of_its_length(unit: str, whole: bool):
    text = "insert into t values " + unit * (1_500_000 // len(unit)) + "(1);"
    lexer = PostgresLexer(BOUNDARY)

    tracemalloc.start()
    found = sum(1 for _ in (lexer.get_tokens(text) if whole else lexer.read_runs(reader(text), but=())))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert found < 5_000
    assert peak < 6 * len(text)


# -- COPY data


COPY = "COPY t (a, b) FROM stdin;\n1\tit's;\n-- migrate:down\n\\.x\n\\.\nSELECT 2;"


def test_copy_data_is_no_sql():
    copy, after = segments(COPY)

    assert data(copy) == "1\tit's;\n-- migrate:down\n\\.x\n"
    assert after.text == "SELECT 2;"


@pytest.mark.parametrize("size", [1, 7, 30])
def test_copy_data_of_a_stream_comes_in_parts(size: int):
    copy, after = streamed(COPY, size)

    assert data(copy) == "1\tit's;\n-- migrate:down\n\\.x\n"
    assert after.text == "SELECT 2;"


@pytest.mark.parametrize(
    "head",
    [
        "copy t from STDIN",
        "COPY t FROM stdout",
        "COPY BINARY t FROM STDIN",
        'COPY "from"."stdin" (a) FROM /* ; */ STDIN WITH (FORMAT csv)',
        "COPY t (\"from\") FROM stdin (NULL ';')",
    ],
)
def test_copy_from_stdin_is_recognised(head: str):
    copy, _ = segments(f"{head};\nit's\n\\.\n")

    assert (copy.text, data(copy)) == (f"{head};", "it's\n")


@pytest.mark.parametrize(
    "statement",
    [
        "COPY t FROM PROGRAM 'stdin';",
        "COPY t FROM 'stdin';",
        "COPY (SELECT a FROM stdin) TO '/tmp/x';",
        'SELECT "copy" FROM stdin;',
        "COPY t TO stdout;",
    ],
)
def test_other_statements_have_no_data(statement: str):
    found = segments(f"{statement}\nSELECT 2;")

    assert texts(found) == [("statement", statement), ("statement", "SELECT 2;")]


def test_copy_without_rows():
    copy, _ = segments("COPY t FROM stdin; -- none\n\\.\n")

    assert data(copy) == ""


def test_copy_data_with_carriage_returns():
    copy, after = segments("COPY t FROM stdin;\r\n1\r\n\\.\r\nSELECT 2;")

    assert data(copy) == "1\r\n"
    assert after.text == "SELECT 2;"


def test_copy_data_may_end_with_the_file():
    (copy,) = segments("COPY t FROM stdin;\n1\n\\.")

    assert data(copy) == "1\n"


def test_unread_copy_data_is_passed_over():
    found = PostgresSplitter().process(PostgresLexer().get_tokens(COPY))

    assert [segment.text for segment in found] == ["COPY t (a, b) FROM stdin;", "SELECT 2;"]


# -- what is not closed


@pytest.mark.parametrize(
    ("text", "message", "line", "column"),
    [
        ("SELECT 1;\n  SELECT 'x;\n", "the string that begins here is not closed", 2, 10),
        ("SELECT 'it''s; SELECT 1", "the string that begins here is not closed", 1, 8),
        ("SELECT 'a''';\nSELECT 'it''s", "the string that begins here is not closed", 2, 8),
        ('SELECT "a"";', "the quoted name that begins here is not closed", 1, 8),
        ("CREATE RULE r AS ON DELETE TO t DO (SELECT 'a''", "the string that begins here is not closed", 1, 44),
        ("SELECT E'x\\';", "the E'' string that begins here is not closed", 1, 9),
        ("SELECT E'x'\n'y\\';", "the E'' string that begins here is not closed", 2, 1),
        ('SELECT "x;', "the quoted name that begins here is not closed", 1, 8),
        ("SELECT 1;\n/* a /* b */ c", "the /* comment that begins here is not closed", 2, 1),
        ("SELECT 'é', $x$ ; $X$", "the dollar-quoted text that begins here is not closed", 1, 13),
        ("CREATE RULE r AS ON SELECT TO t DO ('", "the string that begins here is not closed", 1, 37),
        ("SELECT 1; COPY t FROM stdin;\n1\n", "the data of this COPY ... FROM stdin has no end", 1, 11),
        ("COPY t FROM stdin;", "the data of this COPY ... FROM stdin has no end", 1, 1),
        ("COPY t FROM stdin;\n1\n\\. \n", "the data of this COPY ... FROM stdin has no end", 1, 1),
        ("COPY t FROM stdin; SELECT 1;\n\\.\n", "COPY ... FROM stdin has to be the last thing on its line", 1, 1),
    ],
)
def test_what_is_not_closed_is_told_with_its_beginning(text: str, message: str, line: int, column: int):
    assert refusal(text) == (message, line, column)


def test_what_is_not_closed_far_into_a_stream_has_its_place():
    text = "SELECT 1;\n" * 50 + "-- é\n SELECT $$\n" + "x\n" * 50

    with pytest.raises(LexerError) as caught:
        streamed(text, 16)

    assert (caught.value.line, caught.value.column) == (52, 9)


def test_copy_data_without_an_end_in_a_stream_has_the_place_of_its_statement():
    with pytest.raises(LexerError) as caught:
        streamed("SELECT 1;\n COPY t FROM stdin;\n" + "1\n" * 50, 16)

    assert (caught.value.line, caught.value.column) == (2, 2)


# -- headers and backslashes


def test_a_header_ends_an_unfinished_statement():
    found = segments("SELECT 1 -- a\n-- migrate:down\nCREATE FUNCTION f() BEGIN ATOMIC SELECT 1; END;")

    assert texts(found) == [
        ("statement", "SELECT 1"),
        ("header", "-- migrate:down"),
        ("statement", "CREATE FUNCTION f() BEGIN ATOMIC SELECT 1; END;"),
    ]


def test_a_header_ends_an_unfinished_body():
    found = segments("CREATE FUNCTION f() BEGIN ATOMIC SELECT 1;\n-- migrate:down\nSELECT 2;")

    assert [text for _, text in texts(found)][1:] == ["-- migrate:down", "SELECT 2;"]


@pytest.mark.parametrize(
    "quoted", ["'\n-- migrate:down\n'", '"\n-- migrate:down\n"', "$$\n-- migrate:down\n$$", "/*\n-- migrate:down\n*/ 1"]
)
def test_a_header_in_quotes_is_text(quoted: str):
    assert texts(segments(f"SELECT {quoted};")) == [("statement", f"SELECT {quoted};")]


@pytest.mark.parametrize(
    "line",
    [" -- migrate:down", "SELECT 1; -- migrate:down", "-- migrate:downgrade", "-- migrate:down;", "-- MIGRATE:DOWN"],
)
def test_what_is_no_header_is_a_comment(line: str):
    assert "header" not in [kind for kind, _ in texts(segments(line))]


def test_a_backslash_outside_of_quotes_takes_its_line_and_ends_a_statement():
    found = segments("\\restrict it's\nSELECT 1 \\gexec it's\nSELECT 2;")

    assert texts(found) == [
        ("meta", "\\restrict it's"),
        ("statement", "SELECT 1"),
        ("meta", "\\gexec it's"),
        ("statement", "SELECT 2;"),
    ]


def test_line_comments_are_told_with_their_offsets():
    text = "-- one\n/* two */ SELECT 1 -- three\n;"
    (segment,) = segments(text)

    assert [(offset, comment) for offset, comment in segment.comments] == [(0, "-- one"), (26, "-- three")]
    assert all(text[offset:].startswith(comment) for offset, comment in segment.comments)


def test_very_many_comments_do_not_pile_up():
    found = segments("-- a comment\n" * 5000 + "SELECT 1;")

    assert max(len(segment.lead) for segment in found) < 20_000
    assert texts(found) == [("statement", "SELECT 1;")]


# -- words


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("Select a.\"B\", 'C' from t -- x", ["SELECT", "A", ".", '"B"', ",", "'C'", "FROM", "T"]),
        ("a=-1", ["A", "=", "-", "1"]),
        ("a=@-1", ["A", "=@-", "1"]),
        ("1::int", ["1", "::", "INT"]),
        ("x:=1.5e-3+.5", ["X", ":=", "1.5E-3", "+", ".5"]),
        ("a[1:2]", ["A", "[", "1", ":", "2", "]"]),
        ("E'a\\''\n'b\\''", ["E'a\\''", "'b\\''"]),
        ("U&'x' N'y' b'1'", ["U&'x'", "N'y'", "b'1'"]),
        ("$1 $$;$$ $x$ $$ $x$", ["$1", "$$;$$", "$x$ $$ $x$"]),
        ("Straße ÄB", ["STRAßE", "ÄB"]),
        ("5*/* x */3", ["5", "*", "3"]),
    ],
)
def test_words_are_the_tokens_of_the_server(sql: str, expected: list[str]):
    assert list(words(sql)) == expected


def test_words_are_lazy():
    first = next(words("VACUUM 'not closed"))

    assert first == "VACUUM"
