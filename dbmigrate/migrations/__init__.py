"""Migration files: found, read, checked."""
