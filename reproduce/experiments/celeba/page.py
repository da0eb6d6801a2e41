"""reports/celeba/index.md: the table in bits per dimension, faces, losses."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt

from annealed.evaluation.result import trusted_k
from annealed.runs.load import configured, trained
from annealed.training.checkpoints import BEST
from annealed.utils.errors import UsageError
from annealed.utils.files import replace_text
from reproduce.experiments.celeba import fid, figures, summary
from reproduce.pages import common
from reproduce.pages.markdown import markdown_table, number
from reproduce.scheduling.run_grid import Run
from reproduce.table import nll_table

SETTING = Path(__file__).parent / "setting.md"
NO_FID = (
    "The FID column is empty because no weights of a feature extractor were given: "
    "`FID_WEIGHTS=file` takes those of torchvision's inception_v3, which are not downloaded here."
)


def markdown(rows: pd.DataFrame, distances: dict[str, float]) -> str:
    """The table, one line a row."""
    head = ["row", "bits/dim", "sd", "95% interval over seeds", "MC error", "loss (-ELBO)", "rate"]
    head += ["k-hat too high", "FID", "seeds", "train min"]
    lines = []
    for r in rows.itertuples():
        seeds = f"{r.seeds}" + (f" ({r.diverged} diverged)" if r.diverged else "")
        between = f"{number(r.ci_low, '.4f')} to {number(r.ci_high, '.4f')}"
        high = r.k_hat_untrusted  # null where S is too small for a k-hat
        cells = [r.label, number(r.bits_per_dim, ".4f"), number(r.sd, ".4f")]
        cells += [between if r.seeds > 1 else "one seed", number(r.mc_error, ".5f")]
        cells += [number(r.elbo, ".4f"), number(r.rate, ".1f")]
        cells += [number(100 * high, ".0f") + " %" if np.isfinite(high) else "-"]
        cells += [
            number(distances.get(r.row, np.nan), ".1f"),
            seeds,
            number(r.train_minutes, ".1f"),
        ]
        lines.append(cells)
    return markdown_table(head, lines, 1)


def fids(runs: list[Path], weights: Path) -> tuple[dict[str, float], str]:
    """The mean FID over the trained seeds of each row, and a line on what it is of."""
    extractor, digest = fid.load(weights)
    found: dict[str, list[float]] = {}
    real, count = None, 0
    for run in runs:
        config = configured(run)
        method, images = trained(run, config)
        extractor.to(method.device)
        if real is None:
            scored = images.held_out(config.evaluate.split)
            real = fid.of_images(extractor, scored, method.device)
            count = real.count
        drawn = fid.of_model(extractor, method, count)
        distance = fid.frechet(real.estimate(), drawn.estimate())
        found.setdefault(config.row, []).append(distance)
    note = (
        f"FID is between {count} test images and as many means of p(x | z) at draws of the prior, "
        f"features of torchvision's inception_v3 (weights SHA-256 {digest[:12]}), mean over seeds. "
        "It is biased upwards by few images and not to be compared with numbers from other weights."
    )
    return {row: float(np.mean(values)) for row, values in found.items()}, note


def write(cells: list[Run], folder: Path, preset: str, weights: Path | None = None) -> str:
    """Write index.md, its figures and CSV into `folder`; returns the table.

    Raises UsageError where no run has finished.
    """
    paths = [path for cell in cells for path in cell.results()]
    results = nll_table.collect(paths)
    done = [r for r in results if r["status"] == "finished"]
    if not done:
        raise UsageError("no run on celeba has finished, so there is no table.")
    runs = [path.parent for path in paths if path.exists()]
    drawn = [run for run in runs if (run / BEST).is_file()]
    distances, note = fids(drawn, weights) if weights else ({}, NO_FID)
    rows, dims = summary.summarise(results), summary.values(results)
    curves = summary.curves(runs, dims)
    folder.mkdir(parents=True, exist_ok=True)
    frame = rows.assign(fid=rows.row.map(distances))
    common.save_frames({"table": frame, "curves": curves}, folder)
    _save(figures.losses(curves), folder, "losses")
    faces, labels = [], rows.set_index("row").label
    for run in drawn:
        if run.name == "seed0":
            row, label = run.parent.name, labels[run.parent.name]
            config = configured(run)
            method, images = trained(run, config)
            held_out = images.held_out(config.evaluate.split)
            _save(figures.faces(method, held_out, f"{label}, seed 0"), folder, row)
            faces.append(f"![{label}: reconstructions, samples, interpolations]({row}.png)")
    first = done[0]
    own, steps = first["config"], curves.groupby("row").norm.median()
    _, source = nll_table.headline(results, first["preset"])
    shared = [c for c in cells[0].changes if all(c in cell.changes for cell in cells)]
    changed = f' SET="{" ".join(shared)}"' if shared else ""
    shape = f"{own['data']['size']} x {own['data']['size']}"
    smoke = "SMOKE RUN, far from converged and no evidence. " if preset == "quick" else ""
    made = markdown(rows, distances)
    blocks = [
        f"# CelebA at {shape}, in bits per dimension",
        f"{smoke}`make reproduce-celeba PRESET={preset}{changed}`. Source: {source}.",
        made,
        "Bits per dimension is the NLL of an image in nats over "
        f"{dims} ln 2, lower is better; the NLL is importance-sampled as on MNIST, an upper bound "
        "in expectation that tightens with S. The interval is Student's t over seeds. MC error is "
        "the importance-sampling error of one seed's number, apart from the spread over seeds and "
        f"no part of the interval; 'k-hat too high' is the share of images with a Pareto k-hat "
        f"above {trusted_k(first['samples']):.2f}, where that error is not to be trusted and the "
        "true number may be lower. Rate is the ELBO's KL part, nats an image.",
        note,
        "## Losses",
        "![Losses of VAE, HVI and HVI-AVO side by side](losses.png)",
        "## Faces",
        "Reconstructions and samples are means of p(x | z); interpolations go along the great "
        "circle between two posterior samples.",
        *faces,
        "## Setting",
        SETTING.read_text()
        .strip()
        .format(
            clip=own["optimiser"]["clip_norm"],
            warmup=own["trainer"]["warmup_epochs"],
            likelihood=own["network"]["likelihood"].replace("_", " "),
            widths=", ".join(map(str, own["network"]["widths"])),
            latent=own["network"]["latent"],
            norms=", ".join(f"{labels[row]} {steps[row]:.0f}" for row in rows.row if row in steps),
        ),
    ]
    replace_text(folder / "index.md", "\n\n".join(blocks) + "\n")
    return made


def _save(figure: plt.Figure, folder: Path, name: str) -> None:
    common.save(figure, folder, name)
    plt.close(figure)
