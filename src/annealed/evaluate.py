"""Score a checkpoint anew: `python -m annealed.evaluate RUN_DIR [--samples 5000] [key=value]`."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from annealed.compute.machine import resolve
from annealed.config.registry import allow_import
from annealed.config.schema import Config
from annealed.evaluation.result import RESULT, identity, read_result
from annealed.runs import cli, wandb_logger
from annealed.runs.load import OVERRIDES_HELP, configured, trained
from annealed.runs.problems import sentence
from annealed.training.progress import Progress
from annealed.utils.errors import UsageError
from annealed.utils.files import locked, replace_json
from annealed.utils.paths import argument
from annealed.utils.provenance import commit, tell_unknown_commit


def evaluate(
    folder: Path,
    samples: int | None = None,
    replace_result: bool = False,
    overrides: Sequence[str] = (),
    output: Path | None = None,
) -> dict:
    """Score the best checkpoint of a run folder with `samples` importance samples an image.

    Of a toy, `samples` is the number of draws. `overrides` are of keys of the machine, as those of
    `configured`.

    Writes evaluation_S<samples>.json, or result.json with `replace_result`, and returns what it
    wrote. With `output` all is written to that folder, and the run folder is only read. Raises
    UsageError where the folder holds no run, or no finished one to replace, and where `output` has
    the evaluation of another run.
    """
    config = configured(folder, overrides)
    if samples is not None:
        if samples < 1:
            raise UsageError(f"--samples is {samples}; accepted: a whole number from 1.")
        config = replace(config, evaluate=replace(config.evaluate, samples=samples))
    if replace_result and read_result(folder / RESULT)["status"] != "finished":
        raise UsageError(
            f"{folder / RESULT} is of a run that diverged; --replace needs a good one."
        )
    tell_unknown_commit(commit())
    name = RESULT if replace_result else f"evaluation_S{config.evaluate.samples}.json"
    place = folder if output is None else output
    label = "the run folder" if output is None else "the folder of --output"
    with locked(place, label, otherwise="name another folder with --output"):
        _check_place(place / name, config)
        machine = resolve(config)
        method, subject = trained(folder, config, machine.device)
        (logger,) = wandb_logger.start([(config, place)], "evaluate")
        result = None
        try:
            progress = Progress(f"{config.row} seed{config.seed}")
            progress.start("score", subject.items)
            result = subject.score(method, place, machine, progress.update, name)
            progress.close()
            if (folder / RESULT).exists():
                result["training"] = read_result(folder / RESULT).get("training")
            replace_json(place / name, result)  # before W&B, which may fail
            if logger:
                wandb_logger.log_result(logger, result, place, name)
        finally:
            wandb_logger.finish(logger, failed=result is None)
    return result


def _check_place(path: Path, config: Config) -> None:
    """Raise UsageError where `path` holds the evaluation of another run."""
    if path.exists():
        there, here = read_result(path), identity(config)
        if {key: there.get(key) for key in here} != here:
            raise UsageError(f"{path} is of another run; name another folder with --output.")


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
    parser.add_argument(
        "--allow-import", action="store_true", help="method.name, data.energy may be one's own"
    )
    parser.add_argument("overrides", nargs="*", metavar="key=value", help=OVERRIDES_HELP)
    arguments = parser.parse_intermixed_args()
    if arguments.allow_import:
        allow_import()
    options = arguments.samples, arguments.replace, arguments.overrides, arguments.output
    result = evaluate(arguments.run_dir, *options)
    print(sentence(result))


if __name__ == "__main__":
    sys.exit(cli.run(main, "Run the same command again."))
