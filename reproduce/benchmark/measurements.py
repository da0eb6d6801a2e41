"""Measured cases with their ratios, kept in a CSV, and how much work is measured."""

from dataclasses import asdict, dataclass, fields
from pathlib import Path

import pandas as pd
import torch

from annealed.compute import onednn
from annealed.utils.errors import UsageError
from annealed.utils.files import replace_text

PIXELS, BATCH = 784, 100
ROWS = ("vae", "hvi_avo")  # that seeds side by side are measured on


@dataclass
class Measurement:
    """One measured case: microseconds an item, and how many times the time of `against`.

    Of an estimator of log p(x) it says the NLL too, and the nats `gained` by it on `against`.
    """

    section: str
    case: str
    item: str
    microseconds: float
    against: str
    ratio: float
    megabytes: float | None = None
    nll: float | None = None  # nats an image
    gained: float | None = None  # nats an image
    gained_error: float | None = None  # its standard error over the images, which are the same
    gained_a_second: float | None = None  # over all the seconds that the case takes an image
    measured: str = ""  # machine, commit and date


@dataclass
class Budget:
    """How much work a turn is."""

    rounds: int
    images: int  # of a training epoch, a multiple of BATCH
    samples: int  # importance samples of a scored batch
    device: torch.device
    peers: str | None  # the folder pythae was installed into
    rows: tuple[str, ...] = ROWS  # those of ROWS to measure

    @property
    def onednn(self) -> bool:
        """Whether oneDNN multiplies here by default."""
        return onednn.resolve("auto", self.device) == "onednn"

    @property
    def train(self) -> torch.Tensor:
        """Images of noise: the time does not depend on what they show."""
        g = torch.Generator().manual_seed(0)
        return torch.randint(0, 256, (self.images, PIXELS), dtype=torch.uint8, generator=g)


def measurements(
    section: str, item: str, taken: dict[str, float], items: dict[str, int], against: str
) -> list[Measurement]:
    """One for each case that took `taken` seconds for its number of `items`."""
    each = {name: 1e6 * spent / items[name] for name, spent in taken.items()}
    return [
        Measurement(section, name, item, v, against, v / each[against]) for name, v in each.items()
    ]


def merged(kept: list[Measurement], fresh: list[Measurement]) -> list[Measurement]:
    """Both, section by section; where `fresh` has one of the same name, that takes the place."""
    again = {line.section for line in fresh}
    of_section: dict[str, list[Measurement]] = {}
    for line in [*(line for line in kept if line.section not in again), *fresh]:
        of_section.setdefault(line.section, []).append(line)
    order = dict.fromkeys(line.section for line in [*kept, *fresh])
    return [line for name in order for line in of_section[name]]


def write(path: Path, lines: list[Measurement]) -> None:
    """Write them as a CSV, a line each."""
    replace_text(path, pd.DataFrame([asdict(line) for line in lines]).to_csv(index=False))


def read(path: Path) -> list[Measurement]:
    """The lines of a CSV; none where there is no file. Raises UsageError where it has others."""
    if not path.exists():
        return []
    columns = [field.name for field in fields(Measurement)]
    try:
        frame = pd.read_csv(path, encoding="utf-8", keep_default_na=False, na_values={""})
    except ValueError as error:  # all of pandas' own are such
        reason = str(error).strip().partition("\n")[0]
        raise UsageError(f"{path} is no CSV ({reason}); delete it and measure anew.") from None
    if list(frame.columns) != columns:
        raise UsageError(
            f"{path} has the columns {', '.join(map(str, frame.columns))}; accepted: "
            f"{', '.join(columns)}. Delete it and measure anew."
        )
    records = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return [Measurement(**record) for record in records]
