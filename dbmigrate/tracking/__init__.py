"""The tracking table and the log table: read and written."""
