"""The section on autoregressive decoders: warm-up, cyclical annealing and AVO, by trials."""

from pathlib import Path

import matplotlib
import pandas as pd

from reproduce.pages.markdown import markdown_table, number, seeds, spread
from reproduce.pages.page import Section
from reproduce.results import trials
from reproduce.results.schedule_means import by_schedule
from reproduce.results.trials import DEFAULTS, Results, Trial, between

matplotlib.use("agg")  # no screen is needed
from matplotlib import pyplot as plt

SETTING = Path(__file__).parent / "setting.md"
SETTINGS = {  # of the trials on a data set
    "digits": "autoregressive decoder",
    "mnist": "autoregressive decoder, 10000 images",
}
ROWS = ("vae", "hvi", "hvi_avo")
SCHEDULES = {  # name on the page -> the change that a trial makes
    "none": "trainer.warmup_epochs=0",
    "linear": DEFAULTS,
    "cyclical": "trainer.warmup=cyclical",
}
MEASURES = ("nll", "elbo", "rate", "active_units", "mutual_information")


def plan(data: str) -> list[Trial]:
    """Every row under every schedule."""
    return [Trial(SETTINGS[data], row, change) for change in SCHEDULES.values() for row in ROWS]


def summary(runs: pd.DataFrame) -> pd.DataFrame:
    """`by_schedule` of the section's schedules and rows."""
    return by_schedule(runs, SCHEDULES, ROWS, MEASURES)


def table(results: Results, lines: pd.DataFrame, setting: str) -> str:
    """NLL, bound and use of the latents, with each row's difference from the VAE beside it."""
    entries = []
    for r in lines.itertuples():
        change = SCHEDULES[r.schedule]
        pair = between(*(results.get(Trial(setting, row, change), {}) for row in (r.row, "vae")))
        against = ""
        if pair and r.row != "vae":
            half = (pair["t_high"] - pair["t_low"]) / 2 if pair["seeds"] > 1 else float("nan")
            against = spread(pair["difference"], half, "+.2f")
        entries.append(
            [
                r.schedule,
                r.row,
                seeds(r),
                spread(r.nll, r.nll_half),
                against,
                number(r.elbo),
                spread(r.rate, r.rate_half),
                spread(r.active_units, r.active_units_half, ".1f"),
                spread(r.mutual_information, r.mutual_information_half),
            ]
        )
    head = ["warm-up", "row", "seeds", "NLL", "less the VAE's", "ELBO", "rate", "active units"]
    return markdown_table([*head, "mutual information"], entries, 2)


def figure(results: Results, setting: str) -> plt.Figure:
    """The KL of every latent, largest first: a panel a schedule, a line a row, bands over seeds."""
    drawn, axes = plt.subplots(1, len(SCHEDULES), figsize=(10, 3.2), sharey=True)
    for axis, (name, change) in zip(axes, SCHEDULES.items(), strict=True):
        for row in ROWS:
            made = results.get(Trial(setting, row, change), {}).values()
            kls = [one.read().get("kl_by_latent") for one in made]
            if kls := [sorted(kl, reverse=True) for kl in kls if kl]:
                sorted_kl = pd.DataFrame(kls)
                (line,) = axis.plot(sorted_kl.mean(), label=row)
                band = sorted_kl.min(), sorted_kl.max()
                axis.fill_between(sorted_kl.columns, *band, color=line.get_color(), alpha=0.2)
        axis.set(title=f"warm-up: {name}", xlabel="latent, sorted")
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("KL from N(0, 1), nats")
    for axis in [axis for axis in axes if axis.lines][:1]:
        axis.legend(frameon=False)
    drawn.tight_layout()
    return drawn


def setting() -> Section:
    """What the sections of all data sets have in common."""
    return Section("Autoregressive decoders", [SETTING.read_text(encoding="utf-8").strip()])


def section(pool: Path, preset: str, data: str) -> Section:
    """The section of the trials on `data` whose results are in `pool`."""
    planned, name = plan(data), SETTINGS[data]
    by_trial = trials.gather(planned, pool, preset, data)
    runs = trials.table(by_trial)
    lines = summary(runs)
    numbers, left = table(by_trial, lines, name), len(planned) - len(by_trial)
    missing = f" **{left} of {len(planned)} trials are still to be run.**" if left else ""
    blocks = [
        f"Data {data}, setting `{name}`, preset {trials.PRESETS[preset]}, "
        f"S = {runs.samples.max():.0f}, k-hat too high for "
        f"{100 * runs.k_hat_untrusted.mean():.0f} % of the images.{missing}",
        numbers,
        f"![KL of each latent](nonlinear_{data}.png)",
    ]
    return Section(
        f"An autoregressive decoder, {data}",
        blocks,
        [numbers],
        [one.read() for by_seed in by_trial.values() for one in by_seed.values()],
        {f"nonlinear_{data}": figure(by_trial, name)},
        {f"nonlinear_{data}_runs": runs, f"nonlinear_{data}": lines},
    )
