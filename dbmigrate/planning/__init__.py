"""Every decision, as pure functions of files, history and settings."""
