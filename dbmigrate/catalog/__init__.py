"""What a database holds, object by object, read from PostgreSQL's own catalog; and how two such pictures differ.

`read` makes a `Catalog` of the connected database in one round trip; `compare` is pure and names what is missing,
extra, changed or in another order. A `Reader` also takes fingerprints, which tell sooner that nothing differs.
`queries`, `objects` and `fingerprint` hold the SQL, `kinds` and `values` what the parts hand to each other,
`definitions` writes objects down as SQL, `wording` differences as sentences.
"""

from __future__ import annotations

from dbmigrate.catalog.comparison import compare
from dbmigrate.catalog.differences import Difference
from dbmigrate.catalog.kinds import Change, Kind, Scope
from dbmigrate.catalog.reading import Reader, read
from dbmigrate.catalog.values import Catalog, Item, Key

__all__ = ["Catalog", "Change", "Difference", "Item", "Key", "Kind", "Reader", "Scope", "compare", "read"]
