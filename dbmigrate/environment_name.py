"""The one spelling of an environment's name."""

from __future__ import annotations

import re

__all__ = ["canonical"]

_ENDS = re.compile(r"(?<=.)_(?:(?:database|db|postgres|postgresql|pg)_)?url\Z")


def canonical(environment: str) -> str:
    """The one spelling of an environment's name: ``eu-west.prod``, ``EU_WEST_PROD_DATABASE_URL`` are ``eu_west_prod``.

    Letter case does not count, and neither does the end of the variable (``PRODUCTION_URL``, ``PRODUCTION_DB_URL``),
    so that every spelling of a protected environment is protected.
    """
    return _ENDS.sub("", re.sub(r"[.-]", "_", environment).lower())
