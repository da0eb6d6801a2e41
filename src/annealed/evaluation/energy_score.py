"""Scoring a posterior that was fitted to an energy: log Z, KL, sample quality, mass of modes."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from torch import Tensor

from annealed.compute import onednn
from annealed.compute.machine import Machine
from annealed.config import to_dict
from annealed.config.schema import Config
from annealed.evaluation.result import RESULT, identity
from annealed.inference.divergence import divergences, energy_distance, estimate, sample
from annealed.inference.langevin import Langevin
from annealed.inference.marginal_kl import marginal_kl
from annealed.inference.posteriors import Posterior
from annealed.inference.transitions import Refinement
from annealed.methods.base import Method
from annealed.models.catalogue import Toy
from annealed.models.energies import mode_masses
from annealed.utils.errors import Diverged
from annealed.utils.files import replace
from annealed.utils.provenance import provenance

POINTS = 4000  # of each sample in an energy distance, and of a marginal's KL
PARTICLES = 10_000  # that average a marginal's density
MARGINAL = ("kl_marginal_low", "kl_marginal", "kl_marginal_mc_error")


def bounds(toy: Toy, log_w: Tensor) -> dict[str, float | None]:
    """log Z with its errors and the KL of the path, in nats, from its log-weights (S,).

    What is not finite, or needs a log Z that is not known, is null. Raises Diverged where the
    importance-sampled log Z is not finite.
    """
    weights, numbers = estimate(log_w), divergences(log_w, toy.energy.log_z)
    log_z = weights.log_prob.item()
    if not np.isfinite(log_z):
        raise Diverged("the importance-sampled log Z is not finite")
    return {
        "elbo": weights.elbo.item() if weights.elbo.isfinite() else None,
        "log_z": log_z,
        "log_z_mc_error": numbers["log_z_mc_error"],
        "log_z_true": toy.energy.log_z,
        "log_z_error": numbers["log_z_error"],
        "kl": numbers["kl"],
        "kl_mc_error": numbers["kl_mc_error"],
        "ess": numbers["ess"],
        "k_hat": numbers["k_hat"],
    }


def marginal(posterior: Posterior, toy: Toy, path: dict, samples: int, seed: int) -> dict:
    """Bounds of KL(q_T || f) of the last marginal, in nats; `path` is what `bounds` gives.

    Where all steps are invertible it is the path's KL; where the last is a `Refinement` or a
    `Langevin` step it lies between two bounds (see `marginal_kl`); of another
    stochastic step it is not known and null.
    """
    steps = posterior.transitions
    if not any(step.stochastic for step in steps):
        return dict(zip(MARGINAL, (path["kl"], path["kl"], path["kl_mc_error"]), strict=True))
    if toy.energy.log_z is None or not isinstance(steps[-1], (Refinement, Langevin)):
        return dict.fromkeys(MARGINAL)
    sizes = min(POINTS, samples), min(PARTICLES, samples)
    numbers = marginal_kl(toy.energy, posterior, toy.energy.log_z, *sizes, seed)
    return {name: value if np.isfinite(value) else None for name, value in numbers.items()}


def quality(toy: Toy, z: Tensor, seed: int) -> dict[str, float | list[float] | None]:
    """What the points z (N, D) are as a sample of the energy, in no need of their weights.

    `energy_distance` is that of up to POINTS of them from as many exact ones, `noise_floor` that of
    two exact samples; `mode_masses` is the share of points nearest to each mode. What the energy
    has no exact samples or no modes for is null.
    """
    numbers = dict.fromkeys(("energy_distance", "noise_floor", "mode_masses", "true_mode_masses"))
    count = min(POINTS, len(z))
    if toy.sample is not None and count > 1:
        exact, other = (toy.sample(count, seed, part) for part in (0, 1))
        numbers["energy_distance"] = energy_distance(z[:count], exact)
        numbers["noise_floor"] = energy_distance(other, exact)
    if toy.modes:
        numbers["mode_masses"] = mode_masses(z, toy.modes).tolist()
        numbers["true_mode_masses"] = list(toy.masses)
    return numbers


def score_energy(
    method: Method,
    toy: Toy,
    config: Config,
    folder: Path,
    machine: Machine,
    report: Callable[[int], None],
    name: str = RESULT,
    digest: str | None = None,
) -> dict:
    """Score `evaluate.samples` draws and return the result to be written to `name` in `folder`.

    It is done on the CPU, in seconds, so that draws are the same wherever the run was trained. The
    first POINTS end points and their log-weights are kept beside it, in a .npz of the same stem.
    `digest` says which energy it was; `report` is called with 1 at the end. Raises Diverged where a
    draw or log Z is not finite.
    """
    began, origin = time.monotonic(), provenance(machine.device)
    method.eval().to("cpu")
    samples, seed = config.evaluate.samples, config.seed
    with onednn.multiplying(machine.products):
        z, log_w = sample(toy.energy, method.posterior, samples, seed)
        if not z.isfinite().all():
            raise Diverged("a draw of the posterior is not finite")
        numbers = bounds(toy, log_w)
        numbers |= marginal(method.posterior, toy, numbers, samples, seed)
        numbers |= quality(toy, z, seed)
    arrays = {"z": z[:POINTS].numpy(), "log_w": log_w[:POINTS].numpy()}
    replace((folder / name).with_suffix(".npz"), lambda f: np.savez_compressed(f, **arrays))
    report(1)
    return {
        **identity(config),
        "status": "finished",
        "data_digest": digest,
        "samples": samples,
        **numbers,
        "evaluate_seconds": round(time.monotonic() - began, 1),
        "config": to_dict(config),
        "provenance": {**origin, "products": machine.products},
    }
