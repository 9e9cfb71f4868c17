"""The version of the program, where every module can import it from."""

import os
import sys

__version__ = "0.1.0"


def build() -> str:
    """What a program that needs no Python was built as: ``one file for Linux x86_64, without a server``; else empty."""
    if not getattr(sys, "frozen", False):
        return ""
    with open(os.path.join(os.path.dirname(__file__), "build.txt"), encoding="utf-8") as note:
        return note.read().strip()


def described() -> str:
    """The version as ``--version`` prints it."""
    made = build()
    return f"dbmigrate version {__version__}" + (f" ({made})" if made else "")
