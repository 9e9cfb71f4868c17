"""Where the programs without Python start.

The loader's path to the bundled libraries is for this process alone: pg_dump, psql and a server have their own.
https://pyinstaller.org/en/stable/runtime-information.html#ld-library-path-libpath-considerations
"""

import os

for name in ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"):
    os.environ.pop(name, None)
    before = os.environ.pop(f"{name}_ORIG", None)
    if before is not None:
        os.environ[name] = before

from dbmigrate.__main__ import main  # noqa: E402

main()
