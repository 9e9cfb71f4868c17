"""``python -m dbmigrate``, and the console script."""

from __future__ import annotations

import gc
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line."""
    # a short run leaves little garbage: looking for it while modules are imported takes a tenth of their time
    gc.set_threshold(100_000)
    from dbmigrate.cli.main import main as run

    try:
        run()
    finally:
        # what is left ends with the process: to look through all of it for cycles first takes a fifth of a short run
        gc.freeze()


if __name__ == "__main__":
    main()
