"""Which migrations change more than their database? They are not tried on the server of the target.

Roles, tablespaces, settings, and the privileges and comments of a database belong to the server: a migration that
changes them in a scratch database changes them for the target beside it, or changes the target itself. They are looked
for in the text, bodies of functions and DO included; a false alarm costs no more than another server. What a migration
puts together from pieces (``execute 'create ' || what``) is not found.
https://www.postgresql.org/docs/current/manage-ag-overview.html
"""

from __future__ import annotations

import mmap
import re
from contextlib import closing
from typing import TYPE_CHECKING

from dbmigrate.errors import ConfigError

if TYPE_CHECKING:
    from dbmigrate.model import Migration

_GAP = r"(?:\s|--[^\n]*\n|/\*.{0,1000}?\*/)+"  # between two words
_SHARED = r"(?:role|user(?!\s+mapping)|group|tablespace|database|system|subscription|parameter)\b"
_FORMS = (
    rf"(?:create|alter|drop)~{_SHARED}",
    rf"(?:comment~on|security~label~(?:for~\S+~)?on)~{_SHARED}",
    rf"(?:grant|revoke)\b[^;]{{1,500}}?\bon~{_SHARED}",
    r"grant\b(?:(?!\bon\b)[^;]){1,500}?\bto\b",  # a role to a role
    r"revoke\b(?:(?!\bon\b)[^;]){1,500}?\bfrom\b",
    r"(?:drop|reassign)~owned\b",  # takes privileges on databases and tablespaces as well
    r"(?:update|insert~into|delete~from)~(?:only~)?(?:pg_catalog\.)?"
    r"pg_(?:authid|auth_members|database|db_role_setting|tablespace|shdescription|shseclabel|subscription)\b",
    r"pg_(?:create|drop)_\w*replication_slot|pg_replication_origin_(?:create|drop)",
    r"pg_(?:reload_conf|terminate_backend|cancel_backend|promote|switch_wal|file_write|file_unlink|file_rename)",
    r"dblink\w*~?\(|to~program\b",
)
_BEYOND = re.compile(rf"\b(?:{'|'.join(_FORMS)})".replace("~", _GAP).encode(), re.IGNORECASE | re.DOTALL)


def is_beyond_database(migration: Migration) -> bool:
    """Whether one of its directions seems to change what belongs to the whole server. Raises ConfigError E207."""
    texts = [text for text in (migration.up_sql, migration.down_sql) if text]
    if texts:
        return any(_BEYOND.search(text.encode()) for text in texts)
    try:  # the text of a large file is not kept; it is looked at where it is, without being read into memory
        with open(migration.file.path, "rb") as file, closing(mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)) as text:
            return _BEYOND.search(text) is not None
    except OSError as exc:
        raise ConfigError(f"cannot read {migration.file.path}: {exc.strerror}", code="E207") from exc
