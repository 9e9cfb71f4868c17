"""What a platform such as Supabase makes in a user's database: no migration of the project made it, and none has to."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dbmigrate.catalog import Change, Kind
from dbmigrate.migrations.other_tools import is_of_platform

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from dbmigrate.catalog import Difference

__all__ = ["without_the_platforms"]

# it makes these in the whole database, or in the user's schemas: default privileges give its roles what they need
_EVERYWHERE = (
    Kind.EXTENSION,
    Kind.EVENT_TRIGGER,
    Kind.PUBLICATION,
    Kind.PUBLICATION_MEMBER,
    Kind.DEFAULT_PRIVILEGE,
    Kind.GRANT,
)


def without_the_platforms(found: Iterable[Difference], schemas: Collection[str]) -> tuple[Difference, ...]:
    """Without what is in the platform's own schemas, among `schemas`, and what else only the platform makes."""
    its = sorted(map(re.escape, filter(is_of_platform, schemas)))
    if not its:
        return tuple(found)
    is_inside = re.compile(rf'(?:^|\s)"?(?:{"|".join(its)})"?(?:\.|$)').search
    return tuple(
        each
        for each in found
        if not is_inside(each.name) and not (each.change is Change.EXTRA and each.kind in _EVERYWHERE)
    )
