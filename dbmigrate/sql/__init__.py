"""PostgreSQL's lexical rules on sqlparse's frame: text -> tokens -> segments. The only package that imports sqlparse.

`PostgresLexer` replaces ``sqlparse.lexer.Lexer.get_tokens``, and `PostgresSplitter` the grouping of tokens into
statements; sqlparse's own rules lose their way in nested comments, ``'C:\\'``, ``BEGIN ATOMIC``, COPY data and more.
sqlparse's global lexer is never touched. The rules are those of PostgreSQL's ``scan.l`` and, for COPY data, of psql.

The tokens are *lossless* (joined they are the text), *coarse* (plain SQL between two quotes is one token; a statement
without comments, dollar quotes and backslashes is one token altogether) and found in *linear* time. A stream is read
through a window of whole lines, which grows only while a single statement does not fit into it.
"""

from dbmigrate.sql.psql import may_be_read_otherwise, reads_alike, without_empty
from dbmigrate.sql.splitter import PostgresSplitter, Segment, SegmentKind
from dbmigrate.sql.tokeniser import PostgresLexer, Word, placed_words, words
from dbmigrate.sql.tokens import COPY_DATA, LexerError, Token

__all__ = [
    "COPY_DATA",
    "LexerError",
    "PostgresLexer",
    "PostgresSplitter",
    "Segment",
    "SegmentKind",
    "Token",
    "Word",
    "may_be_read_otherwise",
    "placed_words",
    "reads_alike",
    "without_empty",
    "words",
]
