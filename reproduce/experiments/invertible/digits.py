"""The digits' rows with invertible steps, through the grid of the NLL table."""

import numpy as np
import pandas as pd

from annealed.evaluation.result import read_result
from reproduce.results.statistics import interval
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


def plan(preset: str, seeds: int, runs: str) -> list[Run]:
    """Every run on the digits."""
    rows = [row for pair in PAIRS.items() for row in pair]
    return run_grid(PRESETS[preset], "digits", rows, seeds, runs=runs)


def results(plan: list[Run]) -> list[dict]:
    """Each result.json of the runs with its images' log p(x), (images,), under `images`."""
    read = []
    for path in [path for run in plan for path in run.results()]:
        result = read_result(path)
        if result["status"] == "finished":
            result["images"] = np.load(path.with_suffix(".npz"))["log_prob"]
        read.append(result)
    return read


def digits_seeds(records: list[dict]) -> pd.DataFrame:
    """One line a row and seed; numbers of a run that diverged are missing."""
    lines = [
        {
            "row": r["row"],
            "seed": r["seed"],
            **{key: r.get(key) for key in KEYS},
            "minutes": r["training"]["seconds"] / 60 if "training" in r else None,
        }
        for r in records
    ]
    return pd.DataFrame(lines)


def digits_summary(records: list[dict]) -> pd.DataFrame:
    """One line a row: NLL over seeds, and for AVO rows the paired difference from the ELBO's row.

    `difference_half` is a t-interval over seeds, `images_half` one over test images of the
    difference averaged over the same seeds. `diverged`, the seeds that did, is there where any row
    has some.
    """
    seeds = digits_seeds(records)
    images = {(r["row"], r["seed"]): r["images"] for r in records if "images" in r}
    lines = []
    for row, subset in seeds.groupby("row", sort=False):
        nll, half = interval(subset.nll)
        line = {"row": row, "label": LABELS[row], "seeds": int(subset.nll.notna().sum())}
        line |= {"nll": nll, "nll_half": half, "mc_error": subset.nll_mc_error.max()}
        line |= {"diverged": len(subset) - line["seeds"]}
        line |= {key: subset[key].mean() for key in ("elbo", "k_hat_untrusted", "minutes")}
        line |= {"samples": subset.samples.max(), "test_images": subset.test_images.max()}
        base = next((a for a, b in PAIRS.items() if b == row), None)
        pairs = [
            images[base, seed] - images[row, seed]  # NLL of AVO less NLL of the ELBO
            for seed in subset.seed
            if (row, seed) in images and (base, seed) in images
        ]
        if pairs:
            paired = np.stack(pairs)
            line["difference"], line["difference_half"] = interval(paired.mean(1))
            line["images_half"] = interval(paired.mean(0))[1]
        lines.append(line)
    table = pd.DataFrame(lines)
    return table.reindex(columns=COLUMNS + ["diverged"] * bool(table.diverged.any()))


def source(records: list[dict]) -> tuple[str, str]:
    """The data's digest and the commits that trained and scored these runs."""
    done = [r for r in records if r["status"] == "finished"]
    sessions = [s for r in done for s in [*r["training"]["sessions"], r["provenance"]]]
    return done[0]["data_digest"][:12], ", ".join(sorted({s["commit"] for s in sessions}))
