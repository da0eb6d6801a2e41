"""The comparisons of the benchmark; each returns lines with a ratio against a named alternative."""

import os
from dataclasses import dataclass

import torch

from reproduce.benchmark import bare, ours, products, toy
from reproduce.benchmark.timing import Case, in_fresh_process, interleaved

PIXELS, BATCH = 784, 100


@dataclass
class Line:
    """One measured case: microseconds an item, and how many times the time of `against`."""

    section: str
    case: str
    item: str
    microseconds: float
    against: str
    ratio: float
    megabytes: float | None = None


@dataclass
class Size:
    """How much work a turn is."""

    rounds: int
    images: int  # of a training epoch, a multiple of BATCH
    samples: int  # importance samples of a scored batch
    device: torch.device
    peers: str | None  # the folder pythae was installed into

    @property
    def train(self) -> torch.Tensor:
        """Images of noise: the time does not depend on what they show."""
        g = torch.Generator().manual_seed(0)
        return torch.randint(0, 256, (self.images, PIXELS), dtype=torch.uint8, generator=g)


def lines(section: str, item: str, taken: dict[str, float], items: dict[str, int], against: str):
    """A line for each case that took `taken` seconds for its number of `items`."""
    each = {name: 1e6 * spent / items[name] for name, spent in taken.items()}
    return [Line(section, name, item, v, against, v / each[against]) for name, v in each.items()]


def peer(kind: str, what: str, size: Size) -> Case:
    """pythae's own trainer or NLL in a process of its own, which times itself."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([size.peers, os.getcwd()])}
    arguments = ("reproduce.benchmark.pythae_run", kind, str(size.images), str(size.samples))
    return lambda: in_fresh_process(*arguments, **environment)[what]


def training(size: Size) -> list[Line]:
    """The VAE's training images per second, and IWAE's."""
    model = bare.BareVAE().to(size.device)
    adam = torch.optim.Adam(model.parameters(), 1e-3, fused=True)
    images, steps = size.train.to(size.device), size.images // BATCH
    cases: dict[str, Case] = {
        "bare loop": lambda: bare.train(model, adam, images, steps, BATCH),
        "matrix products alone": products.training(steps, BATCH, size.device),
        "ours, one seed": ours.training("vae", size.train, size.device),
        "ours, one seed, compiled": ours.training(
            "vae", size.train, size.device, 1, "trainer.compile=true"
        ),
        "ours, 5 seeds": ours.training("vae", size.train, size.device, 5),
    }
    items = dict.fromkeys(cases, size.images) | {"ours, 5 seeds": 5 * size.images}
    if size.peers:
        cases["pythae VAE"] = peer("vae", "training", size)
        items["pythae VAE"] = size.images
    found = lines("training, VAE", "image", interleaved(cases, size.rounds), items, "bare loop")
    cases = {"ours, IWAE, 5 samples": ours.training("iwae", size.train, size.device)}
    if size.peers:
        cases["pythae IWAE, 5 samples"] = peer("iwae", "training", size)
    items = dict.fromkeys(cases, size.images)
    taken = interleaved(cases, size.rounds)
    return found + lines("training, IWAE", "image", taken, items, "ours, IWAE, 5 samples")


def scoring(size: Size) -> list[Line]:
    """Importance samples per second of a VAE's and HVI's test log-likelihood."""
    x = (size.train[:BATCH] > 127).float().to(size.device)
    model, chunk = bare.BareVAE().to(size.device), 20
    samples = size.samples
    cases: dict[str, Case] = {
        "bare loop": lambda: bare.score(model, x, samples, chunk),
        "matrix products alone": products.scoring(samples, BATCH, chunk, size.device),
        "ours": ours.scoring("vae", x, samples),
        "ours, compiled": ours.scoring("vae", x, samples, fast=True),
    }
    items = dict.fromkeys(cases, samples * BATCH)
    if size.peers:
        cases["pythae VAE"] = peer("vae", "scoring", size)
        items["pythae VAE"] = samples * 20
    taken = interleaved(cases, size.rounds)
    found = lines("scoring, VAE", "sample", taken, items, "matrix products alone")
    cases = {
        "HVI": ours.scoring("hvi", x, samples),
        "HVI, compiled": ours.scoring("hvi", x, samples, fast=True),
    }
    items = dict.fromkeys(cases, samples * BATCH)
    return found + lines("scoring, HVI", "sample", interleaved(cases, size.rounds), items, "HVI")


def seeds(size: Size) -> list[Line]:
    """Time a seed and image as seeds are trained side by side."""
    found, short = [], size.train[: max(size.images // 4, BATCH)]
    for row in ("vae", "hvi_avo"):
        cases = {
            f"R = {count}": ours.training(row, short, size.device, count)
            for count in (1, 2, 4, 8, 16)
        }
        items = {name: len(short) * int(name.split()[-1]) for name in cases}
        taken = interleaved(cases, max(size.rounds // 2, 1))
        found += lines(f"seeds side by side, {row}", "image and seed", taken, items, "R = 1")
    return found


def toys(size: Size, steps: int = 20) -> list[Line]:
    """The toy model of T = 10 refinements under AVO: throughput of seeds side by side."""
    alone = toy.training(1, steps, size.device)

    def in_sequence() -> None:
        for _ in range(5):
            alone()

    cases: dict[str, Case] = {
        "5 in sequence": in_sequence,
        "5 side by side": toy.training(5, steps, size.device),
        "5 side by side, compiled": toy.training(5, steps, size.device, fast=True),
        "20 side by side, compiled": toy.training(20, steps, size.device, fast=True),
    }
    items = {name: steps * int(name.split()[0]) for name in cases}
    taken = interleaved(cases, size.rounds)
    return lines("toy model", "step and seed", taken, items, "5 in sequence")


def depth(size: Size) -> list[Line]:
    """Time and peak memory over T of a step at batch 1000, and over S of scoring."""
    transitions = {"letter": "T", "values": (1, 4, 16, 64), "item": "step"}
    return [
        *_memory("hvi", "whole", "step of HVI", size, **transitions),
        *_memory("hvi_avo", "whole", "AVO step of HVI-AVO", size, **transitions),
        *_memory("hvi_avo", "stagewise", "stagewise AVO step", size, **transitions),
        *_memory(
            "hvi", "score", "scoring HVI, memory", size, "S", (100, 1000, 5000), "batch of 100"
        ),
    ]


def _memory(
    row: str, how: str, name: str, size: Size, letter: str, values: tuple[int, ...], item: str
) -> list[Line]:
    """Lines with the peak memory of each value, the fastest of a few fresh processes."""
    measured = {}
    for value in values:
        runs = [
            in_fresh_process("reproduce.benchmark.memory", row, str(value), how)
            for _ in range(max(size.rounds // 2, 1))
        ]
        measured[f"{letter} = {value}"] = min(runs, key=lambda run: run["milliseconds"])
    against = next(iter(measured))
    spent = {case: run["milliseconds"] / 1e3 for case, run in measured.items()}
    found = lines(f"{letter}, {name}", item, spent, dict.fromkeys(spent, 1), against)
    for line in found:
        line.megabytes = measured[line.case]["megabytes"]
    return found


def sizes(size: Size) -> list[Line]:
    """Scoring over S, training over batch and latent size, for HVI."""
    found, rounds = [], max(size.rounds // 2, 1)
    x = (size.train[:BATCH] > 127).float().to(size.device)
    cases = {f"S = {s}": ours.scoring("hvi", x, s) for s in (50, 200, 800)}
    items = {name: BATCH * int(name.split()[-1]) for name in cases}
    found += lines("S, scoring HVI", "sample", interleaved(cases, rounds), items, "S = 50")
    short = size.train[: max(size.images // 4, 1000)]
    for key, values in (("data.batch_size", (20, 100, 500)), ("network.latent", (10, 40, 160))):
        cases = {
            f"{key} = {v}": ours.training("hvi", short, size.device, 1, f"{key}={v}")
            for v in values
        }
        items = dict.fromkeys(cases, len(short))
        against = f"{key} = {values[1]}"
        found += lines(f"{key}, training HVI", "image", interleaved(cases, rounds), items, against)
    return found


SECTIONS = (training, scoring, seeds, toys, depth, sizes)
