"""From kept results to data frames: one line a run, one line a choice."""

from pathlib import Path

import pandas as pd

from annealed.errors import UsageError
from annealed.score import read_result
from reproduce import paired
from reproduce.ablations.grid import Choice
from reproduce.invertible.summary import interval
from reproduce.results import kept

ROW_PAIRS = [("hvi_avo", "hvi"), ("hvi_avo", "vae"), ("hvi", "vae"), ("iaf", "vae")]
KEYS = ["setting", "row", "change"]
MEASURES = ["nll", "elbo", "train_elbo", "gap", "rate", "active_units", "minutes"]


def gather(
    choices: list[Choice], root: Path, preset: str, data: str
) -> dict[Choice, dict[int, Path]]:
    """The kept results of each choice that has some, by seed."""
    found = {}
    for choice in choices:
        paths = kept(preset, data, choice.folder(root))
        mine = {int(p.stem[4:]): p for p in paths if p.parent.name == choice.row}
        found |= {choice: mine} if mine else {}
    return found


def runs(found: dict[Choice, dict[int, Path]]) -> pd.DataFrame:
    """One line a run. Bounds are at the best epoch by the validation bound, nats an image.

    `train_elbo` is the mean over that epoch's batches as they were trained on, `val_elbo` the bound
    with one sample an image, `gap` the one less the other. Raises UsageError where a result was
    scored on other images than the validation set's.
    """
    lines = []
    for choice, paths in found.items():
        for seed, path in sorted(paths.items()):
            result = read_result(path)
            line = {**{key: getattr(choice, key) for key in KEYS}, "seed": seed}
            line |= {"status": result["status"], "commit": result["provenance"]["commit"]}
            if result["status"] == "finished":
                if result["split"] != "validation":
                    raise UsageError(f"{path} was scored on {result['split']}, not on validation.")
                training = result["training"]
                metrics = pd.read_csv(path.with_suffix(".csv")).set_index("epoch")
                best = metrics.loc[training["best_epoch"]]
                line |= {key: result[key] for key in ("nll", "nll_mc_error", "elbo", "rate")}
                line |= {key: result[key] for key in ("active_units", "k_hat_untrusted")}
                line |= {"train_elbo": best["train/elbo"], "val_elbo": best["val/elbo"]}
                line |= {"gap": best["train/elbo"] - best["val/elbo"]}
                line |= {"best_epoch": training["best_epoch"], "epochs": training["epochs"]}
                line |= {"minutes": training["seconds_a_seed"] / 60}
            lines.append(line)
    return pd.DataFrame(lines)


def effects(table: pd.DataFrame, found: dict[Choice, dict[int, Path]], budget: int) -> pd.DataFrame:
    """One line a choice: means and half widths over seeds, and the paired difference from defaults.

    `trial` counts a row's choices under a setting from 1, defaults included; `in_budget` are the
    first `budget` of them.
    """
    lines, count = [], {}
    for choice, paths in found.items():
        mine = table[(table[KEYS] == [getattr(choice, key) for key in KEYS]).all(axis=1)]
        done = mine[mine.status == "finished"]
        group = (choice.setting, choice.row)
        count[group] = count.get(group, 0) + 1
        line = {**{key: getattr(choice, key) for key in KEYS}, "trial": count[group]}
        line |= {"in_budget": count[group] <= budget, "diverged": len(mine) - len(done)}
        line |= {"seeds": len(done)}
        for measure in MEASURES if len(done) else []:
            line[measure], line[f"{measure}_half"] = interval(done[measure])
        if choice != choice.base and choice.base in found:
            line |= {**between(paths, found[choice.base]), "seeds": line["seeds"]}
        lines.append(line)
    return pd.DataFrame(lines)


def between(first: dict[int, Path], second: dict[int, Path]) -> dict[str, float]:
    """`paired.compare` of two choices over the finished seeds that both have; empty without any."""
    ours, theirs = (
        {seed: p for seed, p in side.items() if p.with_suffix(".npz").exists()}
        for side in (first, second)
    )
    if not ours.keys() & theirs.keys():
        return {}
    compared = paired.compare(paired.differences(ours, theirs))
    return {name: value for name, value in compared.items() if name != "images"}


def rows(found: dict[Choice, dict[int, Path]]) -> pd.DataFrame:
    """Rows against each other with their defaults, under each setting."""
    lines = []
    for setting in dict.fromkeys(choice.setting for choice in found):
        for first, second in ROW_PAIRS:
            pair = Choice(setting, first), Choice(setting, second)
            numbers = between(*(found.get(choice, {}) for choice in pair))
            if numbers:
                lines.append({"setting": setting, "row": first, "against": second, **numbers})
    return pd.DataFrame(lines)


def equal_budget(table: pd.DataFrame, setting: str) -> pd.DataFrame:
    """The best choice of each row among its trials within the budget, by validation NLL."""
    mine = table[(table.setting == setting) & table.in_budget & (table.seeds > 0)]
    lines = []
    for row, group in mine.groupby("row", sort=False):
        best = group.loc[group.nll.idxmin()]
        base = group[group.trial == 1].iloc[0]
        lines.append(
            {
                "row": row,
                "trials": len(group),
                "defaults": base.nll,
                "best": best.nll,
                "best_half": best.nll_half,
                "choice": best.change,
            }
        )
    return pd.DataFrame(lines)
