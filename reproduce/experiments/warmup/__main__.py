"""HVI against HVI-AVO over warm-up schedules: `python -m reproduce.experiments.warmup`."""

import sys

from annealed.runs import cli
from reproduce.experiments.warmup import design, page
from reproduce.pages import trial_page

if __name__ == "__main__":
    arguments = ("warmup", __doc__, design.planned, page.write)
    sys.exit(cli.run(lambda: trial_page.run(*arguments), "Run the same command again to go on."))
