"""A project directory with migration files, as a user would have it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Project:
    """A directory that commands run in. `migrations` is its ``db/migrations``."""

    root: Path

    @property
    def migrations(self) -> Path:
        return self.root / "db" / "migrations"

    @property
    def schema_file(self) -> Path:
        return self.root / "db" / "schema.sql"

    def migration(self, name: str, *, up: str, down: str = "", up_options: str = "", down_options: str = "") -> Path:
        """Write ``<name>.sql`` with an up and a down section; options are the words after the headers."""
        up_header = f"-- migrate:up {up_options}".rstrip()
        down_header = f"-- migrate:down {down_options}".rstrip()
        return self.write(f"{name}.sql", f"{up_header}\n{up}\n\n{down_header}\n{down}\n")

    def write(self, name: str, text: str | bytes) -> Path:
        """Write a file of ``db/migrations`` exactly as given (for other files: ``project.root``)."""
        path = self.migrations / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path
