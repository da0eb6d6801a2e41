"""Shared pieces: small models in float64, a run's command line, the real data where it is."""

import os
import pwd
import signal
from pathlib import Path

import pytest
import torch
from commands import Command
from torch import nn

from annealed.data.mnist import MD5
from annealed.inference.annealed_path import AnnealedPosterior
from annealed.inference.flows import IAF, ConvexLinearIAF, Householder
from annealed.inference.hamiltonian import Hamiltonian
from annealed.inference.iterative import IterativePosterior
from annealed.inference.langevin import Langevin
from annealed.inference.posteriors import GaussianHead, Posterior
from annealed.inference.transitions import MeanField, Refinement, Transition
from annealed.models.targets import LinearGaussian
from annealed.utils import randomness

ROOT = Path(__file__).parents[1]
IMPORTS = f"{ROOT / 'src'}{os.pathsep}{ROOT}"  # PYTHONPATH for `-m reproduce` in another folder
X, D, H = 6, 3, 5  # pixels, latent, context of the small models


def pytest_runtest_setup():
    """What a test draws without a seed of its own does not depend on the tests before it."""
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def interruptible():
    """What a test starts hears SIGINT, even where pytest runs in a shell's background."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def no_server(monkeypatch):
    """No test talks to a W&B server, whatever keys this machine has."""
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.delenv("WANDB_API_KEY", raising=False)


@pytest.fixture
def homeless(monkeypatch):
    """A user without a home folder, as in a container whose user has no entry in passwd."""

    def refuse(uid):
        raise KeyError(uid)

    for name in ("HOME", "XDG_CACHE_HOME", "ANNEALED_DATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", refuse)


@pytest.fixture
def start():
    """Start a training that goes on beside the test: (runs, *arguments) -> Command.

    What is left of it when the test ends is killed.
    """
    begun = []

    def go(runs: Path, *arguments: str, **environment: str) -> Command:
        options = ["--config", "hvi_avo", *TINY, f"runs={runs}", "trainer.epochs=12", *arguments]
        begun.append(Command("annealed.fit", *options, cwd=runs.parent, **environment))
        return begun[-1]

    yield go
    for command in begun:
        command.process.kill()
        command.wait()


def small_problem() -> tuple[LinearGaussian, torch.Tensor]:
    """A target whose log p(x) is exact, and ten draws from it."""
    g = torch.Generator().manual_seed(1)
    weight = 0.4 * torch.randn(X, D, generator=g, dtype=torch.float64)
    bias = torch.randn(X, generator=g, dtype=torch.float64)
    target = LinearGaussian(weight, bias, 0.7)
    z = torch.randn(10, D, generator=g, dtype=torch.float64)
    noise = torch.randn(10, X, generator=g, dtype=torch.float64)
    return target, (z @ weight.T + bias + 0.7 * noise)


@pytest.fixture
def linear_gaussian():
    """See `small_problem`."""
    return small_problem()


def refinements(steps: int) -> list[Transition]:
    """Independent stochastic steps that start loud enough to matter."""
    return [Refinement(D, H, hidden=4, sigma=0.3) for _ in range(steps)]


def langevin(reverse: str = "plain", **arguments) -> Langevin:
    """A Langevin step whose network, which starts at zero, has learnt something."""
    step = Langevin(D, H, hidden=4, reverse=reverse, step_size=0.05, **arguments)
    if step.drift is not None:
        nn.init.normal_(step.drift.out.weight, std=0.5)
    return step


def hamiltonian(leapfrogs: int = 2, **arguments) -> Hamiltonian:
    """Leapfrog steps with a momentum that lasts."""
    return Hamiltonian(D, leapfrogs, persistence=0.6, step_size=0.2, **arguments)


POSTERIORS = {  # what a small posterior's transitions are, by name
    "gaussian": list,
    "iterative": list,
    "hvi": lambda: refinements(3),
    "householder": lambda: [Householder(D, H), Householder(D, D), Householder(D, D)],
    "iaf": lambda: [IAF(D, H, 12), IAF(D, H, 12, flip=True)],
    "hvm": lambda: [IAF(D, H, 12), MeanField(D, H, 4)],
    "cc_lin_iaf": lambda: [ConvexLinearIAF(D, H, 3)],
    "lmcvae": lambda: [langevin() for _ in range(3)],
    "mcd": lambda: [langevin("learnt") for _ in range(3)],
    "cmcd": lambda: [langevin("controlled") for _ in range(3)],
    "uha": lambda: [Hamiltonian(D, persistence=0.0), hamiltonian(), hamiltonian(1)],
    "truncated cmcd": lambda: [langevin("controlled", max_drift=0.1) for _ in range(3)],
    "truncated uha": lambda: [Hamiltonian(D, persistence=0.0), hamiltonian(max_drift=0.1)],
    "mixed": lambda: [*refinements(2), IAF(D, H, 12), Householder(D, H)],
}


def posterior(kind: str | int, seed: int = 0, target: nn.Module | None = None) -> Posterior:
    """A small posterior in float64: one of POSTERIORS, or a number of refinements.

    Some read `target`, by default that of `small_problem`; those with annealed steps learn alphas.
    """
    with randomness.initialisation(seed):
        encoder = nn.Sequential(nn.Linear(X, H), nn.Tanh())
        transitions = refinements(kind) if isinstance(kind, int) else POSTERIORS[kind]()
        head = GaussianHead(H, D)
        target = target or small_problem()[0]
        if any(step.annealed for step in transitions):
            return AnnealedPosterior(encoder, head, transitions, target, "learnt").double()
        if kind != "iterative":
            return Posterior(encoder, head, transitions).double()
        return IterativePosterior(encoder, head, target, refinements=3, hidden=16).double()


def noise_for(q: Posterior, samples: int, batch: int, seed: int = 0) -> torch.Tensor:
    """Noise that fits `q`, in float64."""
    shape = (q.num_draws, samples, batch, D)
    return randomness.normal(shape, seed, "posterior", dtype=torch.float64)


def train_to(target, q: Posterior, x: torch.Tensor, steps: int = 400) -> Posterior:
    """`q` after `steps` of Adam on the ELBO of `target` at `x`."""
    from annealed.inference.objectives import elbo, log_weight

    adam = torch.optim.Adam(q.parameters(), 1e-2)
    for step in range(steps):
        adam.zero_grad()
        bound = elbo(log_weight(target, x, q(x, noise_for(q, 16, len(x), step)))).mean()
        (-bound).backward()
        adam.step()
    return q


def mnist_folder() -> Path:
    """$ANNEALED_DATA where it holds MNIST; skips the test where it does not."""
    root = Path(os.environ.get("ANNEALED_DATA", "nowhere"))
    if not all((root / "MNIST" / "raw" / name).is_file() for name in MD5):
        pytest.skip("MNIST is not at hand: set ANNEALED_DATA to a folder that has it")
    return root.resolve()


@pytest.fixture
def grey():
    """A few batches for each of five seeds."""
    g = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (5, 12, 7, 64), dtype=torch.uint8, generator=g)


TINY = [  # a run of seconds
    "preset=quick",
    "data.name=digits",
    "trainer.epochs=3",
    "trainer.warmup_epochs=0",
    "trainer.threads=1",
    "evaluate.samples=20",
    "wandb.mode=disabled",
]
