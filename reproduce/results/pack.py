"""Results of many runs in two files: <stem>.jsonl has a line a run, <stem>.npz its arrays.

A line is a run's name and its result. The arrays are its metrics, a record an epoch, the test
images' log p(x), (N,), and others that a page needs, all in float32. A run is in the pack when it
has a line, which is written last.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd

from annealed.utils.errors import UsageError
from annealed.utils.files import locked, replace, replace_text

SUFFIX = ".jsonl"
METRICS, LOG_PROB = "metrics", "log_prob"
NARROW = {"float64": np.float32, "int64": np.int32}  # where no number changes by it
WIDE = {"float32": np.float64, "int32": np.int64}


@dataclass(frozen=True)
class Pack:
    """The results in the file at `path` and beside it; none where there is no file."""

    path: Path

    @property
    def arrays(self) -> Path:
        """The second file."""
        return self.path.with_suffix(".npz")

    def results(self) -> dict[str, dict]:
        """Every result by its run's name; raises UsageError where the file cannot be read."""
        return dict(_lines(self.path, _version(self.path)))

    def metrics(self, name: str) -> pd.DataFrame | None:
        """The metrics of a run, a line an epoch; None where it has none."""
        array = self._array(f"{name}/{METRICS}")
        if array is None:
            return None
        frame = pd.DataFrame(array)
        return frame.astype({k: WIDE.get(str(t), t) for k, t in frame.dtypes.items()})

    def log_prob(self, name: str) -> np.ndarray | None:
        """The test images' log p(x) of a run in nats, (N,) in float64; None where it diverged."""
        return self.array(name, LOG_PROB)

    def array(self, name: str, key: str) -> np.ndarray | None:
        """The array `key` of a run, in float64; None where it has none."""
        array = self._array(f"{name}/{key}")
        return None if array is None else array.astype(np.float64)

    def add(
        self,
        name: str,
        result: dict,
        metrics: pd.DataFrame | None,
        log_prob: np.ndarray | None,
        others: Mapping[str, np.ndarray] = MappingProxyType({}),
        keep: bool = False,
    ) -> dict:
        """Put a run into the pack, in the place of one of its name; other processes wait.

        With `keep` one of its name stays. Returns the result that the pack then has.

        Arrays of runs without a line, such as one that was removed by hand, are dropped.

        `others` are arrays by a key that is neither METRICS nor LOG_PROB.

        Raises UsageError where the files cannot be read or written.
        """
        with locked(self.path.parent, "the folder of results", wait=True):
            there = self.results()
            if keep and name in there:
                return there[name]
            beside = there.keys() - {name}
            arrays = {k: v for k, v in self._read().items() if k.rpartition("/")[0] in beside}
            arrays |= {} if metrics is None else {f"{name}/{METRICS}": _records(metrics)}
            numbers = {**others} if log_prob is None else {**others, LOG_PROB: log_prob}
            arrays |= {f"{name}/{key}": np.float32(values) for key, values in numbers.items()}
            ordered = {key: arrays[key] for key in sorted(arrays)}
            replace(self.arrays, lambda f: np.savez_compressed(f, **ordered))
            results = there | {name: result}
            lines = ({"run": key, **results[key]} for key in sorted(results))
            replace_text(self.path, "".join(json.dumps(line) + "\n" for line in lines))
        return result

    def _array(self, key: str) -> np.ndarray | None:
        if not self.arrays.exists() and not self.results():
            return None
        with _explained(self.arrays):
            return _opened(self.arrays, _version(self.arrays)).get(key)

    def _read(self) -> dict[str, np.ndarray]:
        if not self.arrays.exists():
            return {}
        with _explained(self.arrays), np.load(self.arrays) as stored:
            return dict(stored)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Raise UsageError where the arrays at `path` cannot be read in this block."""
    try:
        yield
    except Exception:  # a damaged file fails anywhere below: zip, zlib, the header's tokens
        remedy = "`git checkout` brings it back where it was committed"
        raise UsageError(f"{path} is not there, or not readable; {remedy}.") from None


def _records(metrics: pd.DataFrame) -> np.ndarray:
    """A frame as records whose numbers take half the room where that changes none of them."""
    narrow = metrics.astype({k: NARROW.get(str(t), t) for k, t in metrics.dtypes.items()})
    kept = [k for k in metrics if not narrow[k].astype(metrics[k].dtype).equals(metrics[k])]
    return np.array(narrow.assign(**{k: metrics[k] for k in kept}).to_records(index=False))


def _version(path: Path) -> tuple[int, int] | None:
    """What changes when a file is replaced."""
    if not path.exists():
        return None
    state = path.stat()
    return state.st_ino, state.st_mtime_ns


@lru_cache(maxsize=32)
def _lines(path: Path, version: tuple[int, int] | None) -> dict[str, dict]:
    if version is None:
        return {}
    results = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            result = json.loads(line)
            name, _ = result.pop("run"), result["status"]
            _, _ = name.rsplit("/", 1)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise UsageError(f"{path}, line {number}, is not a readable result.") from None
        if name in results:
            raise UsageError(f"{path}, line {number}: {name} has a line above; remove one.")
        results[name] = result
    return results


@lru_cache(maxsize=32)
def _opened(path: Path, version: tuple[int, int]) -> np.lib.npyio.NpzFile:
    return np.load(path)
