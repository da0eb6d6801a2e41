"""Estimators of log p(x): what annealing and more importance samples gain for their seconds."""

from collections.abc import Callable

import torch
from torch import Tensor

from annealed.data.images import load_images
from annealed.inference.tempering import AnnealingOptions
from annealed.methods.base import Method
from reproduce.benchmark import annealed_cases
from reproduce.benchmark.measurements import Budget, Measurement, measurements
from reproduce.results.locations import choose_data
from reproduce.results.timing import by_cpu, seconds

SAMPLES = (500, 5000, 50_000)  # S of importance sampling; all are chunked alike and share a graph
SIZES = ((4, 50), (16, 100), (16, 500))  # chains and temperatures
BATCH = 25  # images annealed together, as in `annealed.evaluate --estimator ais`
Estimator = Callable[[], Tensor]  # gives log p(x) of each image, (N,)


def estimators(
    size: Budget,
    epochs: int = 10,
    images: int = 100,
    samples: tuple[int, ...] = SAMPLES,
    sizes: tuple[tuple[int, int], ...] = SIZES,
    fast: bool = True,
) -> list[Measurement]:
    """NLL and seconds an image by both, for VAE and HVI trained for `epochs` epochs.

    They are trained on MNIST, or the digits where MNIST cannot be had, and score the first
    `images` test images. `fast`: training and both estimators are compiled.
    """
    data, _ = choose_data(None, "quick")
    splits, measured = load_images(data, None, 0), []
    x = (splits.test[:images] / 255).to(size.device)
    overrides = ["preset=quick", f"data.name={data}", f"trainer.epochs={epochs}"]
    overrides += [f"trainer.warmup_epochs={epochs // 2}", f"trainer.compile={str(fast).lower()}"]
    for row, name in (("vae", "VAE"), ("hvi", "HVI")):
        (method,) = annealed_cases.methods(row, 1, x.shape[1], size.device, *overrides)
        annealed_cases.fitting([method], splits, epochs)()
        method.eval()
        cases: dict[str, Estimator] = {}
        for s in samples:
            cases[f"importance sampling, S = {s}"] = importance(method, x, s, fast)
        for chains, temperatures in sizes:
            case = f"annealing, {chains} chains, {temperatures} temperatures"
            cases[case] = annealing(method, x, AnnealingOptions(chains, temperatures), fast)
        if fast:  # what compiles at the first call
            importance(method, x, samples[0], fast)()
            for chains in dict(sizes):
                annealing(method, x[:BATCH], AnnealingOptions(chains, 2), fast)()
        section = f"log p(x) of {images} images, {name} after {epochs} epochs of {data}"
        measured += compared(section, cases)
    return measured


def importance(method: Method, x: Tensor, samples: int, fast: bool) -> Estimator:
    """Importance sampling of all of x (N, X) at once."""
    case = annealed_cases.importance(method, x, samples, fast)
    return lambda: case().log_prob


def annealing(method: Method, x: Tensor, options: AnnealingOptions, fast: bool) -> Estimator:
    """Annealing of x (N, X), BATCH images at a time, the search for their steps included."""

    def case() -> Tensor:
        batches = enumerate(x.split(BATCH))
        parts = [annealed_cases.Annealed(method, b, options, fast, i)() for i, b in batches]
        return torch.cat([part.log_prob for part in parts])

    return case


def compared(section: str, cases: dict[str, Estimator]) -> list[Measurement]:
    """Each estimator once: its seconds an image, its NLL and what it gains on the first."""
    log_probs: dict[str, Tensor] = {}

    def turn(name: str) -> None:
        log_probs[name] = cases[name]().double().cpu()

    taken = {name: seconds(by_cpu(lambda name=name: turn(name))) for name in cases}
    against = next(iter(cases))
    items = {name: len(log_p) for name, log_p in log_probs.items()}
    lines = measurements(section, "image", taken, items, against)
    for line in lines:
        log_p = log_probs[line.case]
        line.nll = -log_p.mean().item()
        if line.case != against:
            gain = log_p - log_probs[against]
            line.gained = gain.mean().item()
            line.gained_error = gain.std().item() / len(gain) ** 0.5
            line.gained_a_second = line.gained / (line.microseconds / 1e6)
    return lines
