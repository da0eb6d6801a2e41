"""Scoring a trained run on the test set."""

import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from annealed.config import to_dict
from annealed.data.images import Images
from annealed.files import replace
from annealed.importance import Estimate, log_marginal
from annealed.method import Method
from annealed.progress import Progress
from annealed.provenance import provenance
from annealed.schema import Config

SCORES = "scores.npz"
UNTRUSTED = 0.7  # a k-hat above this says that the importance-sampling error is not reliable


def score_images(method: Method, test: Tensor, config: Config, progress: Progress) -> Estimate:
    """The estimate for every test image, uint8 (N, X), on the CPU; fields are (N,)."""
    size, parts = config.evaluate.batch_size, []
    progress.start("score", len(test))
    for index, batch in enumerate(test.split(size)):
        estimate = log_marginal(
            method.target,
            method.posterior,
            batch.to(method.device, method.dtype) / 255,
            config.network.latent,
            config.evaluate.samples,
            config.seed,
            index,
            config.evaluate.memory_mb,
        )
        parts.append(estimate)
        progress.update(min((index + 1) * size, len(test)))
    progress.close()
    fields = zip(*(vars(part).values() for part in parts), strict=True)
    return Estimate(*(torch.cat(field).cpu() for field in fields))


def summary(estimate: Estimate) -> dict:
    """The numbers of a result, in nats an image; what is not defined is null.

    `nll_mc_error` is the importance-sampling error of the mean, `nll_test_error` the standard error
    that comes from the choice of test images.
    """
    n, k = len(estimate.log_prob), estimate.k_hat
    defined = bool(torch.isfinite(k).any())
    return {
        "nll": -estimate.log_prob.mean().item(),
        "nll_mc_error": estimate.std_error.square().sum().sqrt().item() / n,
        "nll_test_error": estimate.log_prob.std().item() / n**0.5,
        "elbo": estimate.elbo.mean().item(),
        "test_images": n,
        "ess_mean": estimate.ess.mean().item(),
        "k_hat_max": k[torch.isfinite(k)].max().item() if defined else None,
        "k_hat_median": k.median().item() if defined else None,
        "k_hat_untrusted": (k > UNTRUSTED).double().mean().item() if defined else None,
    }


def score(
    method: Method, images: Images, config: Config, folder: Path, progress: Progress, suffix: str
) -> dict:
    """Score the test set, keep each image's estimate beside the checkpoint, return the result."""
    began = time.monotonic()
    method.eval()
    estimate = score_images(method, images.test, config, progress)
    arrays = {name: value.numpy().astype(np.float64) for name, value in vars(estimate).items()}
    replace(folder / f"{Path(SCORES).stem}{suffix}.npz", lambda f: np.savez_compressed(f, **arrays))
    return {
        "status": "finished",
        "row": config.row,
        "method": config.method,
        "preset": config.preset,
        "seed": config.seed,
        "data": config.data.name,
        "binarisation": "static" if config.data.name == "mnist_static" else "dynamic",
        "data_digest": images.digest(),
        "samples": config.evaluate.samples,
        **summary(estimate),
        "evaluate_seconds": round(time.monotonic() - began, 1),
        "config": to_dict(config),
        "provenance": provenance(method.device),
    }
