"""reports/celeba/index.md: the table in bits per dimension, faces, losses."""

from pathlib import Path

import numpy as np
import pandas as pd

from annealed.evaluation.result import trusted_k
from annealed.runs.load import configured, trained
from annealed.training.checkpoints import BEST
from annealed.utils.errors import UsageError
from annealed.utils.files import replace_text
from reproduce.experiments.celeba import design, fid, figures, summary
from reproduce.pages import page
from reproduce.pages.markdown import markdown_table, number
from reproduce.pages.page import Section
from reproduce.results.selection import results_of
from reproduce.scheduling.run_grid import Run
from reproduce.table.source import headline

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
    by_row: dict[str, list[float]] = {}
    real, count = None, 0
    for run in runs:
        config = configured(run)
        method, subject = trained(run, config)
        extractor.to(method.device)
        if real is None:
            real = fid.of_images(extractor, subject.held_out, method.device)
            count = real.count
        drawn = fid.of_model(extractor, method, count)
        distance = fid.frechet(real.estimate(), drawn.estimate())
        by_row.setdefault(config.row, []).append(distance)
    note = (
        f"FID is between {count} test images and as many means of p(x | z) at draws of the prior, "
        f"features of torchvision's inception_v3 (weights SHA-256 {digest[:12]}), mean over seeds. "
        "It is biased upwards by few images and not to be compared with numbers from other weights."
    )
    return {row: float(np.mean(values)) for row, values in by_row.items()}, note


def write(runs: list[Run], folder: Path, preset: str, weights: Path | None = None) -> str:
    """Write index.md, its figures and CSV into `folder`; returns the table.

    Results that are not of `runs` are left out. Raises UsageError where no run has finished.
    """
    chosen, _ = results_of(runs)
    results = list(chosen.values())
    done = [r for r in results if r["status"] == "finished"]
    if not done:
        raise UsageError("no run on celeba has finished, so there is no table.")
    folders = [path.parent for path in chosen]
    with_weights = [run for run in folders if (run / BEST).is_file()]
    distances, note = fids(with_weights, weights) if weights else ({}, NO_FID)
    rows, dims = summary.summarise(results), summary.values(results)
    curves = summary.curves(folders, dims)
    table, config = markdown(rows, distances), done[0]["config"]
    sections = [
        Section(
            "",
            [table, how_to_read(dims, done[0]["samples"]), note],
            frames={"table": rows.assign(fid=rows.row.map(distances)), "curves": curves},
        ),
        *losses(curves),
        faces(with_weights, rows),
        Section("Setting", [setting(config, curves, rows)]),
    ]
    page.save_files(sections, folder)
    _, source = headline(results, done[0]["preset"])
    shared = [c for c in runs[0].changes if all(c in run.changes for run in runs)]
    changed = f' SET="{" ".join(shared)}"' if shared else ""
    names = tuple(dict.fromkeys(run.row for run in runs))
    others = "" if names == design.ROWS else f" ROWS={','.join(names)}"
    opening = f"`make reproduce-celeba PRESET={preset}{others}{changed}`. Source: {source}."
    title = f"CelebA at {config['data']['size']} x {config['data']['size']}, in bits per dimension"
    replace_text(folder / "index.md", page.render(title, preset, [opening], sections))
    return table


def how_to_read(dims: int, samples: int) -> str:
    """The note under the table, for images of `dims` numbers scored with `samples` samples."""
    return (
        "Bits per dimension is the NLL of an image in nats over "
        f"{dims} ln 2, lower is better; the NLL is importance-sampled as on MNIST, an upper bound "
        "in expectation that tightens with S. The interval is Student's t over seeds. MC error is "
        "the importance-sampling error of one seed's number, apart from the spread over seeds and "
        f"no part of the interval; 'k-hat too high' is the share of images with a Pareto k-hat "
        f"above {trusted_k(samples):.2f}, where that error is not to be trusted and the "
        "true number may be lower. Rate is the ELBO's KL part, nats an image."
    )


def losses(curves: pd.DataFrame) -> list[Section]:
    """The section of losses, where `curves` has a row that it compares."""
    compared = [label for row, label in figures.COMPARED.items() if row in set(curves.row)]
    if not compared:
        return []
    picture = f"![Losses of {', '.join(compared)}, side by side](losses.png)"
    return [Section("Losses", [picture], figures={"losses": figures.losses(curves)})]


def faces(runs: list[Path], rows: pd.DataFrame) -> Section:
    """The section of what seed 0 of each trained row draws; `runs` are run folders."""
    labels = rows.set_index("row").label
    section = Section(
        "Faces",
        [
            "Reconstructions and samples are means of p(x | z); interpolations go along the great "
            "circle between two posterior samples."
        ],
    )
    for run in runs:
        if run.name == "seed0":
            row, label = run.parent.name, labels[run.parent.name]
            config = configured(run)
            method, subject = trained(run, config)
            section.figures[row] = figures.faces(method, subject.held_out, f"{label}, seed 0")
            picture = f"![{label}: reconstructions, samples, interpolations]({row}.png)"
            section.blocks.append(picture)
    return section


def setting(config: dict, curves: pd.DataFrame, rows: pd.DataFrame) -> str:
    """The text on what was run, with the numbers of `config` and the median gradient norms."""
    labels, norms = rows.set_index("row").label, curves.groupby("row").norm.median()
    return (
        SETTING.read_text(encoding="utf-8")
        .strip()
        .format(
            clip=config["optimiser"]["clip_norm"],
            warmup=config["trainer"]["warmup_epochs"],
            likelihood=config["network"]["likelihood"].replace("_", " "),
            widths=", ".join(map(str, config["network"]["widths"])),
            latent=config["network"]["latent"],
            norms=", ".join(f"{labels[row]} {norms[row]:.0f}" for row in rows.row if row in norms),
        )
    )
