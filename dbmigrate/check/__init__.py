"""`check`: do the migrations work? Runs them on a scratch database; the target database is not needed.

1. `reading`: read every file, and report every error in every file;
2. `scratch_run`, `apply_all`: up from an empty database, migration by migration, measured for the lock report; each one
   is rolled back and applied again right after its up section, and the catalogs are compared (`roundtrip`, in one
   message where that does: `one_message`). The database is made while the files are read;
3. `schemafile`: compare the schema file with what the migrations create;
4. `application`, `queries`: prepare the application's queries before and after each migration.

Findings are `Problem`s with the codes of `CODES`; `dbmigrate explain CODE` explains them.
"""

from __future__ import annotations

from dbmigrate.check.changed_schema import ChangedSchema
from dbmigrate.check.options import Linter, Options
from dbmigrate.check.prerequisites import Project
from dbmigrate.check.run import run
from dbmigrate.check.values import CODES, MigrationResult, Report

__all__ = ["CODES", "ChangedSchema", "Linter", "MigrationResult", "Options", "Project", "Report", "run"]
