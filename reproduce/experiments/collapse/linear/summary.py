"""From results to data frames: counts of collapsed latents, and what log p(x) lacks, by noise."""

import pandas as pd
import torch

from reproduce.experiments.collapse.linear.optimum import collapsed
from reproduce.results.statistics import interval

KEYS = ["row", "variance"]
MEASURES = ("by_q", "by_decoder", "log_p_loss", "gap", "importance_error")


def seeds(by_row: dict[str, list[dict]]) -> pd.DataFrame:
    """One line a row, noise variance and seed.

    `by_q` counts latents whose q has a KL below `optimum.COLLAPSED`, `by_decoder` directions of the
    decoder that carry less; `exact` is that of the optimum. `log_p_loss` is the mean log p(x) less
    the optimum's, nats an image.
    """
    lines = []
    for row, results in by_row.items():
        for r in results:
            for p in r["points"]:
                best = p["optimum"]
                line = {"row": row, "variance": p["variance"], "seed": r["seed"]}
                line |= {"status": p["status"], "exact": _count(best["rates"])}
                if p["status"] == "finished":
                    line |= {
                        "by_q": _count(p["rates"]),
                        "by_decoder": _count(p["directions"]),
                        "log_p": p["log_p"],
                        "log_p_loss": p["log_p"] - best["log_p"],
                        **{k: p[k] for k in ("gap", "importance_error", "k_hat_untrusted")},
                    }
                shared = len(r["trained_beside"]) * len(r["points"])
                lines.append(line | {"cpu_seconds": r["cpu_seconds"] / shared})
    return pd.DataFrame(lines)


def _count(rates: list[float]) -> int:
    return collapsed(torch.tensor(rates, dtype=torch.float64))


def rates(by_row: dict[str, list[dict]]) -> pd.DataFrame:
    """One line a row, noise, seed and rank: KL of q's latents and of the decoder's directions.

    Both are sorted, largest first, beside the optimum's of the same rank; nats.
    """
    lines = []
    for row, results in by_row.items():
        for r in results:
            for p in (p for p in r["points"] if p["status"] == "finished"):
                ranked = zip(p["rates"], p["directions"], p["optimum"]["rates"], strict=True)
                lines += [
                    {
                        "row": row,
                        "variance": p["variance"],
                        "seed": r["seed"],
                        "rank": rank + 1,
                        "q": q,
                        "decoder": decoder,
                        "exact": exact,
                    }
                    for rank, (q, decoder, exact) in enumerate(ranked)
                ]
    return pd.DataFrame(lines)


def rows(table: pd.DataFrame) -> pd.DataFrame:
    """One line a row and noise: mean and half width of the 95% t-interval over seeds."""
    lines = []
    for key, subset in table.groupby(KEYS, sort=False):
        done = subset[subset.status == "finished"]
        line = dict(zip(KEYS, key, strict=True)) | {"exact": int(subset.exact.iloc[0])}
        line |= {"seeds": len(done), "lost": len(subset) - len(done)}
        for measure in MEASURES:
            line[measure], line[f"{measure}_half"] = interval(done[measure])
        line["same_by_q"] = int((done.by_q == done.exact).sum())
        line["same_by_decoder"] = int((done.by_decoder == done.exact).sum())
        line["k_hat_untrusted"] = done.k_hat_untrusted.astype(float).mean()
        line["cpu_seconds"] = subset.cpu_seconds.mean()
        lines.append(line)
    return pd.DataFrame(lines)
