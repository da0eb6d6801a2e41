"""Numbers of a long scoring, kept batch by batch, so that a killed one goes on."""

import json
from pathlib import Path

import numpy as np

from annealed.utils.arrays import Arrays, read_arrays
from annealed.utils.errors import UsageError
from annealed.utils.files import replace

KEY = "key"
ADVICE = "remove it and score again"


class BatchFile:
    """Arrays by kind and name, each grown by a batch at a time, in one .npz that is replaced.

    `key` says what they are numbers of. Raises UsageError where there is a file at `path` that is
    not readable, or of another key.
    """

    def __init__(self, path: Path, key: dict):
        self.path, self.key = path, key
        self.arrays: Arrays = {}
        if not path.exists():
            return
        self.arrays = read_arrays(path, KEY, advice=ADVICE)
        try:
            there = json.loads(str(self.arrays.pop(KEY)))
        except ValueError:
            raise UsageError(f"{path} is not readable; {ADVICE}.") from None
        if there != key:
            raise UsageError(
                f"{path} is of an unfinished scoring with {differences(there, key)}; ask for that, "
                "remove the file, or name another folder with --output."
            )

    def of(self, kind: str) -> Arrays:
        """The arrays of `kind`, by name."""
        prefix = f"{kind}/"
        return {k.removeprefix(prefix): v for k, v in self.arrays.items() if k.startswith(prefix)}

    def count(self, kind: str) -> int:
        """How many entries the arrays of `kind` have."""
        return max(map(len, self.of(kind).values()), default=0)

    def add(self, kind: str, batch: Arrays) -> None:
        """Add a batch to the arrays of `kind` and write them all."""
        for name, values in batch.items():
            place = f"{kind}/{name}"
            before = [self.arrays[place]] if place in self.arrays else []
            self.arrays[place] = np.concatenate([*before, values])
        content = {KEY: np.array(json.dumps(self.key)), **self.arrays}
        replace(self.path, lambda f: np.savez(f, **content))

    def remove(self) -> None:
        """Remove the file, once its numbers are in the result."""
        self.path.unlink(missing_ok=True)


def differences(there: dict, here: dict) -> str:
    """Where the values of `there` are not those of `here`, in words."""
    names = [name for name in {**there, **here} if there.get(name) != here.get(name)]
    return ", ".join(f"{name} {there.get(name)} (now {here.get(name)})" for name in sorted(names))
