"""Write reports/index.html: `python -m reproduce.overview`."""

import sys

from annealed import command
from reproduce.overview import page


def main() -> None:
    """The command line; see the module."""
    path = page.write()
    print(f"page: {path} ({path.stat().st_size / 1e6:.1f} MB)")


if __name__ == "__main__":
    sys.exit(command.run(main, "Run the same command again."))
