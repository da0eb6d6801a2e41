"""Score the checkpoint of a run again: what `python -m annealed.evaluate` does."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

from annealed.compute.compiling import watched
from annealed.compute.machine import resolve
from annealed.config.datasets import TOY
from annealed.config.registry import imported_files
from annealed.config.schema import Config
from annealed.evaluation.annealed_options import AnnealedScoreOptions
from annealed.evaluation.annealed_score import AnnealedScore
from annealed.evaluation.annealed_summary import SPACED
from annealed.evaluation.batch_file import differences
from annealed.evaluation.result import RESULT, identity, read_result
from annealed.runs import wandb_logger
from annealed.runs.folders import differing, scored_config
from annealed.runs.load import configured, trained
from annealed.training.progress import Progress
from annealed.utils.errors import UsageError
from annealed.utils.files import locked, replace_json
from annealed.utils.provenance import OUTSIDE, commit, outside_commit, tell_unknown_commit

ADVICE = "remove it, or name another folder with --output"
FREE = ("evaluate.samples", "trainer.accelerator")  # keys that may differ between scores of a run


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
    name = RESULT if replace_result else f"evaluation_S{config.evaluate.samples}.json"
    with _place(folder, output, name, config) as place:
        training, machine, imported = _training(folder), resolve(config), _imported()
        method, subject = trained(folder, config, machine.device)
        (logger,) = wandb_logger.start([(config, place)], "evaluate")
        result = None
        try:
            with _progress(config, "score", subject.items) as progress:
                result = subject.score(method, place, machine, progress.update, name) | training
                result["provenance"] |= imported
            replace_json(place / name, result)  # before W&B, which may fail
            if logger:
                wandb_logger.log_result(logger, result, place, name)
        finally:
            wandb_logger.finish(logger, failed=result is None)
    return result


def evaluate_annealed(
    folder: Path,
    options: AnnealedScoreOptions | None = None,
    overrides: Sequence[str] = (),
    output: Path | None = None,
) -> dict:
    """Score the decoder of a run folder's best checkpoint by annealed importance sampling.

    Writes evaluation_ais_C<chains>_T<temperatures>.json and returns what it wrote; an interrupted
    call is gone on with by another of the same options. Nothing goes to W&B. Other arguments and
    errors are those of `evaluate`. Raises UsageError for a run of a toy, too, and where there is an
    evaluation with other options in the place of the new one.
    """
    options = options or AnnealedScoreOptions()
    config = configured(folder, overrides)
    if config.data.name == TOY:
        raise UsageError(f"{folder} is of a toy; accepted by --estimator ais: a run of images.")
    asked = {"annealing": options.to_dict()}
    with _place(folder, output, options.name, config, asked) as place:
        training, machine, imported = _training(folder), resolve(config), _imported()
        method, subject = trained(folder, config, machine.device)
        score = AnnealedScore(method, subject.images, folder, place, machine, options)
        _check_place(place / options.name, {SPACED: bool(score.spaced)})
        with _progress(config, "anneal", score.items, score.done) as progress:
            result = score.score(progress.update) | training
        result["provenance"] |= imported
        replace_json(place / options.name, result)
        score.kept.remove()
    return result


@contextmanager
def _place(
    folder: Path, output: Path | None, name: str, config: Config, asked: dict | None = None
) -> Iterator[Path]:
    """The folder to write to, locked, whose file `name` is of the same run and of what is `asked`.

    In the run folder itself a file may be of fewer epochs.
    """
    tell_unknown_commit(commit())
    place = folder if output is None else output
    label = "the run folder" if output is None else "the folder of --output"
    with locked(place, label, otherwise="name another folder with --output"):
        same = {**identity(config), **(asked or {})}
        _check_place(place / name, same, None if output is None else config)
        yield place


@contextmanager
def _progress(config: Config, phase: str, items: int, done: int = 0) -> Iterator[Progress]:
    """The bar of a scoring, that also shows when it compiles."""
    progress = Progress(f"{config.row} seed{config.seed}")
    progress.start(phase, items, done)
    try:
        with watched(progress.compiling) if config.trainer.compile else nullcontext():
            yield progress
    finally:
        progress.close()


def _training(run: Path) -> dict:
    """What the result of `run` says of its training, read before anything is scored."""
    if not (run / RESULT).exists():
        return {}
    return {"training": read_result(run / RESULT).get("training")}


def _imported() -> dict:
    """The files of a user's own that this process has imported, as a part of a provenance."""
    foreign = outside_commit(imported_files())
    return {OUTSIDE: foreign} if foreign else {}


def _check_place(path: Path, here: dict, config: Config | None = None) -> None:
    """Raise UsageError where `path` holds an evaluation with other values than those of `here`.

    With `config` that of a run of another configuration is refused, too.
    """
    if not path.exists():
        return
    there = {SPACED: False, **read_result(path)}
    other = [key for key in here if there.get(key) != here[key]]
    if other == ["annealing"] and "annealing" in there:
        options = differences(there["annealing"], here["annealing"])
        raise UsageError(f"{path} has {options}; {ADVICE}.")
    if other == [SPACED]:
        raise UsageError(f"{path} is of other images; {ADVICE}.")
    if other:
        raise UsageError(f"{path} is of another run; name another folder with --output.")
    if config and (found := differing(config, scored_config(path, there), FREE)):
        key, value, now = found
        raise UsageError(
            f"{path} is of another run, whose {key} is {value} (now {now}); name another folder "
            "with --output."
        )
