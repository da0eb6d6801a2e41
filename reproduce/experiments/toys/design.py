"""What the toy page fits: which energy, method, number of steps and objective, and how long."""

from dataclasses import dataclass
from itertools import product

from annealed.models import catalogue, energies
from annealed.models.targets import Energy
from reproduce.experiments import paths

LABELS_OF = {
    "a": "two crescents (a)",
    "b": "broken ring (b)",
    "c": "ellipse (c)",
    "d": "four modes (d)",
    "i": "torchkit modes (i)",
    "e": "wave (e)",
    "f": "split wave (f)",
    "g": "wide four modes (g)",
    "h": "25 modes (h)",
}
# energy -> its label, half width of the figures, of exact sampling, the scale of q_0
TARGETS = {
    letter: (LABELS_OF[letter], half_width, reach, scale)
    for letter, scale, half_width, reach in catalogue.PLANAR.values()
}
MODES = {catalogue.PLANAR[name][0]: modes for name, (modes, _) in catalogue.MODES.items()}
MASSES = {catalogue.PLANAR[name][0]: masses for name, (_, masses) in catalogue.MODES.items()}
UNIT_START = "hvi_unit"  # from q_0 = N(0, I), by kernels whose noise starts at 1
LABELS = {"hvi": "HVI", UNIT_START: "HVI, unit start", "iaf": "IAF"}
METHODS, COUNTS, OBJECTIVES = tuple(LABELS), (4, 10), ("ELBO", "AVO")
MARGINALS = {"hvi": "d", UNIT_START: "i", "iaf": "d"}  # the target whose marginals are shown


@dataclass(frozen=True)
class Budget(paths.Budget):
    """And what a sample is scored by: points of it, particles that average its density."""

    points: int = 4000
    particles: int = 10_000


BUDGETS = {
    "quick": Budget(steps=100, seeds=2, draws=10_000, points=1000, particles=1000),
    "full": Budget(steps=3000),
}


@dataclass(frozen=True)
class Family:
    """What is fitted side by side: all targets and seeds of a method, length and objective."""

    method: str
    count: int
    objective: str

    @property
    def label(self) -> str:
        """What a person calls it."""
        return f"{LABELS[self.method]} T={self.count}, {self.objective}"


@dataclass(frozen=True)
class Setting:
    """A family on one target."""

    target: str
    family: Family

    def energy(self) -> Energy:
        """The target."""
        return energies.energy(self.target)

    def scale(self) -> list[float]:
        """The standard deviations of q_0: wide enough to cover the target, or 1."""
        return [1.0 if self.family.method == UNIT_START else TARGETS[self.target][3]] * 2


def families() -> list[Family]:
    """Every family of the page."""
    return [Family(*group) for group in product(METHODS, COUNTS, OBJECTIVES)]


def settings(targets=tuple(TARGETS)) -> list[Setting]:
    """Every setting of the page, target by target."""
    return [Setting(target, family) for target in targets for family in families()]
