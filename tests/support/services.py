"""A project of three services that share a database; the migrations of one depend on those of another."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PROJECT_FILE = """\
[service.discovery-svc]
dir = "discovery-svc/migrations"
owner = "team discovery"
notes = "PostgreSQL only"

[service.ai]
dir = "ai-svc/migrations"

[service.chat]
dir = "chat-svc/migrations"
migrations-table = "chat_versions"
schema-file = "chat-svc/chat.sql"
"""


@dataclass(frozen=True, slots=True)
class Services:
    """A directory with such a project."""

    root: Path

    def write(self, name: str, up: str, *, down: str = "", depends: str = "") -> Path:
        """A migration by its path, such as ``ai-svc/migrations/001_a.sql``."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        before = f"-- migrate:depends {depends}\n" if depends else ""
        path.write_text(f"{before}-- migrate:up\n{up}\n-- migrate:down\n{down}\n")
        return path


def three(root: Path) -> Services:
    """The project: users, requests that refer to users, and rooms."""
    made = Services(root)
    (root / "dbmigrate.toml").write_text(PROJECT_FILE)
    made.write(
        "discovery-svc/migrations/001_users.sql",
        "create table users (id int primary key, email text);\n"
        "create function touch() returns trigger language plpgsql as $$begin return new; end$$;",
        down="drop function touch(); drop table users;",
    )
    made.write(
        "ai-svc/migrations/001_requests.sql",
        "create table requests (id int primary key, user_id int references users);\n"
        "create index requests_user on requests (user_id);",
        down="drop table requests;",
        depends="discovery-svc:001",
    )
    made.write(
        "chat-svc/migrations/001_rooms.sql",
        "do $$ begin execute 'create table ' || 'rooms (id int primary key)'; end $$;",
        down="drop table rooms;",
    )
    return made
