"""A run's result.json: which run it is of, how it is read, up to which k-hat to trust it."""

import json
import math
from pathlib import Path

from annealed.config.schema import Config
from annealed.utils.errors import UsageError

RESULT = "result.json"


def identity(config: Config) -> dict:
    """Which cell a result is of; `energy` is of toys alone."""
    names = {
        "row": config.row,
        "method": config.method,
        "preset": config.preset,
        "data": config.data.name,
        "seed": config.seed,
    }
    return names if config.data.energy is None else {**names, "energy": config.data.energy}


def trusted_k(samples: int) -> float:
    """The k-hat up to which S samples suffice (Vehtari et al. 2024, arXiv 1507.02646, eq. 13)."""
    return min(1.0 - 1.0 / math.log10(max(samples, 2)), 0.7)


def read_result(path: Path) -> dict:
    """A result.json; raises UsageError where it is not one."""
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
        return {**result, "status": result["status"]}
    except (OSError, ValueError, KeyError, TypeError):
        raise UsageError(f"{path} is not a readable result; delete it and run again.") from None
