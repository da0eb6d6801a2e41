"""A run's result.json: which run it is of, how it is read, up to which k-hat to trust it."""

import json
import math
from pathlib import Path

from annealed.config.schema import Config
from annealed.utils.errors import UsageError

RESULT = "result.json"


def identity(config: Config) -> dict:
    """Which run a result is of; `energy` is of toys alone."""
    names = {
        "row": config.row,
        "method": config.method,
        "preset": config.preset,
        "data": config.data.name,
        "seed": config.seed,
    }
    return names if config.data.energy is None else {**names, "energy": config.data.energy}


def place(of: dict) -> Path:
    """The run folder, below that of all runs, of the run that `of`, as of `identity`, names."""
    data = filter(None, [of["data"], of.get("energy")])
    return Path(of["preset"], *data, of["row"], f"seed{of['seed']}")


def trusted_k(samples: int) -> float:
    """The k-hat up to which S samples suffice (Vehtari et al. 2024, arXiv 1507.02646, eq. 13)."""
    return min(1.0 - 1.0 / math.log10(max(samples, 2)), 0.7)


def read_result(path: Path) -> dict:
    """A result.json; raises UsageError where it is not one."""
    if not path.exists():
        raise UsageError(f"{path} is not there; the run has not finished.")
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
        return {**result, "status": result["status"]}
    except (OSError, ValueError, KeyError, TypeError):
        raise UsageError(f"{path} is not a readable result; delete it and run again.") from None


def read_placed(path: Path) -> dict:
    """The result at `path`, in its run folder.

    Raises UsageError as `read_result` does, and where it is of another run than its place says.
    """
    result = read_result(path)
    try:
        right = place(result)
    except (KeyError, TypeError):
        raise UsageError(f"{path} does not say of which run it is; remove it.") from None
    if path.parent.parts[-len(right.parts) :] != right.parts:
        raise UsageError(
            f"{path} is a copy: it holds the result of {right}. Remove the copy; a result counts "
            "once, where its run put it."
        )
    return result
