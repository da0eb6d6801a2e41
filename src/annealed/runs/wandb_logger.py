"""Weights & Biases beside the run's record: no prompt, no hang, never required."""

import logging
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import wandb
from lightning_fabric.utilities.rank_zero import rank_zero_only
from PIL import Image
from pytorch_lightning.loggers import WandbLogger

from annealed.config import to_dict
from annealed.config.schema import Config
from annealed.runs.wandb_settings import STEP, TABLE, project_of, resolve_mode
from annealed.utils import caches
from annealed.utils.errors import UsageError
from annealed.utils.files import replace_text

INIT_SECONDS = 30  # how long the server may take before the run goes on offline
FINISH_SECONDS = 120  # how long it may take to receive the rest of a run that has ended
NUMBERS = (  # of a result
    "nll",
    "nll_mc_error",
    "nll_test_error",
    "bits_per_dim",
    "elbo",
    "log_likelihood",
    "rate",
    "active_units",
    "k_hat_untrusted",
    "log_z",
    "log_z_mc_error",
    "log_z_error",
    "kl",
    "kl_marginal",
    "ess",
    "k_hat",
    "energy_distance",
    "noise_floor",
    "samples",
)


class Logger(WandbLogger):
    """Lightning's W&B logger; an error of W&B is printed once and never ends the run."""

    failed = False  # whether an error was printed

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """The metrics of an epoch that ended at optimiser step `step`."""
        with _errors_printed(self):
            super().log_metrics(metrics, step)


@contextmanager
def _errors_printed(logger: Logger) -> Iterator[None]:
    """Print the first error of W&B in one line and swallow all: the record is on disk."""
    try:
        yield
    except Exception as error:
        if not logger.failed:
            print(f"W&B could not log ({error}); the run's own record goes on.", file=sys.stderr)
        logger.failed = True


def start(
    runs: list[tuple[Config, Path]], job_type: str, goes_on: bool = False
) -> list[Logger | None]:
    """A logger for each run and its folder, all online or all offline, or None where disabled.

    `job_type` is train or evaluate; an evaluation is a run of its own in the group of that which
    trained. A training that `goes_on` from a checkpoint adds to what W&B has of it, at once or when
    it is sent later; any other takes the place of what W&B has under its id.
    """
    mode = resolve_mode(runs[0][0].wandb.mode)
    if mode == "disabled":
        return [None] * len(runs)
    caches.settle()
    rank_zero_only.rank = 0  # only the process that leads has loggers
    try:
        return [_logger(config, folder, job_type, mode, goes_on) for config, folder in runs]
    except Exception as error:  # W&B has no common class
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        if mode == "offline":
            sentence = f"W&B cannot start ({reason}); wandb.mode=disabled does without it."
            raise UsageError(sentence) from None
        print(f"W&B does not answer ({reason}); the run is logged offline.", file=sys.stderr)
        wandb.teardown()  # ends what was started, too
        return [_logger(config, folder, job_type, "offline", goes_on) for config, folder in runs]


def _logger(config: Config, folder: Path, job_type: str, mode: str, goes_on: bool) -> Logger:
    identity = folder / "wandb_id"
    if not identity.exists():
        replace_text(identity, uuid.uuid4().hex[:8])
    suffix = "" if job_type == "train" else f"-{job_type}-S{config.evaluate.samples}"
    run = wandb.init(
        name=f"{config.row}-seed{config.seed}{suffix}",
        project=project_of(config.wandb.project),
        entity=config.wandb.entity,
        id=identity.read_text(encoding="utf-8") + suffix,
        resume="allow" if goes_on else None,
        group="/".join(filter(None, [config.data.name, config.data.energy, config.row])),
        job_type=job_type,
        tags=[config.preset],
        config=to_dict(config),
        dir=folder,
        mode=mode,
        reinit="create_new",  # seeds trained side by side have a run each
        settings=wandb.Settings(
            init_timeout=INIT_SECONDS,
            finish_timeout=FINISH_SECONDS,
            finish_timeout_raises=True,
            console="off",
            silent=not logging.getLogger("annealed").isEnabledFor(logging.INFO),
        ),
    )
    run.define_metric(STEP)
    run.define_metric("*", step_metric=STEP, step_sync=True)
    return Logger(experiment=run)


def log_pictures(logger: Logger, draw: Callable[[], dict[str, Image.Image]]) -> None:
    """The pictures, by name, that `draw` makes."""
    with _errors_printed(logger):
        for name, image in draw().items():
            logger.log_image(f"media/{name}", [image])


def log_result(logger: Logger, result: dict, folder: Path, name: str) -> None:
    """The numbers of a result as the run's summary and as a line of the project's table.

    Its files in `folder`, of which `name` is the JSON, become an artifact.
    """
    with _errors_printed(logger):
        run = logger.experiment
        numbers = {key: result[key] for key in NUMBERS if key in result}
        run.summary.update({f"test/{key}": value for key, value in numbers.items()})
        keys = ("row", "data", "energy", "preset", "seed", "split")
        line = {key: result[key] for key in keys if key in result} | numbers
        run.log({TABLE: wandb.Table(columns=list(line), data=[list(line.values())])})
        artifact = wandb.Artifact(f"result-{run.id}", "result", metadata=line)
        files = [folder / name, (folder / name).with_suffix(".npz"), folder / "metrics.csv"]
        for path in filter(Path.is_file, [*files, folder / "config.yaml"]):
            artifact.add_file(str(path), policy="immutable", skip_cache=True)  # not copied
        run.log_artifact(artifact)


def finish(logger: Logger | None, failed: bool) -> None:
    """End a run, if it was started, as finished or failed; an error of W&B is one printed line."""
    if logger is None:
        return
    try:
        logger.experiment.finish(exit_code=int(failed))
    except Exception as error:  # the record is on disk, and other runs are still to be ended
        print(f"W&B could not end a run ({error}); `wandb sync` sends it.", file=sys.stderr)
