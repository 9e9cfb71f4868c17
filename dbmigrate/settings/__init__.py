"""Flags, environment, env files and project file, resolved once."""
