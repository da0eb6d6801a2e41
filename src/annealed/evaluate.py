"""Score a checkpoint anew: `python -m annealed.evaluate RUN_DIR [--samples 5000]`."""

import argparse
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from annealed.compute.compiling import watched
from annealed.compute.machine import resolve
from annealed.config.registry import allow_import
from annealed.evaluation.result import RESULT, read_result
from annealed.runs import cli, wandb_logger
from annealed.runs.load import configured, trained
from annealed.runs.report import conclusion
from annealed.training.progress import Progress
from annealed.utils.errors import UsageError
from annealed.utils.files import locked, replace_json


def evaluate(folder: Path, samples: int | None = None, replace_result: bool = False) -> dict:
    """Score the best checkpoint of a run folder with `samples` importance samples an image.

    Of a toy, `samples` is the number of draws.

    Writes evaluation_S<samples>.json, or result.json with `replace_result`, and returns what it
    wrote. Raises UsageError where the folder holds no run, or no finished one to replace.
    """
    config = configured(folder)
    if samples is not None:
        if samples < 1:
            raise UsageError(f"--samples is {samples}; accepted: a whole number from 1.")
        config = replace(config, evaluate=replace(config.evaluate, samples=samples))
    if replace_result and read_result(folder / RESULT)["status"] != "finished":
        raise UsageError(
            f"{folder / RESULT} is of a run that diverged; --replace needs a good one."
        )
    name = RESULT if replace_result else f"evaluation_S{config.evaluate.samples}.json"
    with locked(folder, "the run folder"):
        machine = resolve(config)
        method, subject = trained(folder, config, machine.device)
        (logger,) = wandb_logger.start([(config, folder)], "evaluate")
        result = None
        try:
            progress = Progress(f"{config.row} seed{config.seed}")
            progress.start("score", subject.items)
            with watched(progress.compiling) if config.trainer.compile else nullcontext():
                result = subject.score(method, folder, machine, progress.update, name)
            progress.close()
            if (folder / RESULT).exists():
                result["training"] = read_result(folder / RESULT).get("training")
            replace_json(folder / name, result)  # before W&B, which may fail
            if logger:
                wandb_logger.log_result(logger, result, folder, name)
        finally:
            wandb_logger.finish(logger, failed=result is None)
    return result


def main() -> None:
    """The command line; see `--help`."""
    parser = argparse.ArgumentParser(prog="annealed.evaluate", description=__doc__)
    parser.add_argument("run_dir", type=Path, help="a folder that annealed.fit made")
    parser.add_argument(
        "--samples", type=int, help="importance samples S an image; of a toy, draws"
    )
    parser.add_argument("--replace", action="store_true", help="make it the run's result.json")
    parser.add_argument(
        "--allow-import", action="store_true", help="method.name, data.energy may be one's own"
    )
    cli.add_verbose(parser)
    arguments = parser.parse_args()
    if arguments.verbose:
        cli.speak()
    if arguments.allow_import:
        allow_import()
    result = evaluate(arguments.run_dir, arguments.samples, arguments.replace)
    print(conclusion(result))


if __name__ == "__main__":
    sys.exit(cli.run(main, "Run the same command again."))
