"""``python -m dbmigrate``, and the console script."""

from __future__ import annotations

from typing import NoReturn


def main() -> NoReturn:
    """Run the command line."""
    from dbmigrate.cli.main import main as run

    run()


if __name__ == "__main__":
    main()
