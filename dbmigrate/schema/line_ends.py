"""Line ends that git has converted: ``core.autocrlf`` makes CRLF of every line end in a checkout on Windows.

dbmigrate writes LF. A file in which every line ends in CRLF was converted on its way, and with it the bodies in it.
https://git-scm.com/docs/gitattributes#_end_of_line_conversion
"""

from __future__ import annotations

__all__ = ["REMEDY", "are_converted", "are_the_difference", "converted_back"]

REMEDY = (
    "write `*.sql text eol=lf` into .gitattributes, then run `git add --renormalize .` and check the files out again"
)


def are_converted(text: str) -> bool:
    """Whether every line ends in CRLF."""
    return text.count("\n") == text.count("\r\n") > 0


def converted_back(text: str) -> str:
    """`text` with LF, if it `are_converted`; else as it is."""
    return text.replace("\r\n", "\n") if are_converted(text) else text


def are_the_difference(one: str, other: str) -> bool:
    """Whether two texts differ, and in nothing but their line ends."""
    return one != other and one.replace("\r\n", "\n") == other.replace("\r\n", "\n")
