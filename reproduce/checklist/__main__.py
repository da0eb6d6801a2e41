"""Answer the checklists from what is on disk: `python -m reproduce.checklist`."""

import argparse
import sys
from collections import Counter
from pathlib import Path

from annealed.runs import cli
from reproduce.checklist import page


def main() -> None:
    """The command line; see `--help`."""
    argparse.ArgumentParser(prog="reproduce.checklist", description=__doc__).parse_args()
    folder = Path("reports")
    lists = page.write(Path(), folder)
    count = Counter(one.answer for _, answers in lists for one in answers)
    summary = ", ".join(f"{number} {name.lower()}" for name, number in sorted(count.items()))
    print(f"checklist: {folder / page.NAME}.md and .tex; {summary}")


if __name__ == "__main__":
    sys.exit(cli.run(main, "Run the same command again."))
