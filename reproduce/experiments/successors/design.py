"""What the page fits on the ring and on two toys, by which method, and what it weighs."""

from dataclasses import dataclass
from itertools import product

from torch import nn

from annealed.inference.annealed_path import AnnealedPosterior
from annealed.inference.hamiltonian import Hamiltonian
from annealed.inference.langevin import Langevin
from annealed.inference.nested import NVI
from annealed.inference.objectives import Maximise, Objective
from annealed.inference.posteriors import Posterior
from annealed.inference.thermodynamic import Thermodynamic
from annealed.models import build
from annealed.models.targets import Energy
from annealed.utils import randomness
from reproduce.experiments import paths
from reproduce.experiments.nested import design as nested

LEARNT_KERNELS = {"HVI": "HVI", "HVI-AVO": "AVO", "HVI-NVI": "NVI"}  # method -> kind in `nested`
LANGEVIN = {"L-MCVAE": "plain", "MCD": "learnt", "CMCD": "controlled"}  # method -> reverse kernel
PERSISTENCE = 0.9  # of UHA's momentum, where it starts
SUCCESSORS = (*LANGEVIN, "UHA", "TVO")
METHODS = (*LEARNT_KERNELS, *SUCCESSORS)

COUNTS = (4, 8)  # K of the ring, f_0 and f among the annealed targets: K - 1 transitions
ENERGIES = {"lattice": ("25 modes", 2), "funnel": ("funnel in 10-D", 10)}  # label, dimensions
TRANSITIONS = 10  # of a toy
ROWS = ("vae", "iwae", "hvi", "hvi_avo", "hvi_nvi", "lmcvae", "mcd", "cmcd", "uha", "tvo")
REFERENCE = "hvi"  # whose step is the unit of time and memory
# configurations in configs/published/: what they are, and the NLL on MNIST that was published, nats
PUBLISHED = {
    "thin2021": (
        "L-MCVAE, sizes of Thin et al. 2021",
        "84.58 ± 0.39 at K = 10; their VAE 85.22",
    ),
    "geffner2021": (
        "UHA, sizes of Geffner & Domke 2021",
        "by AIS 87.5 at K = 8, 86.9 at K = 64; their VAE 88.5",
    ),
}


@dataclass(frozen=True)
class Steps:
    """How the cost of a row's training step is measured: images, and rounds of ten steps."""

    batch: int
    rounds: int


@dataclass(frozen=True)
class Budget:
    """What a preset of the page is; a seed of a cost is one more measurement."""

    ring: nested.Budget
    toys: paths.Budget
    cost: Steps
    seeds: int


BUDGETS = {
    "quick": Budget(
        nested.BUDGETS["quick"],
        paths.Budget(steps=100, draws=10_000),
        Steps(batch=10, rounds=1),
        seeds=nested.BUDGETS["quick"].seeds,
    ),
    "full": Budget(
        nested.BUDGETS["full"],
        paths.Budget(steps=3000),
        Steps(batch=100, rounds=5),
        seeds=nested.BUDGETS["full"].seeds,
    ),
}


@dataclass(frozen=True)
class Ring:
    """A successor on the ring by K annealed targets."""

    method: str
    count: int

    @property
    def name(self) -> str:
        """What a person calls it."""
        return f"ring, {self.method}, K = {self.count}"


@dataclass(frozen=True)
class Toy:
    """A method on a toy of the catalogue."""

    energy: str
    method: str

    @property
    def name(self) -> str:
        """What a person calls it."""
        return f"{ENERGIES[self.energy][0]}, {self.method}"


@dataclass(frozen=True)
class Cost:
    """A row of MNIST's table, whose training step is weighed."""

    row: str


def from_nested(count: int) -> list[nested.Setting]:
    """The settings that the nested page fits, in the order of LEARNT_KERNELS."""
    return [nested.Setting(kind, count) for kind in LEARNT_KERNELS.values()]


def rings() -> list[Ring]:
    """What this page fits on the ring; HVI, AVO and NVI are the nested page's."""
    return [Ring(method, count) for method, count in product(SUCCESSORS, COUNTS)]


def toys() -> list[Toy]:
    """What this page fits on toys."""
    return [Toy(energy, method) for energy, method in product(ENERGIES, METHODS)]


def successor(
    method: str, transitions: int, target: Energy, dim: int, scale: float, hidden: int, seed: int
) -> Posterior:
    """The posterior of a method of SUCCESSORS from q_0 = N(0, scale^2 I), initialised by `seed`.

    Transitions start as those of the package's rows do, their drift not limited, and q_0 is held
    fixed. TVO has none: its posterior is a Gaussian alone, and q_0 is what it learns.
    """
    with randomness.initialisation(seed):
        if method == "TVO":
            return Posterior(nn.Identity(), build.wide_start(1, dim, scale))
        if method == "UHA":
            kept = [0.0] + [PERSISTENCE] * (transitions - 1)
            steps = [Hamiltonian(dim, persistence=share) for share in kept]
        else:
            reverse = LANGEVIN[method]
            steps = [Langevin(dim, hidden=hidden, reverse=reverse) for _ in range(transitions)]
        return AnnealedPosterior.unconditional(dim, scale, steps, target=target)


def objective(method: str, transitions: int, samples: int) -> Objective:
    """What a method maximises by `samples` draws a step, every step by it."""
    if method == "TVO":
        return Thermodynamic(samples, transitions)
    if method == "HVI-NVI":
        return NVI(transitions, samples, rho=1.0)
    return paths.objective("avo", transitions) if method == "HVI-AVO" else Maximise()
