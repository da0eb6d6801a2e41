"""The runs of the page: rows and seeds, and the preset of the runs under each of its own."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from annealed.data.images import load_images
from reproduce.scheduling.run_grid import Run, run_grid

ROWS = ("vae", "iwae", "hvi", "hvi_avo", "householder", "iaf")
KERNELS = ("hvi", "hvi_avo")


@dataclass(frozen=True)
class Budget:
    """What a preset of the page is: the preset of its runs and how many seeds by default."""

    preset: str
    seeds: int


BUDGETS = {"quick": Budget("quick", 1), "full": Budget("short", 3)}


def runs(
    preset: str,
    seeds: int,
    folder: str,
    changes: Sequence[str] = (),
    rows: Sequence[str] = ROWS,
) -> list[Run]:
    """Seeds of each of `rows` below `folder`, under `changes` to all of them.

    A kernel of HVI has as many units as there are latents, as on MNIST.
    """
    size = BUDGETS[preset]
    latent = Run(size.preset, "celeba", "vae", 0, changes=(*changes,)).config().network.latent
    return [
        replace(run, changes=(*_of_row(run.row, latent), *changes))
        for run in run_grid(size.preset, "celeba", list(rows), seeds, runs=folder)
    ]


def _of_row(row: str, latent: int) -> tuple[str, ...]:
    return (f"method.transitions.hidden={latent}",) if row in KERNELS else ()


def check_data(run: Run) -> None:
    """Raise UsageError where the images of `run` cannot be had; else their cache is made."""
    data = run.config().data
    load_images("celeba", data.root, data.seed, data.train_images, data.size, data.held_out_images)
