"""One choice at a time, on the validation set: `python -m reproduce.experiments.ablations`."""

import sys

from annealed.runs import cli
from reproduce.experiments.ablations import report
from reproduce.pages import trial_page

if __name__ == "__main__":
    asked = ("ablations", __doc__, report.planned, report.write)
    sys.exit(cli.run(lambda: trial_page.run(*asked), "Run the same command again to go on."))
