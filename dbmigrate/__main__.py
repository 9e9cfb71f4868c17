"""``python -m dbmigrate``, and the console script."""

from __future__ import annotations

import gc
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line."""
    # a short run leaves little garbage: looking for it while modules are imported takes a tenth of their time
    gc.set_threshold(100_000)
    from dbmigrate.cli.main import main as run

    run()


if __name__ == "__main__":
    main()
