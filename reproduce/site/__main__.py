"""Write reports/index.html: `python -m reproduce.site`."""

import argparse
import sys
from pathlib import Path

from annealed.runs import cli
from reproduce.site import contents, page


def main() -> None:
    """The command line; see `--help`."""
    parser = argparse.ArgumentParser(prog="reproduce.site", description=__doc__)
    parser.add_argument(
        "--if-any", action="store_true", help="write nothing where reports/ has no table to show"
    )
    if parser.parse_args().if_any and not contents.tables(Path()):
        print(f"no page: {contents.REPORTS} has no NLL table to show; smoke runs have none")
        return
    path = page.write()
    print(f"page: {path} ({path.stat().st_size / 1e6:.1f} MB)")


if __name__ == "__main__":
    sys.exit(cli.run(main, "Run the same command again."))
