"""What annealed importance sampling says of a run: its numbers, and the result read back."""

import math
from pathlib import Path

import numpy as np

from annealed.evaluation.result import RESULT, read_result
from annealed.utils.arrays import Arrays, index_of_part, read_arrays
from annealed.utils.errors import Diverged, UsageError

AGAIN = "score the run again"
CLOSE = 1e-4  # nats
SPACED = "images_spaced"  # the key of a result of images evenly spaced in a sorted split


def summary(arrays: Arrays) -> dict:
    """The numbers of a result, in nats an image, from those of each image, (N,) by name.

    `nll_mc_error` is the error of the mean by the chains' spread, `nll_test_error` that by the
    choice of images; `nll_mean_log_weight` is a bound that stays above `nll`. Raises Diverged where
    the NLL is not finite.
    """
    count, log_prob = len(arrays["log_prob"]), arrays["log_prob"]
    if not np.isfinite(log_prob).all():
        raise Diverged("the annealed test log-likelihood is not finite")
    numbers = {
        "nll": -log_prob.mean(),
        "nll_mc_error": math.sqrt(np.square(arrays["std_error"]).sum()) / count,
        "nll_test_error": standard_error(log_prob),
        "nll_mean_log_weight": -arrays["elbo"].mean(),
        "ess_mean": arrays["ess"].mean(),
        "acceptance_mean": arrays["acceptance"].mean(),
        "acceptance_min": arrays["acceptance"].min(),
    }
    return {**_finite(numbers), "test_images": count}


def bdmc_summary(arrays: Arrays) -> dict | None:
    """The bounds of log p(x) of M images drawn from the model, means in nats; None of no image.

    `gap` is what the NLL of such images is wrong by at most, in expectation, either way.
    """
    if not len(arrays["lower"]):
        return None
    gap = arrays["upper"] - arrays["lower"]
    numbers = {
        "lower": arrays["lower"].mean(),
        "upper": arrays["upper"].mean(),
        "gap": gap.mean(),
        "gap_error": standard_error(gap),
        "gap_max": gap.max(),
    }
    return {**_finite(numbers), "images": len(gap)}


def importance_sampled(run: Path, split: str, digest: str) -> tuple[np.ndarray, int] | None:
    """Log p(x) of every image of `split` by `run`'s result.json, (N,), and its number of samples.

    None where the run has no finished result of the data with `digest`. Raises UsageError where its
    files are not readable.
    """
    if not (run / RESULT).exists():
        return None
    result = read_result(run / RESULT)
    wanted = {"status": "finished", "split": split, "data_digest": digest}
    if any(result.get(key) != value for key, value in wanted.items()):
        return None
    path = (run / RESULT).with_suffix(".npz")
    log_prob = read_arrays(path, "log_prob", advice=AGAIN)["log_prob"]
    if not abs(result["nll"] + log_prob.mean()) < CLOSE:  # a kill between the two leaves them so
        raise UsageError(f"{run / RESULT} and {path.name} are of different scorings; {AGAIN}.")
    return log_prob, result["samples"]


def beside_importance(
    log_prob: np.ndarray, weighted: np.ndarray, samples: int, spaced: bool = False
) -> dict:
    """The importance-sampled NLL of the same images, and the paired gap.

    `log_prob` (n,) are of the first images of those of `weighted` (N,), with `samples`, or of as
    many that are `spaced` evenly among them.
    """
    weighted = weighted[index_of_part(len(log_prob), len(weighted), spaced)]
    gap = log_prob - weighted
    numbers = {
        "nll": -weighted.mean(),
        "gap": gap.mean(),
        "gap_error": standard_error(gap),
        "gap_max": gap.max(),
    }
    return {**_finite(numbers), "samples": samples}


def read_annealed(path: Path) -> tuple[dict, Arrays]:
    """The result at `path`, an evaluation_ais_*.json, and its numbers of each image, by name.

    `log_prob` (N,) is of a part of the split, as of `Images.part`. Raises UsageError where it is
    no such.
    """
    result = read_result(path)
    if result.get("estimator") != "ais":
        raise UsageError(f"{path} is not a result of --estimator ais.")
    arrays = read_arrays(path.with_suffix(".npz"), "log_prob", advice=AGAIN)
    if len(arrays["log_prob"]) != result["test_images"]:
        raise UsageError(f"{path} and the .npz beside it are of different images; score again.")
    return result, arrays


def standard_error(values: np.ndarray) -> float:
    """That of the mean of values (N,); NaN of one."""
    return values.std(ddof=1).item() / len(values) ** 0.5 if len(values) > 1 else math.nan


def _finite(numbers: dict) -> dict[str, float | None]:
    return {name: float(v) if math.isfinite(v) else None for name, v in numbers.items()}
