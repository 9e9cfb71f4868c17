"""The schema file: pg_dump's output, in bytes that depend on the schema alone.

`pgdump` runs pg_dump, `normalise` makes its text the same for every version of it, `versions` writes the
rows of the tracking table behind it, `file` reads and replaces the file, `load` prepares its text for a server.
"""
