"""Scoring a trained run by annealed importance sampling of its decoder, a batch at a time."""

import hashlib
import math
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from annealed.compute import onednn
from annealed.compute.compiling import explained
from annealed.compute.machine import Machine
from annealed.config import to_dict
from annealed.data.images import SPLITS, Images
from annealed.evaluation.annealed_options import AnnealedScoreOptions
from annealed.evaluation.annealed_summary import (
    SPACED,
    bdmc_summary,
    beside_importance,
    importance_sampled,
    summary,
)
from annealed.evaluation.batch_file import BatchFile
from annealed.evaluation.result import identity
from annealed.evaluation.score import BINARISATION, bits_per_dimension
from annealed.inference.annealing import Annealing
from annealed.inference.normal import Normal
from annealed.methods.base import Method
from annealed.utils import randomness
from annealed.utils.errors import UsageError
from annealed.utils.files import replace
from annealed.utils.provenance import provenance

BATCH = 25  # images side by side; a batch that is not full is filled up
DRAWS = 100  # end points of a path, whose moments make the start of the chains
LATENT, PIXELS, MOMENTS = 3, 4, 5  # keys of noise beside those of `Annealing`


class AnnealedScore:
    """The scoring of `run`, a run folder, whose result goes to `options.name` in `folder`.

    Finished batches are kept there until it is done. `items` are what there is to do, `done` of
    them at the start. Raises UsageError where the folder has batches of another scoring, or the run
    an importance-sampled result that is not readable.
    """

    def __init__(
        self,
        method: Method,
        images: Images,
        run: Path,
        folder: Path,
        machine: Machine,
        options: AnnealedScoreOptions,
    ):
        config = method.config
        self.method, self.images, self.run, self.machine = method.eval(), images, run, machine
        self.options, self.path = options, folder / options.name
        target = method.target

        def log_joint(x: Tensor, z: Tensor) -> Tensor:
            log_likelihood, log_prior = target(x, z)
            return log_likelihood + log_prior

        self.log_joint = log_joint  # one function, which is compiled once
        split = config.evaluate.split
        self.held_out = images.part(split, options.images)
        self.spaced = {SPACED: True} if images.spaced(split, options.images) else {}
        self.counts = {"image": len(self.held_out), "model": options.simulated}
        key = {**identity(config), **options.to_dict(), **self.spaced, "split": split}
        self.digest = images.digest()
        key |= {"data": self.digest, "weights": _digest(method)}
        # before the hours that scoring takes, since it may not be readable
        self.weighted = importance_sampled(run, split, self.digest)
        self.kept = BatchFile(self.path.with_suffix(".batches.npz"), key)
        passes = {"image": 1, "model": 2}  # the second is backwards
        self.cost = {kind: options.size.transitions(n) + 1 for kind, n in passes.items()}
        self.items = sum(math.ceil(n / BATCH) * self.cost[kind] for kind, n in self.counts.items())
        done = {kind: math.ceil(self.kept.count(kind) / BATCH) for kind in self.counts}
        self.done = sum(n * self.cost[kind] for kind, n in done.items())

    def score(self, report: Callable[[int, str], None]) -> dict:
        """The result; each image's numbers are written beside it, to a .npz of the same stem.

        `report` takes how many items are done, and what is, in words. Batches stay kept: remove
        them once the result is written. Raises UsageError where one cannot be scored, and Diverged
        where the NLL is not finite.
        """
        done = self.done

        def step() -> None:
            nonlocal done
            done += 1
            report(done, f"{self.kept.count('image')} of {self.counts['image']} images")

        row = explained(type(self.method).__name__)
        with torch.no_grad(), onednn.multiplying(self.machine.products), row:
            for kind, score_batch in (("image", self._images), ("model", self._simulated)):
                while (first := self.kept.count(kind)) < self.counts[kind]:
                    began, count = time.monotonic(), min(BATCH, self.counts[kind] - first)
                    try:
                        batch = score_batch(first // BATCH, step)
                    except ValueError as error:
                        raise UsageError(_explained(error, self.run, kind, first, count)) from None
                    arrays = {key: v[:count].cpu().double().numpy() for key, v in batch.items()}
                    seconds = np.full(count, (time.monotonic() - began) / count)
                    self.kept.add(kind, {**arrays, "seconds": seconds})
                    step()
        return self._result()

    def _images(self, index: int, step: Callable[[], None]) -> dict[str, Tensor]:
        """The numbers of a batch of held-out images, (BATCH,) each."""
        last = len(self.held_out) - 1
        chosen = torch.arange(index * BATCH, (index + 1) * BATCH).clamp(max=last)
        x = self.held_out[chosen].to(self.method.device, self.method.dtype) / 255
        return vars(self._annealing(x, index, step).forward())

    def _simulated(self, index: int, step: Callable[[], None]) -> dict[str, Tensor]:
        """Both bounds of log p(x) for a batch of images that the model draws, (BATCH,) each."""
        method, batch_index = self.method, -1 - index
        key = method.config.seed, "ais", batch_index
        shape = (BATCH, method.config.network.latent)
        z = randomness.normal(shape, *key, LATENT, device=method.device, dtype=method.dtype)
        uniforms = randomness.uniform((BATCH, method.pixels), *key, PIXELS, device=method.device)
        x = method.target.draw(z, uniforms).to(method.dtype)
        annealing = self._annealing(x, batch_index, step)
        lower, upper = annealing.forward(), annealing.reverse(z)
        return {"lower": lower.log_prob, "upper": upper.log_prob}

    def _annealing(self, x: Tensor, batch_index: int, step: Callable[[], None]) -> Annealing:
        method, config = self.method, self.method.config
        start = row_start(method, x, batch_index)
        if self.options.start == "prior":
            start = Normal(torch.zeros_like(start.loc), torch.ones_like(start.scale))
        machine = config.trainer.compile, self.machine.products, step
        arguments = start, x, self.options.size, config.seed, batch_index, *machine
        return Annealing(self.log_joint, *arguments)

    def _result(self) -> dict:
        """The result, after its .npz is written."""
        config, images = self.method.config, self.images
        by_kind = {kind: self.kept.of(kind) for kind in self.counts if self.counts[kind]}
        seconds = sum(arrays.pop("seconds").sum() for arrays in by_kind.values())
        arrays, model = by_kind["image"], by_kind.get("model")
        numbers = summary(arrays)
        if images.levels > 2:
            numbers |= bits_per_dimension(numbers, self.method.pixels)
        weighted = self.weighted
        result = {
            **identity(config),
            "status": "finished",
            "estimator": "ais",
            "annealing": self.options.to_dict(),
            **self.spaced,
            "split": config.evaluate.split,
            "binarisation": BINARISATION.get(config.data.name, "dynamic"),
            "data_digest": self.digest,
            "data_images": {name: len(getattr(images, name)) for name in SPLITS},
            **numbers,
            "bdmc": None if model is None else bdmc_summary(model),
            "importance": weighted
            and beside_importance(arrays["log_prob"], *weighted, bool(self.spaced)),
            "evaluate_seconds": round(float(seconds), 1),
            "config": to_dict(config),
            "provenance": {**provenance(self.machine.device), "products": self.machine.products},
        }
        both = arrays | {f"model_{name}": values for name, values in (model or {}).items()}
        replace(self.path.with_suffix(".npz"), lambda f: np.savez_compressed(f, **both))
        return result


def row_start(method: Method, x: Tensor, batch_index: int) -> Normal:
    """A Gaussian near q(z | x) for x (B, X): q_0 of a row without transitions.

    Of others, whose q_0 may lie far from z, it has mean and standard deviation of DRAWS end points
    of the path, by noise that no chain sees.
    """
    q = method.posterior
    shape = (q.num_draws, DRAWS, len(x), method.config.network.latent)
    key = method.config.seed, "ais", batch_index, MOMENTS
    noise = randomness.normal(shape, *key, device=method.device, dtype=method.dtype)
    base, context = q.start(x, noise[: q.num_start_draws, :1])
    if not len(q.transitions):
        return base
    z = q.sample_path(base, context, noise[q.num_start_draws :]).z[-1]
    return Normal(z.mean(0), z.std(0))


def _explained(error: ValueError, run: Path, kind: str, first: int, count: int) -> str:
    """What went wrong in which batch, and that nothing is lost."""
    images = "scored images" if kind == "image" else "images drawn from the model"
    return (
        f"{run} cannot be scored by annealing: in the batch of {images} {first} to "
        f"{first + count - 1}, {error}. Batches that are done are kept."
    )


def _digest(method: Method) -> str:
    """SHA-256 of the weights."""
    digest = hashlib.sha256()
    for name, value in method.state_dict().items():
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().data)
    return digest.hexdigest()
