"""Where a database is, and connections to it."""
