"""HVI against HVI-AVO over warm-up schedules: `python -m reproduce.experiments.warmup`."""

import sys

from annealed.runs import cli
from reproduce.experiments.warmup import report
from reproduce.pages import trial_page

if __name__ == "__main__":
    asked = ("warmup", __doc__, report.planned, report.write)
    sys.exit(cli.run(lambda: trial_page.run(*asked), "Run the same command again to go on."))
