"""The digits' rows with invertible steps, through the grid of the NLL table."""

import numpy as np
import pandas as pd

from annealed.evaluation.result import read_result
from annealed.utils.errors import UsageError
from reproduce.pages.markdown import interval
from reproduce.scheduling import scheduler
from reproduce.scheduling.run_grid import Run, run_grid

PAIRS = {"householder": "householder_avo", "iaf": "iaf_avo"}
LABELS = {
    "householder": "Householder",
    "householder_avo": "Householder-AVO",
    "iaf": "IAF",
    "iaf_avo": "IAF-AVO",
}
PRESETS = {"quick": "quick", "full": "short"}  # the preset of the NLL grid
COLUMNS = [
    "row",
    "label",
    "seeds",
    "nll",
    "nll_half",
    "difference",
    "difference_half",
    "images_half",
    "mc_error",
    "elbo",
    "k_hat_untrusted",
    "samples",
    "test_images",
    "minutes",
]
KEYS = ("nll", "nll_mc_error", "elbo", "k_hat_untrusted", "samples", "test_images")


def run_all(preset: str, seeds: int, jobs: int, runs: str) -> list[Run]:
    """Train and score what is missing; returns every cell. Raises UsageError where one failed."""
    rows = [row for pair in PAIRS.items() for row in pair]
    cells = run_grid(PRESETS[preset], "digits", rows, seeds, runs=runs)
    failures = scheduler.run(cells, jobs)
    if failures:
        raise UsageError("; ".join(failures))
    return cells


def results(cells: list[Run]) -> list[dict]:
    """Each result.json of the cells with its images' log p(x), (images,), under `images`."""
    found = []
    for path in [path for cell in cells for path in cell.results()]:
        result = read_result(path)
        if result["status"] == "finished":
            result["images"] = np.load(path.with_suffix(".npz"))["log_prob"]
        found.append(result)
    return found


def digits_seeds(found: list[dict]) -> pd.DataFrame:
    """One line a row and seed; numbers of a run that diverged are missing."""
    lines = [
        {
            "row": r["row"],
            "seed": r["seed"],
            **{key: r.get(key) for key in KEYS},
            "minutes": r["training"]["seconds"] / 60 if "training" in r else None,
        }
        for r in found
    ]
    return pd.DataFrame(lines)


def digits_summary(found: list[dict]) -> pd.DataFrame:
    """One line a row: NLL over seeds, and for AVO rows the paired difference from the ELBO's row.

    `difference_half` is a t-interval over seeds, `images_half` one over test images of the
    difference averaged over the same seeds.
    """
    seeds = digits_seeds(found)
    images = {(r["row"], r["seed"]): r["images"] for r in found if "images" in r}
    lines = []
    for row, mine in seeds.groupby("row", sort=False):
        nll, half = interval(mine.nll)
        line = {"row": row, "label": LABELS[row], "seeds": int(mine.nll.notna().sum())}
        line |= {"nll": nll, "nll_half": half, "mc_error": mine.nll_mc_error.max()}
        line |= {key: mine[key].mean() for key in ("elbo", "k_hat_untrusted", "minutes")}
        line |= {"samples": mine.samples.max(), "test_images": mine.test_images.max()}
        base = next((a for a, b in PAIRS.items() if b == row), None)
        pairs = [
            images[base, seed] - images[row, seed]  # NLL of AVO less NLL of the ELBO
            for seed in mine.seed
            if (row, seed) in images and (base, seed) in images
        ]
        if pairs:
            paired = np.stack(pairs)
            line["difference"], line["difference_half"] = interval(paired.mean(1))
            line["images_half"] = interval(paired.mean(0))[1]
        lines.append(line)
    return pd.DataFrame(lines).reindex(columns=COLUMNS)


def source(found: list[dict]) -> tuple[str, str]:
    """The data's digest and the commits that trained and scored these runs."""
    done = [r for r in found if r["status"] == "finished"]
    sessions = [s for r in done for s in [*r["training"]["sessions"], r["provenance"]]]
    return done[0]["data_digest"][:12], ", ".join(sorted({s["commit"] for s in sessions}))
