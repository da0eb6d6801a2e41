"""Options of a row's path, and the transitions that they build."""

from dataclasses import dataclass, field

from annealed.flows import IAF, ConvexLinearIAF, Householder
from annealed.method import Parts
from annealed.options import number
from annealed.transitions import MeanField, Refinement, Transition


@dataclass
class RefinementOptions:
    """The stochastic transitions of HVI."""

    steps: int = number(5, low=1)
    hidden: int = number(40, low=1)
    sigma: float = number(0.05, low=0.0, open_ends=True)
    gate_bias: float = number(-2.0)

    def build(self, parts: Parts) -> list[Transition]:
        """Independent transitions, one a step."""
        sizes = (parts.latent, parts.context, self.hidden, self.sigma, self.gate_bias)
        return [Refinement(*sizes) for _ in range(self.steps)]


@dataclass
class HouseholderOptions:
    """A chain of reflections."""

    steps: int = number(10, low=1)

    def build(self, parts: Parts) -> list[Transition]:
        """Reflections, each of which makes its vector of the one before."""
        widths = [parts.context] + [parts.latent] * (self.steps - 1)
        return [Householder(parts.latent, width) for width in widths]


@dataclass
class IAFOptions:
    """Inverse autoregressive flow steps, in alternating order."""

    steps: int = number(2, low=1)
    hidden: int = number(320, low=1)
    gate_bias: float = number(2.0)

    def build(self, parts: Parts) -> list[Transition]:
        """Steps of which every second one reverses the order of z."""
        sizes = (parts.latent, parts.context, self.hidden, self.gate_bias)
        return [IAF(*sizes, flip=t % 2 == 1) for t in range(self.steps)]


@dataclass
class HierarchicalOptions:
    """A variational prior over lambda and the mean-field step to z."""

    prior: IAFOptions = field(default_factory=IAFOptions)
    hidden: int = number(40, low=1)
    sigma: float = number(0.3, low=0.0, open_ends=True)

    def build(self, parts: Parts) -> list[Transition]:
        """The prior's flow on lambda, then z given lambda."""
        last = MeanField(parts.latent, parts.context, self.hidden, self.sigma)
        return [*self.prior.build(parts), last]


@dataclass
class ConvexLinearOptions:
    """One convex combination of linear flows."""

    count: int = number(5, low=1)

    def build(self, parts: Parts) -> list[Transition]:
        """The one step."""
        return [ConvexLinearIAF(parts.latent, parts.context, self.count)]
