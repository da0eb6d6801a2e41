"""How time and memory grow with seeds, T, S, batch and latent size."""

from reproduce.benchmark import annealed_cases, toy
from reproduce.benchmark.measurements import BATCH, Budget, Measurement, measurements
from reproduce.results.timing import Case, in_fresh_process, interleaved


def seeds(size: Budget) -> list[Measurement]:
    """Time a seed and image as seeds are trained side by side."""
    measured, short = [], size.train[: max(size.images // 4, BATCH)]
    for row in size.rows:
        cases = {
            f"R = {count}": annealed_cases.training(row, short, size.device, count)
            for count in (1, 2, 4, 8, 16)
        }
        items = {name: len(short) * int(name.split()[-1]) for name in cases}
        taken = interleaved(cases, max(size.rounds // 2, 1))
        measured += measurements(
            f"seeds side by side, {row}", "image and seed", taken, items, "R = 1"
        )
    return measured


def toys(size: Budget, steps: int = 20) -> list[Measurement]:
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
    return measurements("toy model", "step and seed", taken, items, "5 in sequence")


def depth(size: Budget) -> list[Measurement]:
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
    row: str, how: str, name: str, size: Budget, letter: str, values: tuple[int, ...], item: str
) -> list[Measurement]:
    """Measurements with the peak memory of each value, the fastest of a few fresh processes.

    The values take turns, so that what else the machine does falls on all alike.
    """
    runs: dict[str, list[dict]] = {f"{letter} = {value}": [] for value in values}
    for _ in range(max(size.rounds // 2, 1)):
        for value, made in zip(values, runs.values(), strict=True):
            made.append(in_fresh_process("reproduce.benchmark.memory", row, str(value), how))
    measured = {case: min(made, key=lambda run: run["milliseconds"]) for case, made in runs.items()}
    against = next(iter(measured))
    spent = {case: run["milliseconds"] / 1e3 for case, run in measured.items()}
    lines = measurements(f"{letter}, {name}", item, spent, dict.fromkeys(spent, 1), against)
    for line in lines:
        line.megabytes = measured[line.case]["megabytes"]
    return lines


def sizes(size: Budget) -> list[Measurement]:
    """Scoring over S, training over batch and latent size, for HVI."""
    measured, rounds = [], max(size.rounds // 2, 1)
    x = (size.train[:BATCH] > 127).float().to(size.device)
    cases = {f"S = {s}": annealed_cases.scoring("hvi", x, s) for s in (50, 200, 800)}
    items = {name: BATCH * int(name.split()[-1]) for name in cases}
    measured += measurements(
        "S, scoring HVI", "sample", interleaved(cases, rounds), items, "S = 50"
    )
    short = size.train[: max(size.images // 4, 1000)]
    for key, values in (("data.batch_size", (20, 100, 500)), ("network.latent", (10, 40, 160))):
        cases = {
            f"{key} = {v}": annealed_cases.training("hvi", short, size.device, 1, f"{key}={v}")
            for v in values
        }
        items = dict.fromkeys(cases, len(short))
        against = f"{key} = {values[1]}"
        measured += measurements(
            f"{key}, training HVI", "image", interleaved(cases, rounds), items, against
        )
    return measured
