"""What `--strict` refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrate.errors import Refused
from dbmigrate.model import Order

if TYPE_CHECKING:
    from dbmigrate.model import MigrationFile

BY_NUMBER = '`version-order = "numeric"` in dbmigrate.toml (or --version-order numeric) orders them by number'


def out_of_order(file: MigrationFile, highest: str, order: Order) -> Refused:
    """dbmate compares versions as texts (db.go), and says so in these words; where that surprises, say why."""
    message = (
        f"migration `{file.version}` is out of order with already applied migrations, the version number has "
        f"to be higher than the applied migration `{highest}` in --strict mode"
    )
    hint = "give the file a newer version, or run without --strict"
    if order is Order.NAME and Order.NUMERIC.key(file.version) > Order.NUMERIC.key(highest):
        message += f" (versions are compared byte by byte, so `{file.version}` comes before `{highest}`)"
        hint = f"{BY_NUMBER}; or {hint}"
    return Refused(message, code="E702", hint=hint)
