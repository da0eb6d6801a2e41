"""Score a checkpoint anew: `python -m annealed.evaluate RUN_DIR [--samples 5000]`."""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from annealed.config.registry import allow_import
from annealed.evaluation.result import RESULT, read_result
from annealed.evaluation.score import score
from annealed.runs import cli, wandb_logger
from annealed.runs.load import configured, trained
from annealed.training.progress import Progress
from annealed.utils.errors import UsageError
from annealed.utils.files import locked, replace_json


def evaluate(folder: Path, samples: int | None = None, replace_result: bool = False) -> dict:
    """Score the best checkpoint of a run folder with `samples` importance samples an image.

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
        method, images = trained(folder, config)
        (logger,) = wandb_logger.start([(config, folder)], "evaluate")
        result = None
        try:
            progress = Progress(f"{config.row} seed{config.seed}")
            progress.start("score", len(images.held_out(config.evaluate.split)))
            result = score(method, images, config, folder, progress.update, name)
            progress.close()
            if (folder / RESULT).exists():
                result["training"] = read_result(folder / RESULT).get("training")
            replace_json(folder / name, result)  # before the mirror, which may fail
            if logger:
                wandb_logger.log_result(logger, result, folder, name)
        finally:
            wandb_logger.finish(logger, failed=result is None)
    return result


def main() -> None:
    """The command line; see `--help`."""
    parser = argparse.ArgumentParser(prog="annealed.evaluate", description=__doc__)
    parser.add_argument("run_dir", type=Path, help="a folder that annealed.fit made")
    parser.add_argument("--samples", type=int, help="importance samples S an image")
    parser.add_argument("--replace", action="store_true", help="make it the run's result.json")
    parser.add_argument("--allow-import", action="store_true", help="method.name may be a class")
    arguments = parser.parse_args()
    if arguments.allow_import:
        allow_import()
    result = evaluate(arguments.run_dir, arguments.samples, arguments.replace)
    error = result["nll_mc_error"]  # null for one sample
    words = "undefined" if error is None else f"{error:.3f}"
    bits = f", {result['bits_per_dim']:.4f} bits per dimension" if "bits_per_dim" in result else ""
    print(
        f"NLL {result['nll']:.3f} nats{bits} (Monte Carlo error {words}, S = {result['samples']}, "
        f"{result['test_images']} test images), ELBO {result['elbo']:.3f}"
    )


if __name__ == "__main__":
    sys.exit(cli.run(main, "Run the same command again."))
