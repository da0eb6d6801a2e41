"""From results to the table in bits per dimension and to curves over epochs."""

import math
from pathlib import Path

import pandas as pd

from annealed.training.record import METRICS, read_metrics
from reproduce.table import nll_table

NATS = ("nll", "sd", "ci_low", "ci_high", "mc_error", "test_error", "elbo")  # an image
AS_THEY_ARE = ("row", "label", "seeds", "diverged", "rate", "k_hat_untrusted", "train_minutes")


def summarise(results: list[dict]) -> pd.DataFrame:
    """One line a row, as `nll_table.summarise` makes it, with nats turned to bits per dimension.

    The rate stays in nats an image, since a latent is no dimension of the image.
    """
    table = nll_table.summarise(results)
    unit = values(results) * math.log(2)
    bits = table[list(NATS)].astype(float) / unit
    bits = bits.rename(columns={"nll": "bits_per_dim"}).assign(elbo=-bits.elbo)
    return table[list(AS_THEY_ARE)].join(bits)


def values(results: list[dict]) -> int:
    """Numbers in an image: its NLL in bits over its bits per dimension."""
    done = next(r for r in results if r["status"] == "finished")
    return round(done["nll"] / math.log(2) / done["bits_per_dim"])


def curves(runs: list[Path], count: int) -> pd.DataFrame:
    """The loss of every epoch in bits per dimension of `count`: columns row, seed, train, val.

    `runs` are run folders; the rate is that of validation, in nats an image.
    """
    parts = []
    for run in runs:
        if (run / METRICS).exists():
            metrics = read_metrics(run)
            bits = {s: -metrics[f"{s}/elbo"] / (count * math.log(2)) for s in ("train", "val")}
            place = {"row": run.parent.name, "seed": int(run.name[4:]), "epoch": metrics["epoch"]}
            norm = metrics["train/gradient_norm"]
            parts.append(pd.DataFrame({**place, **bits, "rate": metrics["val/rate"], "norm": norm}))
    return pd.concat(parts, ignore_index=True)
