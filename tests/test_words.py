"""The vocabulary of the project: one word for each thing, the field's own, and no phrase that makes a reader stop.

Each pattern has what to write instead. Texts are the documents, and the strings, docstrings and comments of the code;
names are the identifiers of the code.
"""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = (
    "*.md",
    "docs/**/*.md",
    "dbmigrate/**/*.md",
    "db/*.md",
    "bench/NOTES.md",
    ".env.example",
    "Makefile",
    "action.yml",
)

_AFTER_NO = r"(?:longer|more|less|other|such|one|matter)\b"

# phrases in texts: a pattern (a blank stands for any white space), and what to write instead
PHRASES: dict[str, str] = {
    r"\btables of our own\b": "tracking table and log table",
    r"\bways? back\b": "rollback, undo, down section",
    r"\bwhere (?:this|it) (?:goes|is going)\b": "the target database",
    r"\bthousand million\b": "2.1 billion",
    r"\banew\b": "again; 'rewrites the table'",
    r"\bwrites all of\b": "rewrites the table",
    r"\b(?:an|the) own\b": "its own, dbmigrate's own",
    r"\bbelongs? into\b": "belongs in",
    rf"(?<!there\s)(?<!There\s)\b(?:is|are|was|were) no (?!{_AFTER_NO})[a-z`]": "is not a, unknown",
    r"\btold\b(?! apart| otherwise| to\b)": "reported, named, shown",
    r"\btells? of\b": "reports, describes",
    r"\b(?:is|are|was|were) said\b(?! to\b)": "reported, named; an active clause",
    r"\b(?:all other|more) talk\b": "messages",
    r"\bapply this very\b": "apply this",
    r"\bthis very\b|\bthat very\b": "this, exactly this",
    r"\bis not what would be done\b": "the plan changed after it was shown",
    r"\bstands? before the server\b": "connected through a transaction pooler",
    r"\bit starts with postgres://": "the URL must start with postgres://",
    r"\bit holds an @": "unescaped @ in user or password: write %40",
    r"\bvarchar \( ": "varchar(500)",
    r"\bnobody can be made to wait\b": "no lock report: the database does not exist yet",
    r"\b(?:SAID|PLAN|EXPECTED|RUNS):": "the style of state: and hint:",
    r"\bwhere it does not count\b": "rehearsal",
    r"\bwish(?:es|ed)?\b": "request, what a command asks for",
    r"\bdeeds?\b": "step, outcome",
    r"\bworkbench(?:es)?\b": "scratch database, api.base",
    r"(?<![\w|-])(?:stage|scene)s?\b(?!\|)": "scratch database, scratch server",
    r"\btrials?\b": "rehearsal",
    r"\bfates?\b": "outcome, commit outcome",
    r"\bpassages?\b": "batch",
    r"(?<![\w/`.])journal(?:s|led)?\b": "log, log entry",
    r"\bin a hurry\b": "lock retry",
    r"\bgrounds?\b": "scratch database, scratch server",
    r"\bconsents?\b": "confirmation, approval",
}

# words in identifiers, file names included, and what to call the thing
NAMES: dict[str, str] = {
    "workbench": "base",
    "scene": "scratch session",
    "stage": "scratch session",
    "wish": "request",
    "deed": "outcome",
    "fate": "outcome",
    "passage": "batch",
    "journal": "log",
    "trial": "rehearsal",
    "anew": "again",
    "talk": "message",
    "told": "reported",
    "ground": "scratch database",
    "consent": "approval",
    "hurry": "lock retry",
}

# what other programs say or are called: a file, and the text around the word
QUOTATIONS: tuple[tuple[str, str], ...] = (
    ("dbmigrate/cli/suggestions.py", '"stage"'),  # what people type for `-e staging`
)


@cache
def documents() -> dict[str, str]:
    paths = sorted({path for pattern in DOCUMENTS for path in ROOT.glob(pattern)})
    return {str(path.relative_to(ROOT)): path.read_text("utf-8") for path in paths}


@cache
def code() -> dict[str, tuple[tokenize.TokenInfo, ...]]:
    paths = sorted((ROOT / "dbmigrate").rglob("*.py"))
    return {str(path.relative_to(ROOT)): tuple(_tokens(path)) for path in paths}


def _tokens(path: Path) -> Iterator[tokenize.TokenInfo]:
    return tokenize.generate_tokens(io.StringIO(path.read_text("utf-8")).readline)


# since Python 3.12 the text of an f-string is a token of its own
_TEXTS = {tokenize.STRING, tokenize.COMMENT, getattr(tokenize, "FSTRING_MIDDLE", tokenize.STRING)}


def texts() -> Iterator[tuple[str, int, str]]:
    """Every text with its file and its first line."""
    for name, text in documents().items():
        yield name, 1, text
    for name, tokens in code().items():
        yield from ((name, token.start[0], token.string) for token in tokens if token.type in _TEXTS)


def places(phrase: str) -> Iterator[str]:
    pattern = re.compile(phrase.replace(" ", r"\s+"))
    for name, line, text in texts():
        for found in pattern.finditer(text):
            around = " ".join(text[max(0, found.start() - 40) : found.end() + 40].split())
            if not any(name == file and quoted in around for file, quoted in QUOTATIONS):
                yield f"{name}:{line + text.count(chr(10), 0, found.start())}: ...{around}..."


@pytest.mark.parametrize("phrase", PHRASES, ids=PHRASES.get)
def test_a_phrase_that_makes_a_reader_stop_is_not_used(phrase: str) -> None:
    assert list(places(phrase)) == [], f"write: {PHRASES[phrase]}"


@pytest.mark.parametrize("word", NAMES)
def test_a_name_in_the_code_is_a_word_of_the_field(word: str) -> None:
    pattern = re.compile(rf"(?:^|[_/])_*{word}s?(?:$|_|\.py)|{word.title()}s?(?![a-z])")
    found = [name for name in code() if pattern.search(name)]
    found += [
        f"{name}:{token.start[0]}: {token.string}"
        for name, tokens in code().items()
        for token in tokens
        if token.type == tokenize.NAME and pattern.search(token.string)
    ]

    assert found == [], f"call it: {NAMES[word]}"


def test_every_quotation_that_is_let_pass_is_there() -> None:
    missing = [
        (file, text) for file, text in QUOTATIONS if text not in " ".join((ROOT / file).read_text("utf-8").split())
    ]

    assert missing == []
