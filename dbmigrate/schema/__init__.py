"""The schema file: what `pg_dump` says about a database, in bytes that depend on the schema alone.

`pgdump` finds and runs pg_dump, `normalise` makes its text the same for every version of it, `versions` writes the
rows of the tracking table behind it, `file` reads and replaces the file, `load` prepares its text for a server.
"""
