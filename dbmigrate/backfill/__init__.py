"""Backfills: data changed in pages of rows, each a transaction of its own; what is known of them without a session."""
