"""The results of a page's works: where each is, what stands beside it, and what makes it today."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from annealed.config.schema import Config
from annealed.runs.folders import each_seed, is_of
from reproduce.experiments.page_work import PageWork
from reproduce.scheduling.work import Work


@dataclass(frozen=True)
class Entry:
    """A result as JSON, what stands beside it as NPZ, and the names of the arrays to keep.

    By `setup` a unit is made today, by `config` a run.
    """

    path: Path
    beside: Path
    shown: tuple[str, ...]
    setup: dict | None = None
    config: Config | None = None

    def made(self, result: dict) -> bool:
        """Whether `result` is what it makes today."""
        if self.config is None:
            return result.get("setup") == self.setup
        return is_of(self.config, self.path, result)


def entries(works: Sequence[Work]) -> Iterator[Entry]:
    """Every result of `works`, folder by folder; of units the first seed's arrays are shown."""
    for work in works:
        if isinstance(work, PageWork):
            for place in work.places:
                for seed in range(work.seeds):
                    shown = place.shown if seed == 0 else ()
                    yield Entry(place.path(seed), place.arrays(seed), shown, place.setup)
        else:
            for path, config in zip(work.results(), each_seed(work.config()), strict=True):
                yield Entry(path, path.with_suffix(".npz"), ("log_prob",), config=config)
