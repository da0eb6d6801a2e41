"""A committed run again: `python -m reproduce.checks.rerun short/mnist/vae/seed0`."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from annealed.config import resolved
from annealed.config.layers import Layer
from annealed.config.registry import allow_import
from annealed.config.schema import Config
from annealed.evaluation.result import RESULT, read_result
from annealed.runs import cli
from annealed.runs.folders import run_folder
from annealed.runs.machine_keys import MACHINE_KEYS, OVERRIDES_HELP
from annealed.utils.errors import UsageError
from annealed.utils.paths import argument
from reproduce.results.pack import SUFFIX
from reproduce.results.statistics import t_quantile
from reproduce.results.store import RESULTS, Committed, every_result

ERRORS = 3.0  # Monte Carlo standard errors of the difference that are within the tolerance
ONE_SEED = 0.5  # nats: the seed-level tolerance of a row with one committed seed, chosen by hand
MACHINE = ("device_type", "device", "cores", "threads", "products")  # the last is not in all
LIBRARIES = ("torch", "numpy")  # whose versions may round sums in another order


@dataclass(frozen=True)
class Tolerance:
    """How far two NLLs of one run may lie apart, nats, and why."""

    monte_carlo: float
    seeds: float
    because: str

    @property
    def total(self) -> float:
        """The sum of both parts."""
        return self.monte_carlo + self.seeds


def committed(name: str, results: Path = RESULTS) -> Committed:
    """The committed result of run `name`; raises UsageError where there is none with an NLL."""
    known = {
        f"{one.pack.path.relative_to(results).with_suffix('').as_posix()}/{one.name}": one
        for one in every_result(results)
    }
    if name not in known:
        raise UsageError(
            f"{name} is not a committed cell; accepted: a file below {results} without {SUFFIX} "
            "and the name of one of its runs, as in short/mnist/vae/seed0."
        )
    result = known[name].read()
    if result["status"] != "finished" or result["nll_mc_error"] is None:
        raise UsageError(f"{known[name]} has no NLL with a Monte Carlo error to compare with.")
    return known[name]


def configuration(
    run: Committed, result: dict, runs: Path, overrides: Sequence[str] = ()
) -> Config:
    """The configuration that `result` was made by, alone in a run folder below `runs`.

    `overrides` are of MACHINE_KEYS. Raises UsageError where this version of the package does not
    accept it.
    """
    values = result["config"] | {"data": {**result["config"]["data"], "root": None}}
    values["wandb"] = {**values["wandb"], "mode": "disabled"}
    commit = result["provenance"]["commit"]
    try:
        config = resolved(Layer(str(run), values), list(overrides), MACHINE_KEYS)
    except UsageError as error:
        if not str(error).startswith(str(run)):
            raise
        sentence = f"{str(error)[:-1]}; the commit that scored it, {commit}, takes it."
        raise UsageError(sentence) from None
    alone = replace(config.trainer, replicas=1, devices=1, strategy="auto")
    return replace(config, runs=str(runs), trainer=alone)


def elsewhere(old: dict, new: dict) -> list[str]:
    """What differs of machine, libraries and way of training; empty where nothing does."""
    here, changes = new["provenance"], []
    for there in [*old["training"]["sessions"], old["provenance"]]:
        known = [k for k in MACHINE if k in there]
        changes += [f"{k} {there[k]}, here {here[k]}" for k in known if there[k] != here[k]]
        a, b = there["versions"], here["versions"]
        changes += [f"{k} {a.get(k)}, here {b[k]}" for k in LIBRARIES if a.get(k) != b[k]]
    together = old["training"].get("replicas", 1)
    changes += [f"trained beside {together - 1} seeds, here alone"] if together > 1 else []
    devices = max(there.get("devices", 1) for there in old["training"]["sessions"])
    changes += [f"trained on {devices} devices, here on one"] if devices > 1 else []
    return list(dict.fromkeys(changes))


def tolerance(run: Committed, old: dict, new: dict) -> Tolerance:
    """How far the NLL of `new` may lie from that of `old`, the result of `run`.

    The same way of training gives the same bits, and Monte Carlo error is room enough; another
    machine rounds sums otherwise and training amplifies that up to another seed's run, so the
    spread over seeds is added: a two-sided 95% t-interval of the difference of two seeds.
    """
    errors = (old["nll_mc_error"], new["nll_mc_error"])
    monte_carlo = ERRORS * float(np.hypot(*errors))
    other = elsewhere(old, new)
    if not other:
        return Tolerance(monte_carlo, 0.0, "the same machine and way of training")
    row, where = run.name.rpartition("/")[0], "; ".join(other)
    results = {name: r for name, r in run.pack.results().items() if name.rpartition("/")[0] == row}
    nll = [r["nll"] for r in results.values() if r["status"] == "finished"]
    if len(nll) < 2:
        return Tolerance(monte_carlo, ONE_SEED, f"one committed seed; {where}")
    spread = t_quantile(len(nll)) * float(np.std(nll, ddof=1)) * 2**0.5
    return Tolerance(monte_carlo, spread, f"{len(nll)} committed seeds; {where}")


def rerun(
    name: str, runs: Path, results: Path = RESULTS, overrides: Sequence[str] = ()
) -> tuple[dict, dict, Tolerance]:
    """The committed result of the run `name`, the one made anew below `runs`, and the tolerance.

    An interrupted one goes on. Raises UsageError where `runs` has a result of it already or the
    data are not those that the committed one was made with.
    """
    # imported here: Lightning reads what launchers leave in the environment, which is hidden now
    from annealed.runs.run import fit

    run = committed(name, results)
    old = run.read()
    below = run.pack.path.relative_to(results).parents[1] / Path(run.name).parents[1]
    config = configuration(run, old, runs / below, overrides)
    folder = run_folder(config)
    if (folder / RESULT).exists():
        raise UsageError(f"{folder} has a result already; remove it, or name another RUNS.")
    new = read_result(fit(config, resume=True) / RESULT)
    if new["data_digest"] != old["data_digest"]:
        raise UsageError(
            f"the data here have SHA-256 {new['data_digest'][:12]}, those of {run} "
            f"{old['data_digest'][:12]}."
        )
    return old, new, tolerance(run, old, new)


def main() -> None:
    """The command line; see `--help`."""
    parser = argparse.ArgumentParser(prog="reproduce.checks.rerun", description=__doc__)
    parser.add_argument("cell", help="<preset>/<data>/<row>/seed<k> of reports/results/")
    runs = argument("--runs")
    parser.add_argument("--runs", default="runs", type=runs, help="the run goes to RUNS/again/")
    parser.add_argument("--allow-import", action="store_true", help="the row may name a class")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help=OVERRIDES_HELP)
    arguments = parser.parse_intermixed_args()
    if arguments.allow_import:
        allow_import()
    place = Path(arguments.runs, "again")
    old, new, allowed = rerun(arguments.cell, place, RESULTS, arguments.overrides)
    difference = new["nll"] - old["nll"]
    comparison = (
        f"{arguments.cell}: NLL {old['nll']:.4f} committed, {new['nll']:.4f} here, difference "
        f"{difference:+.4f} nats; tolerance {allowed.total:.4f} = {allowed.monte_carlo:.4f} of "
        f"Monte Carlo ({ERRORS:.0f} standard errors) + {allowed.seeds:.4f} of seeds "
        f"({allowed.because})"
    )
    if abs(difference) > allowed.total:
        commits = [r["provenance"]["commit"].split(":")[0][:12] for r in (old, new)]
        raise UsageError(
            f"not reproduced: {comparison}; commit {commits[0]} there, {commits[1]} here."
        )
    print(f"reproduced: {comparison}{', the same bits' if difference == 0.0 else ''}.")


if __name__ == "__main__":
    sys.exit(cli.run(main, "Run the same command again to go on."))
