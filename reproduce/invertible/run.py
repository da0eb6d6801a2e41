"""Train and score the toy cells that have no result yet; one JSON a seed."""

import multiprocessing
import re
import signal
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from annealed import energies
from annealed.errors import UsageError
from annealed.files import replace, replace_json
from annealed.replicas import Replicas
from annealed.score import read_result
from reproduce import toy, toy_score
from reproduce.invertible.grid import OBJECTIVES, WINDOWS, ToyCell

BINS = 80  # of the figures' histograms, a side


@dataclass(frozen=True)
class Size:
    """How long a toy cell is trained, by how many seeds, and how many draws score it."""

    steps: int
    seeds: int = 5
    samples: int = 64  # S a training step
    draws: int = 100_000  # S of the evaluation
    hidden: int = 32
    rate: float = 5e-3


SIZES = {"quick": Size(steps=200, seeds=3, draws=20_000), "full": Size(steps=2000)}


def folder(runs: Path, preset: str, cell: ToyCell) -> Path:
    """<runs>/invertible/<preset>/<target>/<method>-<T>/<objective>."""
    parts = [cell.target, f"{cell.method}-{cell.count}", cell.objective]
    return Path(runs, "invertible", preset, *(re.sub(r"\W+", "-", p).strip("-") for p in parts))


def setup(cell: ToyCell, size: Size) -> dict:
    """All that decides a cell's numbers, apart from the seed."""
    phases = [[name, round(share * size.steps)] for name, share in OBJECTIVES[cell.objective]]
    numbers = {**asdict(cell), **asdict(size), "scale": cell.scale(), "phases": phases}
    return {name: value for name, value in numbers.items() if name != "seeds"}


def read(path: Path, wanted: dict) -> dict:
    """A finished seed; raises UsageError where another setup made it."""
    result = read_result(path)
    if result.get("setup") != wanted:
        raise UsageError(f"{path} was made by another setup; remove it and run again.")
    return result


def run_cell(cell: ToyCell, size: Size, place: Path, seeds: list[int], code: dict) -> list[dict]:
    """The results of `seeds`; those without one are trained side by side and written.

    `code` is the provenance that is written with them.
    """
    wanted = setup(cell, size)
    paths = {seed: place / f"seed{seed}.json" for seed in seeds}
    known = {seed: read(path, wanted) for seed, path in paths.items() if path.exists()}
    missing = [seed for seed in seeds if seed not in known]
    if missing:
        known |= _train(cell, size, place, missing, wanted, code)
    return [known[seed] for seed in seeds]


def _train(
    cell: ToyCell, size: Size, place: Path, seeds: list[int], wanted: dict, code: dict
) -> dict:
    began = time.monotonic()
    target, scale = cell.energy(), cell.scale()
    drawn = [toy.posterior(cell.method, cell.count, scale, size.hidden, seed) for seed in seeds]
    replicas = Replicas([toy.Toy(target, posterior) for posterior in drawn])
    phases = [(name, length) for name, length in wanted["phases"]]
    curve = toy.train(replicas, phases, seeds, size.samples, size.rate)
    seconds = round(time.monotonic() - began, 1)
    place.mkdir(parents=True, exist_ok=True)
    results = {}
    for index, seed in enumerate(seeds):
        z, log_w = toy_score.draw(target, drawn[index], len(scale), size.draws, seed)
        numbers = toy_score.divergences(log_w, target.log_z)
        if cell.target.startswith("four modes"):
            masses = energies.mode_masses(z)
            numbers["masses"] = masses.tolist()
            numbers["total_variation"] = toy_score.total_variation(masses)
        if cell.target in WINDOWS:
            density = toy_score.histogram(z, WINDOWS[cell.target], BINS).numpy()
            replace(place / f"seed{seed}.npz", lambda f, d=density: np.savez_compressed(f, d=d))
        bounds = [row[index] for row in curve]
        results[seed] = {
            "status": "finished" if numbers["kl"] is not None else "diverged",
            "seed": seed,
            "setup": wanted,
            **numbers,
            "curve": [b if np.isfinite(b) else None for b in bounds],
            "seconds": seconds,
            "trained_beside": seeds,
            "provenance": code,
        }
        replace_json(place / f"seed{seed}.json", results[seed])
    return results


def quiet_worker() -> None:
    """One thread a process; an interrupt ends it without a traceback."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # an interrupt is told by the parent alone
    torch.set_num_threads(1)


def run_all(
    cells: list[ToyCell], size: Size, runs: Path, preset: str, seeds: list[int], jobs: int, code
) -> dict[ToyCell, list[dict]]:
    """Every cell's results in the order of `cells`, `jobs` cells at a time, a process each."""
    found, began = {}, time.monotonic()
    paths = {cell: folder(runs, preset, cell) for cell in cells}
    whole = [c for c in cells if all((paths[c] / f"seed{s}.json").exists() for s in seeds)]
    for cell in whole:
        found[cell] = run_cell(cell, size, paths[cell], seeds, code)
    if whole:
        print(f"{len(whole)} of {len(cells)} toy cells are done already and are skipped")
    rest = [cell for cell in cells if cell not in found]
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=spawn, initializer=quiet_worker) as pool:
        futures = {pool.submit(run_cell, c, size, paths[c], seeds, code): c for c in rest}
        try:
            for future in as_completed(futures):
                found[futures[future]] = future.result()
                left = (time.monotonic() - began) / (len(found) - len(whole))
                left *= len(cells) - len(found)
                said = f"[{len(found)}/{len(cells)}] {futures[future].name}: done"
                print(f"{said}; about {left / 60:.1f} min left", file=sys.stderr, flush=True)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return {cell: found[cell] for cell in cells}
