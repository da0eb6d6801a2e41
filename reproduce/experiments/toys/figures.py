"""The page's figures: what every method learnt, and the annealed targets beside the marginals."""

from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

from annealed.inference import schedules
from annealed.inference.normal import standard_log_prob
from annealed.models.targets import Energy
from reproduce.experiments.toys.design import TARGETS, Family, Setting, families
from reproduce.experiments.toys.run import BINS, folder


def annealed(energy: Energy, scale: float, alpha: float, half: float, bins: int = BINS):
    """f_0^(1 - alpha) f^alpha at bin centres of [-half, half]^2, q_0 = N(0, scale^2 I).

    Normalised over 1.5 times the window by the same midpoint rule: (bins, bins), z1 first.
    """
    width = 2.0 * half / bins
    more = bins // 4
    count = bins + 2 * more
    axis = (torch.arange(count, dtype=torch.float64) + 0.5 - count / 2) * width
    points = torch.cartesian_prod(axis, axis)
    log_f = alpha * energy.log_density(points)
    if alpha < 1.0:
        log_f = log_f + (1.0 - alpha) * standard_log_prob(points / scale)
    density = log_f.softmax(0).reshape(count, count) / width**2
    return density[more : more + bins, more : more + bins].numpy()


def _show(axis, density: np.ndarray, half: float, top: float) -> None:
    box = [-half, half, -half, half]
    axis.imshow(density.T, origin="lower", extent=box, vmin=0, vmax=top, interpolation="nearest")


def _stored(runs: Path, preset: str, setting: Setting, seed: int):
    path = folder(runs, preset, setting) / f"seed{seed}.npz"
    return np.load(path) if path.exists() else None


def densities(targets: list[str], runs: Path, preset: str, seed: int) -> Figure:
    """Targets down and families across, one colour scale a row, for one seed."""
    across = families()
    figure = Figure(figsize=(1.75 * (len(across) + 1), 1.8 * len(targets)))
    axes = figure.subplots(len(targets), len(across) + 1, squeeze=False)
    for row, target in zip(axes, targets, strict=True):
        name, half, _, scale = TARGETS[target]
        exact = annealed(Setting(target, across[0]).energy(), scale, 1.0, half)
        for axis in row:
            axis.set_xticks([])
            axis.set_yticks([])
        _show(row[0], exact, half, exact.max())
        row[0].set_ylabel(name, fontsize=9)
        for axis, family in zip(row[1:], across, strict=True):
            arrays = _stored(runs, preset, Setting(target, family), seed)
            if arrays is None:
                axis.set_axis_off()
            else:
                _show(axis, arrays["d"], half, exact.max())
    for axis, title in zip(axes[0], ["target", *(f.label for f in across)], strict=True):
        axis.set_title(title.replace(", ", "\n"), fontsize=10)
    figure.subplots_adjust(wspace=0.05, hspace=0.05)
    return figure


def marginals(target: str, method: str, count: int, runs: Path, preset: str, seed: int) -> Figure:
    """The learnt q_t by the ELBO, by AVO, and the annealed targets f_t; one colour scale a column.

    The scale ends at the peak of f_t, so a q_t brighter than its f_t is clipped.
    """
    half = TARGETS[target][1]
    alphas = [0.0, *schedules.alphas("linear", count)]
    rows = {}
    setting = Setting(target, Family(method, count, "AVO"))
    energy, scale = setting.energy(), setting.scale()[0]
    for name in ("ELBO", "AVO"):
        arrays = _stored(runs, preset, Setting(target, Family(method, count, name)), seed)
        rows[f"{name}: $q_t$"] = None if arrays is None else arrays["stages"]
    rows["target $f_t$"] = [annealed(energy, scale, alpha, half) for alpha in alphas]
    figure = Figure(figsize=(1.5 * (count + 1), 4.7))
    axes = figure.subplots(3, count + 1)
    for line, (name, pictures) in zip(axes, rows.items(), strict=True):
        for t, axis in enumerate(line):
            axis.set_xticks([])
            axis.set_yticks([])
            if pictures is not None:
                _show(axis, pictures[t], half, rows["target $f_t$"][t].max())
        line[0].set_ylabel(name)
    for t, (axis, alpha) in enumerate(zip(axes[0], alphas, strict=True)):
        axis.set_title(f"t = {t}, $\\alpha$ = {alpha:.2g}", fontsize=9)
    figure.subplots_adjust(wspace=0.05, hspace=0.05)
    return figure
