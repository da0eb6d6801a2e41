"""Scoring a trained run on held-out images."""

import math
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from torch import Tensor

from annealed.compute import onednn
from annealed.compute.compiling import compiled, explained
from annealed.compute.machine import Machine
from annealed.config import to_dict
from annealed.config.schema import Config
from annealed.data.images import SPLITS, Images
from annealed.evaluation.latents import DRAWS, latent_usage, mutual_information
from annealed.evaluation.result import RESULT, identity, trusted_k
from annealed.inference.importance import Estimate, joined, log_marginal, path_log_weight
from annealed.methods.base import Method
from annealed.utils.errors import Diverged
from annealed.utils.files import replace
from annealed.utils.provenance import provenance

BINARISATION = {"mnist_static": "static", "celeba": "none"}  # of other data: dynamic


def score_images(
    method: Method,
    held_out: Tensor,
    config: Config,
    report: Callable[[int], None],
    log_weight_fn: Callable[..., Tensor] = path_log_weight,
) -> Estimate:
    """The estimate for every image of `held_out`, uint8 (N, X), on the CPU; fields are (N,).

    `report` takes the number of images done; `log_weight_fn` is `path_log_weight` or the same
    compiled.
    """
    size, estimates = config.evaluate.batch_size, []
    for index, batch in enumerate(held_out.split(size)):
        estimate = log_marginal(
            method.target,
            method.posterior,
            batch.to(method.device, method.dtype) / 255,
            config.network.latent,
            config.evaluate.samples,
            config.seed,
            index,
            config.evaluate.memory_mb,
            log_weight_fn,
        )
        estimates.append(estimate)
        report(min((index + 1) * size, len(held_out)))
    return Estimate(*(field.cpu() for field in vars(joined(estimates)).values()))


def summary(estimate: Estimate, samples: int) -> dict:
    """The numbers of a result, in nats an image; what is not defined or not finite is null.

    `nll_mc_error` is the importance-sampling error of the mean, `nll_test_error` the standard error
    that comes from the choice of images (of `evaluate.split`), `k_hat_untrusted` the share of
    images whose k-hat is too high for `samples`. Raises Diverged where the NLL is not finite.
    """
    n, k = len(estimate.log_prob), estimate.k_hat
    defined = k[~k.isnan()]  # -inf where the weights are all equal
    numbers = {
        "nll": -estimate.log_prob.mean().item(),
        "nll_mc_error": estimate.std_error.square().sum().sqrt().item() / n,
        "nll_test_error": estimate.log_prob.std().item() / n**0.5,
        "elbo": estimate.elbo.mean().item(),
        "ess_mean": estimate.ess.mean().item(),
        "k_hat_max": defined.max().item() if len(defined) else math.nan,
        "k_hat_median": defined.median().item() if len(defined) else math.nan,
        "k_hat_untrusted": (defined > trusted_k(samples)).double().mean().item(),
    }
    if not math.isfinite(numbers["nll"]):
        raise Diverged("the test log-likelihood is not finite")
    return {**_finite(numbers), "test_images": n, "samples": samples}


def _finite(numbers: dict[str, float]) -> dict[str, float | None]:
    """`numbers` as JSON takes them: what is not finite is null."""
    return {name: v if math.isfinite(v) else None for name, v in numbers.items()}


def bits_per_dimension(numbers: dict, values: int) -> dict[str, float | None]:
    """The NLL of an image of `values` levels and its Monte Carlo error, bits a value.

    `numbers` is of `summary`; an NLL in nats over values * ln 2 (Theis et al. 2016, arXiv
    1511.01844).
    """
    names = {"nll": "bits_per_dim", "nll_mc_error": "bits_per_dim_mc_error"}
    unit = values * math.log(2)
    return {
        name: None if numbers[key] is None else numbers[key] / unit for key, name in names.items()
    }


def score_run(
    method: Method,
    images: Images,
    config: Config,
    folder: Path,
    machine: Machine,
    report: Callable[[int], None],
    name: str = RESULT,
) -> dict:
    """Score `evaluate.split` and return the result that is to be written to `name` in `folder`.

    Each image's estimate is written beside it, to a .npz of the same stem.
    """
    began, origin = time.monotonic(), provenance(machine.device)
    method.eval()
    held_out = images.held_out(config.evaluate.split)
    log_weight_fn, count = path_log_weight, min(DRAWS, len(held_out))
    if config.trainer.compile:
        fast = compiled(path_log_weight, machine.device, machine.products)
        log_weight_fn = fast or path_log_weight
    with onednn.multiplying(machine.products), explained(type(method).__name__):
        estimate = score_images(method, held_out, config, report, log_weight_fn)
        usage = latent_usage(method, held_out) | mutual_information(method, count, log_weight_fn)
    by_latent = usage.pop("kl_by_latent")
    numbers = summary(estimate, config.evaluate.samples) | _finite(usage)
    if images.levels > 2:  # of binary pixels nats an image are usual
        numbers |= bits_per_dimension(numbers, method.pixels)
    numbers["kl_by_latent"] = by_latent if all(map(math.isfinite, by_latent)) else None
    arrays = {key: value.numpy().astype(np.float64) for key, value in vars(estimate).items()}
    replace((folder / name).with_suffix(".npz"), lambda f: np.savez_compressed(f, **arrays))
    return {
        **identity(config),
        "status": "finished",
        "split": config.evaluate.split,
        "binarisation": BINARISATION.get(config.data.name, "dynamic"),
        "data_digest": images.digest(),
        "data_images": {name: len(getattr(images, name)) for name in SPLITS},
        **numbers,
        "evaluate_seconds": round(time.monotonic() - began, 1),
        "config": to_dict(config),
        "provenance": {**origin, "products": machine.products},
    }
