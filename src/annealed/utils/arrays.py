"""Arrays: a part that stands for the whole; files read back, whatever became of them."""

from pathlib import Path

import numpy as np

from annealed.utils.errors import UsageError

Arrays = dict[str, np.ndarray]


def index_of_part(count: int, available: int, spaced: bool) -> slice | list[int]:
    """Which `count` of so many: the first, or evenly `spaced`; all where there are fewer."""
    if not spaced or count >= available:
        return slice(count)
    return [(2 * i + 1) * available // (2 * count) for i in range(count)]


def read_arrays(path: Path, *names: str, advice: str) -> Arrays:
    """All arrays of an .npz, by name.

    Raises UsageError, that ends in `advice`, where the file is missing, cut short or damaged, or
    lacks one of `names`.
    """
    try:
        with np.load(path) as file:
            arrays = dict(file)
    except Exception:  # a damaged file fails anywhere below: zip, zlib, the header's tokens
        raise UsageError(f"{path} is not readable; {advice}.") from None
    if missing := [name for name in names if name not in arrays]:
        raise UsageError(f"{path} lacks {', '.join(missing)}; {advice}.")
    return arrays
