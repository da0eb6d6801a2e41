"""Score a checkpoint anew: `python -m annealed.evaluate RUN_DIR [--samples 5000] [key=value]`."""

import argparse
import sys
from pathlib import Path

from annealed.config.registry import allow_import
from annealed.evaluation.annealed_options import AnnealedScoreOptions
from annealed.runs import annealed_cli, cli, parent_watch
from annealed.runs.machine_keys import OVERRIDES_HELP
from annealed.utils.errors import UsageError
from annealed.utils.paths import argument


def main() -> None:
    """The command line; see `--help`."""
    parser = argparse.ArgumentParser(prog="annealed.evaluate", description=__doc__)
    folder = argument("RUN_DIR", Path)
    parser.add_argument("run_dir", type=folder, help="a folder that annealed.fit made")
    parser.add_argument(
        "--samples", type=int, help="importance samples S an image; of a toy, draws"
    )
    place = parser.add_mutually_exclusive_group()
    place.add_argument("--replace", action="store_true", help="make it the run's result.json")
    place.add_argument(
        "--output", type=argument("--output", Path), help="write there, and only read RUN_DIR"
    )
    annealed_cli.add_options(parser)
    parser.add_argument(
        "--allow-import", action="store_true", help="method.name, data.energy may be one's own"
    )
    parser.add_argument("overrides", nargs="*", metavar="key=value", help=OVERRIDES_HELP)
    cli.add_verbose(parser)
    arguments = parser.parse_intermixed_args()
    parent_watch.stop_with_parent()
    if arguments.verbose:
        cli.speak()
    if arguments.allow_import:
        allow_import()
    options = _annealed_options(arguments)
    # imported here: Lightning reads what launchers leave in the environment, which is hidden now
    from annealed.runs.report import conclusion
    from annealed.runs.rescore import evaluate, evaluate_annealed

    folder, place = arguments.run_dir, (arguments.overrides, arguments.output)
    if options is None:
        result = evaluate(folder, arguments.samples, arguments.replace, *place)
    else:
        result = evaluate_annealed(folder, options, *place)
    print(conclusion(result))


def _annealed_options(arguments: argparse.Namespace) -> AnnealedScoreOptions | None:
    """Those of --estimator ais, if asked for; UsageError for options that do not go together."""
    options = annealed_cli.options_of(arguments)
    if options is not None and (arguments.replace or arguments.samples is not None):
        name = "--replace" if arguments.replace else "--samples"
        raise UsageError(f"{name} is not an option of --estimator ais.")
    return options


if __name__ == "__main__":
    sys.exit(cli.run(main, "Run the same command again."))
