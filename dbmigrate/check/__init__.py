"""`check`: do the migrations work? Tried on a scratch database, where nothing can be hurt; no target is asked.

1. `reading`: every file is read, and every fault in every file is told;
2. `walk`: up from zero, migration by migration, measured for the lock report; and for each one, right after its up,
   down and up again, with the catalog compared (`roundtrip`);
3. `schemafile`: the schema file is what the migrations make.

What is found are `Problem`s with the codes of `CODES`; `dbmigrate explain CODE` tells more.
"""

from __future__ import annotations

from dbmigrate.check.run import Linter, Options, run
from dbmigrate.check.values import CODES, Report, Trial

__all__ = ["CODES", "Linter", "Options", "Report", "Trial", "run"]
