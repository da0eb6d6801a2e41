"""Against a bare loop, matrix products alone, plain Lightning and pythae."""

import os

import torch

from annealed.compute.onednn import multiplying
from annealed.inference.tempering import BLOCK, AnnealingOptions
from reproduce.benchmark import annealed_cases, bare, plain, products
from reproduce.benchmark.measurements import BATCH, Budget, Measurement, measurements
from reproduce.results.timing import Case, by_cpu, in_fresh_process, interleaved


def peer(kind: str, what: str, size: Budget) -> Case:
    """pythae's own trainer or NLL in a process of its own, which times itself."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([size.peers, os.getcwd()])}
    arguments = ("reproduce.benchmark.pythae_run", kind, str(size.images), str(size.samples))
    return lambda: in_fresh_process(*arguments, **environment)[what]


def by_onednn(case: Case) -> Case:
    """`case` with torch's products computed by oneDNN, as `trainer.products` does it."""

    def fast() -> object:
        with multiplying("onednn"):
            return case()

    return fast


def training(size: Budget) -> list[Measurement]:
    """The VAE's training images per second, and IWAE's."""
    model = bare.BareVAE().to(size.device)
    adam = torch.optim.Adam(model.parameters(), 1e-3, fused=True)
    images, steps = size.train.to(size.device), size.images // BATCH

    def loop() -> None:
        bare.train(model, adam, images, steps, BATCH)

    def run(seeds: int, *overrides: str) -> Case:
        return annealed_cases.training("vae", size.train, size.device, seeds, *overrides)

    alone, compiled = products.training(steps, BATCH, size.device), "trainer.compile=true"
    cases: dict[str, Case] = {"bare loop": loop, "matrix products alone": alone}
    if size.onednn:
        cases["bare loop, oneDNN"] = by_onednn(loop)
        cases["matrix products alone, oneDNN"] = by_onednn(alone)
        cases["ours, one seed, torch's products"] = run(1, "trainer.products=torch")
        cases["ours, one seed, torch's products, compiled"] = run(
            1, "trainer.products=torch", compiled
        )
    cases |= {
        "ours, one seed": run(1),
        "ours, one seed, compiled": run(1, compiled),
        "ours, one seed, compiled, bf16": run(1, compiled, "trainer.precision=bf16"),
        "ours, 5 seeds": run(5),
        "ours, 5 seeds, compiled": run(5, compiled),
    }
    items = {name: images_of(name, size.images) for name in cases}
    if size.peers:
        cases["pythae VAE"] = peer("vae", "training", size)
        items["pythae VAE"] = size.images
    of_vae = measurements(
        "training, VAE", "image", interleaved(cases, size.rounds), items, "bare loop"
    )
    cases = {"ours, IWAE, 5 samples": annealed_cases.training("iwae", size.train, size.device)}
    if size.peers:
        cases["pythae IWAE, 5 samples"] = peer("iwae", "training", size)
    items = dict.fromkeys(cases, size.images)
    taken = interleaved(cases, size.rounds)
    return of_vae + measurements("training, IWAE", "image", taken, items, "ours, IWAE, 5 samples")


def images_of(case: str, images: int) -> int:
    """How many images a case takes in, all its seeds together."""
    return 5 * images if "5 seeds" in case else images


def lightning(size: Budget) -> list[Measurement]:
    """Five seeds side by side against plain Lightning runs of the same row, one after another."""
    measured, short = [], size.train[: max(size.images // 4, BATCH)]
    for row in size.rows:
        plainly = "plain Lightning, 5 seeds in sequence"
        alone = plain.in_sequence(row, short, size.device, 5)
        cases: dict[str, Case] = {plainly: alone}
        if size.onednn:
            cases["plain Lightning, oneDNN, 5 seeds in sequence"] = by_onednn(alone)
        for count in (1, 5):
            for how, overrides in (("", ()), (", compiled", ("trainer.compile=true",))):
                name = f"ours, {count} seed{'s' if count > 1 else ''}{how}"
                cases[name] = annealed_cases.training(row, short, size.device, count, *overrides)
        items = {name: images_of(name, len(short)) for name in cases}
        taken = interleaved(cases, max(size.rounds // 2, 1))
        measured += measurements(f"five seeds, {row}", "image and seed", taken, items, plainly)
    return measured


def scoring(size: Budget) -> list[Measurement]:
    """Importance samples per second of a VAE's and HVI's test log-likelihood."""
    x = (size.train[:BATCH] > 127).float().to(size.device)
    model, chunk = bare.BareVAE().to(size.device), 20
    samples = size.samples
    alone = products.scoring(samples, BATCH, chunk, size.device)
    cases: dict[str, Case] = {
        "bare loop": lambda: bare.score(model, x, samples, chunk),
        "matrix products alone": alone,
    }
    if size.onednn:
        cases["matrix products alone, oneDNN"] = by_onednn(alone)
        cases["ours, torch's products"] = annealed_cases.scoring(
            "vae", x, samples, False, "trainer.products=torch"
        )
    cases["ours"] = annealed_cases.scoring("vae", x, samples)
    cases["ours, compiled"] = annealed_cases.scoring("vae", x, samples, fast=True)
    items = dict.fromkeys(cases, samples * BATCH)
    if size.peers:
        cases["pythae VAE"] = peer("vae", "scoring", size)
        items["pythae VAE"] = samples * 20
    taken = interleaved(cases, size.rounds)
    of_vae = measurements("scoring, VAE", "sample", taken, items, "matrix products alone")
    cases = {
        "HVI": annealed_cases.scoring("hvi", x, samples),
        "HVI, compiled": annealed_cases.scoring("hvi", x, samples, fast=True),
    }
    items = dict.fromkeys(cases, samples * BATCH)
    return of_vae + measurements(
        "scoring, HVI", "sample", interleaved(cases, size.rounds), items, "HVI"
    )


def annealing(
    size: Budget, transitions: int = 20, leapfrogs: int = 10, images: int = 25
) -> list[Measurement]:
    """A transition of 16 chains for each of `images` images, against its products."""
    x = (size.train[:images] > 127).float().to(size.device)
    options = AnnealingOptions(BLOCK, transitions + 1, leapfrogs)
    (method,) = annealed_cases.methods("vae", 1, x.shape[1], size.device)
    alone = products.annealing(transitions, leapfrogs, BLOCK * images, size.device)
    against = "matrix products alone"
    cases: dict[str, Case] = {against: alone}
    if size.onednn:
        against = "matrix products alone, oneDNN"
        cases[against] = by_onednn(alone)
    cases["a transition"] = annealed_cases.Annealed(method, x, options)
    cases["a transition, compiled"] = annealed_cases.Annealed(method, x, options, fast=True)
    items = dict.fromkeys(cases, transitions)
    taken = interleaved({name: by_cpu(case) for name, case in cases.items()}, size.rounds)
    name = f"annealing, {BLOCK} chains of {images} images, {leapfrogs} leapfrog steps"
    return measurements(name, "transition", taken, items, against)
