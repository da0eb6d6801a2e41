"""What the page fits on toy targets: which, by which method and objective, and how long."""

from dataclasses import dataclass

import torch

from annealed.models import energies
from annealed.models.high_dimensional import rotation
from annealed.models.targets import Energy
from reproduce.experiments.paths import Budget

BUDGETS = {"quick": Budget(steps=200, seeds=3, draws=20_000), "full": Budget(steps=2000)}
ROTATED = 8  # dimensions of the rotated Gaussian
OBJECTIVES = {  # name on the page -> objectives and their shares of the steps
    "ELBO": (("elbo", 1.0),),
    "mixture": (("mixture", 1.0),),
    "AVO": (("avo", 1.0),),
    "AVO, then ELBO": (("avo", 0.5), ("elbo", 0.5)),
}


def rotated_spectrum() -> torch.Tensor:
    """Variances 10 to 0.1, evenly spaced in the logarithm: (8,) in float64."""
    return torch.logspace(1.0, -1.0, ROTATED, dtype=torch.float64)


def rotated_covariance() -> torch.Tensor:
    """Q diag(rotated_spectrum) Q^T with one random orthogonal Q: (8, 8) in float64."""
    q = rotation(ROTATED)
    return q @ rotated_spectrum().diag() @ q.T


TARGETS = {  # name on the page -> how to make it
    "four modes (d)": lambda: energies.energy("d"),
    "two crescents (a)": lambda: energies.energy("a"),
    "wave (e)": lambda: energies.energy("e"),
    "correlated Gaussian": lambda: energies.correlated_gaussian(0.9),
    "rotated Gaussian, 8-D": lambda: energies.gaussian(rotated_covariance()),
}
WINDOWS = {"four modes (d)": 4.0, "two crescents (a)": 4.0, "wave (e)": 6.0}  # half widths


@dataclass(frozen=True)
class Setting:
    """A target, a path of `count` steps of one method, and how it is trained."""

    target: str
    method: str
    count: int
    objective: str

    @property
    def name(self) -> str:
        """What a person calls it."""
        return f"{self.target}, {label(self.method, self.count)}, {self.objective}"

    def energy(self) -> Energy:
        """The target."""
        return TARGETS[self.target]()

    def scale(self) -> list[float]:
        """The standard deviations of q_0.

        Wide and round for IAF and HVI, since an IAF's gate can only contract. For reflections the
        target's own spectrum along the wrong axes, or a long ellipse, since a reflection changes
        no spectrum and leaves a round Gaussian as it is.
        """
        if self.method != "householder":
            return [3.0, 3.0] if self.target.startswith("wave") else [2.0, 2.0]
        if self.target.startswith("rotated"):
            return rotated_spectrum().sqrt().tolist()
        return [1.9**0.5, 0.1**0.5] if self.target.startswith("correlated") else [2.0, 0.5]


def label(method: str, count: int) -> str:
    """A method with its number of steps."""
    return {"householder": "Householder", "iaf": "IAF", "hvi": "HVI"}[method] + f" T={count}"


def settings() -> list[Setting]:
    """Every toy setting of the page."""
    planar = [name for name in TARGETS if name in WINDOWS]
    groups = [(target, "iaf", count) for target in planar for count in (4, 8)]
    groups += [("correlated Gaussian", "iaf", 4)]
    mirrored = ["correlated Gaussian", "rotated Gaussian, 8-D", "four modes (d)"]
    groups += [(target, "householder", count) for target in mirrored for count in (4, 8)]
    invertible = [Setting(*group, objective) for group in groups for objective in OBJECTIVES]
    return invertible + [Setting(t, "hvi", 4, o) for t in planar for o in ("ELBO", "AVO")]
