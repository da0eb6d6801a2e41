"""Write reports/index.html: `python -m reproduce.site`."""

import sys

from annealed.runs import cli
from reproduce.site import page


def main() -> None:
    """The command line; see the module."""
    path = page.write()
    print(f"page: {path} ({path.stat().st_size / 1e6:.1f} MB)")


if __name__ == "__main__":
    sys.exit(cli.run(main, "Run the same command again."))
