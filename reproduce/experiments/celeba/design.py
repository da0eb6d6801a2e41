"""The cells of the page: rows, seeds and the preset that each size of it trains under."""

from collections.abc import Sequence
from dataclasses import dataclass

from annealed.data.images import load_images
from reproduce.scheduling.run_grid import Run, run_grid

ROWS = ("vae", "iwae", "hvi", "hvi_avo", "householder", "iaf")
KERNELS = ("hvi", "hvi_avo")


@dataclass(frozen=True)
class Budget:
    """What a preset of the page is: the preset of its runs and how many seeds by default."""

    preset: str
    seeds: int


SIZES = {"quick": Budget("quick", 1), "full": Budget("short", 3)}


def cells(preset: str, seeds: int, runs: str, changes: Sequence[str] = ()) -> list[Run]:
    """Seeds of every row, under `changes` to all of them.

    A kernel of HVI has as many units as there are latents, as on MNIST.
    """
    size = SIZES[preset]
    latent = Run(size.preset, "celeba", "vae", 0, changes=(*changes,)).config().network.latent
    found = []
    for cell in run_grid(size.preset, "celeba", list(ROWS), seeds, runs=runs):
        own = (f"method.transitions.hidden={latent}",) if cell.row in KERNELS else ()
        found.append(
            Run(cell.preset, cell.data, cell.row, cell.seed, cell.runs, changes=(*own, *changes))
        )
    return found


def check_data(cell: Run) -> None:
    """Raise UsageError where the images of `cell` cannot be had; else their cache is made."""
    data = cell.config().data
    load_images("celeba", data.root, data.seed, data.train_images, data.size, data.held_out_images)
