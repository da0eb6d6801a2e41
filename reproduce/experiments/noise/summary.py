"""From results to data frames: intervals over seeds, differences from the same seed's exact MLE."""

import pandas as pd
import torch

from reproduce.experiments.noise.design import FROM_TRUTH, ROWS
from reproduce.experiments.noise.model import align
from reproduce.experiments.noise.run import MLE
from reproduce.results.statistics import interval

PAIRS = (("IWAE", "VAE"), ("HVI", "VAE"), ("HVI-AVO", "VAE"), ("HVI-AVO", "HVI"))
NUMBERS = (
    "log_p_train",
    "log_p_test",
    "quadrature_error",
    "elbo",
    "gap",
    "importance_error",
    "k_hat_untrusted",
    "quadrant_distance",
)
MEASURES = (  # that get an interval
    "sigma",
    "sigma_bias",
    "sigma_error",
    "weight_distance",
    "train_loss",
    "test_loss",
    "gap",
    "importance_error",
    "quadrant_distance",
)


def seeds(by_row: dict[str, list[dict]]) -> pd.DataFrame:
    """One line a row and seed; columns of A are in the order nearest to that of the seed's MLE.

    `sigma_bias` and `weight_distance` (Frobenius) are from the seed's MLE, `sigma_error` from the
    truth. `train_loss` and `test_loss` are the mean log p(x), nats a point, less the MLE's.
    """
    reference = {r["seed"]: r for r in by_row[MLE]}
    lines = []
    for row, results in by_row.items():
        for r in results:
            line = {"row": row, "seed": r["seed"], "status": r["status"]}
            if r["status"] == "finished":
                line |= compared(r, reference[r["seed"]])
            lines.append(line | {"cpu_seconds": r["cpu_seconds"] / len(r["trained_beside"])})
    return pd.DataFrame(lines)


def compared(result: dict, mle: dict) -> dict:
    """A result's numbers beside those of the MLE of the same data set."""
    weight, best, true = (
        torch.tensor(r["weight"], dtype=torch.float64) for r in (result, mle, mle["truth"])
    )
    best = best[:, align(best, true)]
    weight = weight[:, align(weight, best)]
    return {
        "sigma": result["sigma"],
        "sigma_bias": result["sigma"] - mle["sigma"],
        "sigma_error": result["sigma"] - mle["truth"]["sigma"],
        **{f"a{i + 1}{j + 1}": weight[i, j].item() for i in range(2) for j in range(2)},
        "weight_distance": (weight - best).norm().item(),
        "train_loss": result["log_p_train"] - mle["log_p_train"],
        "test_loss": result["log_p_test"] - mle["log_p_test"],
        **{name: result.get(name) for name in NUMBERS},
    }


def rows(table: pd.DataFrame) -> pd.DataFrame:
    """One line a row: mean and half width of the 95% t-interval over seeds."""
    lines = []
    for row, subset in table.groupby("row", sort=False):
        done = subset[subset.status == "finished"]
        line = {"row": row, "seeds": len(done), "lost": len(subset) - len(done)}
        for measure in MEASURES:
            line[measure], line[f"{measure}_half"] = interval(done[measure])
        line["k_hat_untrusted"] = done.k_hat_untrusted.astype(float).mean()
        line["quadrature_error"] = done.quadrature_error.max()
        line["cpu_seconds"] = subset.cpu_seconds.mean()
        lines.append(line)
    return pd.DataFrame(lines)


def pairs(table: pd.DataFrame) -> pd.DataFrame:
    """`row` less `against` of the same seeds, for PAIRS: the bias of sigma, and log p of the test.

    `bias` is a difference of absolute biases: below zero `row` is nearer to the MLE.
    """
    lines = []
    for row, against in PAIRS:
        a, b = (table[table.row == name].set_index("seed") for name in (row, against))
        line = {"row": row, "against": against}
        gaps = {"bias": a.sigma_bias.abs() - b.sigma_bias.abs(), "log_p": a.test_loss - b.test_loss}
        for name, gap in gaps.items():
            line[name], line[f"{name}_half"] = interval(gap.astype(float))
        lines.append(line)
    return pd.DataFrame(lines)


def starts(table: pd.DataFrame) -> pd.DataFrame:
    """Rows begun at the truth beside the same rows begun at random, paired by seed."""
    lines = []
    for row in ROWS:
        random, right = (
            table[table.row == name].set_index("seed") for name in (row, row + FROM_TRUTH)
        )
        line = {"row": row}
        gaps = {
            "random": random.sigma_bias,
            "right": right.sigma_bias,
            "sigma": right.sigma_bias - random.sigma_bias,
            "log_p": right.test_loss - random.test_loss,
        }
        for name, gap in gaps.items():
            line[name], line[f"{name}_half"] = interval(gap.astype(float))
        lines.append(line)
    return pd.DataFrame(lines)


def spread_of_mle(by_row: dict[str, list[dict]]) -> float:
    """The largest difference, over seeds, between the maxima that the starts reached, in nats."""
    reached = [r["log_p_from_each_start"] for r in by_row[MLE]]
    return max(max(values) - min(values) for values in reached)
