"""What the page fits, and the cases whose tables it stands in; a setting may be in several."""

from dataclasses import dataclass

from reproduce.experiments import paths
from reproduce.experiments.corners.targets import (
    DIMENSIONS,
    FAR,
    FUNNELS,
    NEAR,
    funnel_name,
    modes_name,
)

LONG, SHORT = 10, 5  # transitions
RHOS = (0.0, 0.2, 0.5, 0.8, 1.0)


@dataclass(frozen=True)
class Budget(paths.Budget):
    """And what a sample is scored by: points of it, particles that average its density."""

    points: int = 3000
    particles: int = 10_000
    hidden: int = 64


BUDGETS = {
    "quick": Budget(steps=200, seeds=2, draws=10_000, points=500, particles=500),
    "full": Budget(steps=2000),
}


@dataclass(frozen=True)
class Setting:
    """A path of `count` refinements trained on a target.

    `phases` are pairs of rho, the share of AVO steps, and the share of all training that it lasts:
    rho = 0 is the ELBO, rho = 1 AVO alone. `alphas` and `first` are those of schedules.alphas.
    """

    target: str
    count: int
    phases: tuple[tuple[float, float], ...]
    alphas: str = "linear"
    first: float | None = None

    @property
    def name(self) -> str:
        """What a person calls it."""
        plain = self.alphas == "linear" and self.first is None
        phases = ", then ".join(f"rho {rho:g} for {share:g}" for rho, share in self.phases)
        schedule = "" if plain else f", {self.alphas} {self.first}"
        return f"{self.target}, T={self.count}, {phases}{schedule}"


def mixed(target: str, count: int, rho: float, **schedule) -> Setting:
    """A setting of one phase."""
    return Setting(target, count, ((rho, 1.0),), **schedule)


@dataclass(frozen=True)
class Line:
    """A setting under its name in a case, and the setting from which its difference is."""

    label: str
    setting: Setting
    against: Setting | None = None


@dataclass(frozen=True)
class Case:
    """A question, and the settings that answer it."""

    title: str
    reference: str  # what differences are from
    lines: tuple[Line, ...]


def far() -> Case:
    """Too few transitions, or alphas that start late, for modes that q_0 does not cover."""
    best = mixed(FAR, LONG, 1.0)
    lines = [Line("T=1, AVO (the same as the ELBO)", mixed(FAR, 1, 1.0), best)]
    for count in (2, SHORT, LONG):
        lines += [
            Line(f"T={count}, ELBO", mixed(FAR, count, 0.0), best),
            Line(f"T={count}, AVO, alpha_1 = {1 / count:g}", mixed(FAR, count, 1.0), best),
        ]
    for kind, first in (("linear", 0.5), ("linear", 0.9), ("geometric", 0.01)):
        label = f"T={LONG}, AVO, {kind}, alpha_1 = {first:g}"
        lines.append(Line(label, mixed(FAR, LONG, 1.0, alphas=kind, first=first), best))
    return Case(
        "Far modes: a coarse alpha schedule, or T too small",
        f"AVO with T={LONG}, linear",
        tuple(lines),
    )


def pairs(title: str, names: list[str], rhos: dict[str, float]) -> Case:
    """Targets down, objectives within them, each objective against the ELBO on its target."""
    lines = [
        Line(f"{name}, {label}", mixed(name, SHORT, rho), mixed(name, SHORT, 0.0))
        for name in names
        for label, rho in rhos.items()
    ]
    return Case(title, "the ELBO", tuple(lines))


def tuned() -> Case:
    """AVO alone, AVO and then the ELBO, each also for the same number of steps in all."""
    lines = []
    for name in (NEAR, FAR):
        half = Setting(name, SHORT, ((1.0, 0.5),))
        both = Setting(name, SHORT, ((1.0, 0.5), (0.0, 0.5)))
        rows = {
            "AVO, half the steps": half,
            "the same, then ELBO": both,
            "AVO, all steps": mixed(name, SHORT, 1.0),
            "ELBO, all steps": mixed(name, SHORT, 0.0),
        }
        lines += [Line(f"{name}, {label}", setting, half) for label, setting in rows.items()]
    return Case(
        "The last marginal of AVO, and ELBO fine-tuning", "AVO, half the steps", tuple(lines)
    )


def rho() -> Case:
    """rho from 0 to 1."""
    lines = [
        Line(f"{name}, rho = {value:g}", mixed(name, SHORT, value), mixed(name, SHORT, 0.0))
        for name in (NEAR, FAR)
        for value in RHOS
    ]
    return Case("rho from 0 to 1", "rho = 0", tuple(lines))


def cases() -> dict[str, Case]:
    """Every case of the page by its short name."""
    both = {"ELBO": 0.0, "AVO": 1.0}
    return {
        "far": far(),
        "dimensions": pairs(
            "Dimension 2 to 50, the same modes", [modes_name(d) for d in DIMENSIONS], both
        ),
        "funnel": pairs(
            "A funnel",
            [funnel_name(d) for d in FUNNELS],
            {"ELBO": 0.0, "mixture, rho = 0.2": 0.2, "AVO": 1.0},
        ),
        "tuned": tuned(),
        "rho": rho(),
    }


def settings() -> list[Setting]:
    """Every setting once, in the order of the cases."""
    return list(dict.fromkeys(line.setting for case in cases().values() for line in case.lines))
