"""One choice at a time, on the validation set: `python -m reproduce.experiments.ablations`."""

import sys

from annealed.runs import cli
from reproduce.experiments.ablations import design, page
from reproduce.pages import trial_page

if __name__ == "__main__":
    arguments = ("ablations", __doc__, design.planned, page.write)
    sys.exit(cli.run(lambda: trial_page.run(*arguments), "Run the same command again to go on."))
