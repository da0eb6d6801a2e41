"""Train and score one run: `python -m annealed.fit --config hvi_avo.yaml [key=value ...]`."""

import argparse
import sys

from annealed import config as configuration
from annealed.config.registry import allow_import
from annealed.runs import cli, parent_watch


def main() -> None:
    """The command line; see `--help`."""
    parser = argparse.ArgumentParser(prog="annealed.fit", description=__doc__)
    parser.add_argument("--config", required=True, help="a row's YAML, by path or by name")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    parser.add_argument(
        "--new-limit", action="store_true", help="with --resume: on to another trainer.epochs"
    )
    parser.add_argument("--print-config", action="store_true", help="show the configuration, stop")
    parser.add_argument(
        "--allow-import", action="store_true", help="method.name, data.energy may be one's own"
    )
    cli.add_verbose(parser)
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="as in seed=3")
    arguments = parser.parse_intermixed_args()
    if arguments.new_limit and not arguments.resume:
        parser.error("--new-limit goes with --resume")
    parent_watch.stop_with_parent()
    if arguments.verbose:
        cli.speak()
    if arguments.allow_import:
        allow_import()
    config = configuration.load(arguments.config, arguments.overrides)
    if arguments.print_config:
        print(configuration.to_yaml(config), end="")
        return
    # imported here: Lightning takes seconds, and a wrong key ends the command before
    from annealed.evaluation.result import RESULT, read_result
    from annealed.runs.folders import each_seed, run_folder
    from annealed.runs.report import conclusion
    from annealed.runs.run import fit
    from annealed.training.distributed import ranks

    process = ranks(config)
    file = configuration.find_file(arguments.config)
    fit(config, arguments.resume, process, file, arguments.new_limit)
    if process.leads:
        for path in (run_folder(one) / RESULT for one in each_seed(config)):
            print(conclusion(read_result(path)))
            print(f"result: {path}")


if __name__ == "__main__":
    sys.exit(cli.run(main, "Add --resume to the same command to go on."))
