"""Options of rows whose transitions are given the annealed target."""

from dataclasses import dataclass

from annealed.config.fields import choice, number
from annealed.inference.annealed_path import AnnealedPosterior, AnnealedTransition
from annealed.inference.hamiltonian import Hamiltonian
from annealed.inference.langevin import Langevin
from annealed.methods.base import PosteriorBuilder
from annealed.methods.options import PathOptions, refuse_first_alpha


@dataclass
class AnnealedOptions(PathOptions):
    """What every annealed path has."""

    steps: int = number(5, low=1)
    step_size: float = number(0.01, low=0.0, open_ends=True)  # where it starts
    learn_step_size: bool = True
    per_dimension: bool = True  # a step size for each latent
    max_drift: float | None = number(5.0, low=0.0, open_ends=True)  # of a step; null: no limit
    alphas: str = choice("linear", "geometric", "learnt", default="linear")
    first_alpha: float | None = number(None, low=0.0, high=1.0, open_ends=True)  # alpha_1

    def __post_init__(self):
        refuse_first_alpha("method.transitions", self.alphas, self.first_alpha)

    def posterior(self, builder: PosteriorBuilder) -> AnnealedPosterior:
        """The posterior with these transitions, which follows the row's target."""
        return builder.annealed_posterior(self.build(builder), self.alphas, self.first_alpha)

    def sizes(self) -> dict[str, float | bool | None]:
        """The arguments that say how far a transition moves."""
        names = ("step_size", "learn_step_size", "per_dimension", "max_drift")
        return {name: getattr(self, name) for name in names}


@dataclass
class LangevinOptions(AnnealedOptions):
    """Langevin steps whose reverse kernel is the forward one."""

    def build(self, builder: PosteriorBuilder) -> list[AnnealedTransition]:
        """Independent transitions, one a step."""
        return [Langevin(builder.latent, **self.sizes()) for _ in range(self.steps)]


@dataclass
class LearntReverseOptions(AnnealedOptions):
    """Langevin steps whose reverse kernel has a network."""

    hidden: int = number(40, low=1)  # units of it
    reverse = "learnt"

    def build(self, builder: PosteriorBuilder) -> list[AnnealedTransition]:
        """Independent transitions, one a step."""
        widths = (builder.latent, builder.context, self.hidden)
        sizes = self.sizes()
        return [Langevin(*widths, reverse=self.reverse, **sizes) for _ in range(self.steps)]


@dataclass
class ControlledOptions(LearntReverseOptions):
    """Langevin steps with a network in both kernels."""

    reverse = "controlled"


@dataclass
class HamiltonianOptions(AnnealedOptions):
    """Leapfrog steps whose momentum lasts in part from one to the next."""

    step_size: float = number(0.1, low=0.0, open_ends=True)
    leapfrogs: int = number(1, low=1)  # of a step
    persistence: float = number(0.9, low=0.0, high=0.999)  # of the momentum, where it starts
    learn_persistence: bool = True

    def build(self, builder: PosteriorBuilder) -> list[AnnealedTransition]:
        """Independent transitions, one a step, of which the first draws its momentum."""
        sizes = {"learn_persistence": self.learn_persistence, **self.sizes()}
        kept = [0.0] + [self.persistence] * (self.steps - 1)
        return [Hamiltonian(builder.latent, self.leapfrogs, persistence=k, **sizes) for k in kept]
