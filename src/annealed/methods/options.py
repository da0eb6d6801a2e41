"""Options of a row, and what they build: the transitions of its path, and AVO."""

from dataclasses import asdict, dataclass, field
from typing import Any

from annealed.config.fields import OptionError, choice, number
from annealed.inference.avo import AVO
from annealed.inference.flows import IAF, ConvexLinearIAF, Householder
from annealed.inference.nested import NVI, LearntAlphas
from annealed.inference.posteriors import Posterior
from annealed.inference.transitions import MeanField, Refinement, ResidualRefinement, Transition
from annealed.methods.base import PosteriorBuilder


class PathOptions:
    """Options of a path: `build` makes its transitions of a `PosteriorBuilder`."""

    def posterior(self, builder: PosteriorBuilder) -> Posterior:
        """The posterior with these transitions."""
        return builder.posterior(self.build(builder))


@dataclass
class RefinementOptions(PathOptions):
    """The stochastic transitions of HVI."""

    steps: int = number(5, low=1)
    hidden: int = number(40, low=1)
    sigma: float = number(0.05, low=0.0, open_ends=True)
    gate_bias: float = number(-2.0)
    kernel: str = choice("gated", "residual", default="gated")  # a residual one has no gate

    def build(self, builder: PosteriorBuilder) -> list[Transition]:
        """Independent transitions, one a step."""
        sizes = (builder.latent, builder.context, self.hidden, self.sigma)
        if self.kernel == "residual":
            return [ResidualRefinement(*sizes) for _ in range(self.steps)]
        return [Refinement(*sizes, self.gate_bias) for _ in range(self.steps)]


@dataclass
class HouseholderOptions(PathOptions):
    """A chain of reflections."""

    steps: int = number(10, low=1)

    def build(self, builder: PosteriorBuilder) -> list[Transition]:
        """Reflections, each of which makes its vector of the one before."""
        widths = [builder.context] + [builder.latent] * (self.steps - 1)
        return [Householder(builder.latent, width) for width in widths]


@dataclass
class IAFOptions(PathOptions):
    """Inverse autoregressive flow steps, in alternating order."""

    steps: int = number(2, low=1)
    hidden: int = number(320, low=1)
    gate_bias: float = number(2.0)

    def build(self, builder: PosteriorBuilder) -> list[Transition]:
        """Steps of which every second one reverses the order of z."""
        sizes = (builder.latent, builder.context, self.hidden, self.gate_bias)
        return [IAF(*sizes, flip=t % 2 == 1) for t in range(self.steps)]


@dataclass
class HierarchicalOptions(PathOptions):
    """A variational prior over lambda and the mean-field step to z."""

    prior: IAFOptions = field(default_factory=IAFOptions)
    hidden: int = number(40, low=1)
    sigma: float = number(0.3, low=0.0, open_ends=True)

    def build(self, builder: PosteriorBuilder) -> list[Transition]:
        """The prior's flow on lambda, then z given lambda."""
        last = MeanField(builder.latent, builder.context, self.hidden, self.sigma)
        return [*self.prior.build(builder), last]


@dataclass
class LinearOptions(PathOptions):
    """One linear flow."""

    def build(self, builder: PosteriorBuilder) -> list[Transition]:
        """The one step."""
        return [ConvexLinearIAF(builder.latent, builder.context, 1)]


@dataclass
class ConvexLinearOptions(PathOptions):
    """One convex combination of linear flows."""

    count: int = number(5, low=1)

    def build(self, builder: PosteriorBuilder) -> list[Transition]:
        """The one step."""
        return [ConvexLinearIAF(builder.latent, builder.context, self.count)]


@dataclass
class AVOOptions:
    """What the paper leaves open about AVO; defaults are argued in reports/assumptions.md."""

    mixing: str = choice(
        "random", "convex", default="random"
    )  # AVO on random steps, or in every step
    rho: float = number(0.2, low=0.0, high=1.0)  # share of AVO steps, or AVO's convex weight
    anchor: str = choice("q0", "prior", default="q0")  # f_0, held fixed
    alphas: str = choice("linear", "geometric", default="linear")  # spacing of alpha_1..alpha_T
    first_alpha: float | None = number(None, low=0.0, high=1.0, open_ends=True)  # alpha_1
    train_decoder: Any = choice(
        "last", "every", "never", True, False, default=True
    )  # stages that also train the decoder; true is last, false never
    train_encoder: bool = False  # stages train the encoder through the context
    warm_up: bool = True  # stages are warmed up as the ELBO is
    stagewise: bool = False  # one backward pass a stage: memory does not grow with T

    def build(self, posterior: Posterior) -> AVO:
        """The objective of a path."""
        return AVO(len(posterior.transitions), **asdict(self))


def refuse_first_alpha(group: str, alphas: str, first_alpha: float | None) -> None:
    """Raise OptionError where the keys of `group` learn the alphas and name the first one."""
    if alphas == "learnt" and first_alpha is not None:
        raise OptionError(
            f"{group}.first_alpha",
            f"is {first_alpha}; accepted: null where {group}.alphas is learnt",
            beside=(f"{group}.alphas",),
        )


@dataclass
class NVIOptions:
    """Nested variational inference in the place of AVO's stages."""

    samples: int = number(5, low=2)  # of a step by NVI; one by the ELBO takes one
    resample: bool = False  # samples are drawn again by their weights between levels
    mixing: str = choice("random", "convex", default="random")  # as in AVO
    rho: float = number(0.2, low=0.0, high=1.0)  # share of NVI's steps, or NVI's convex weight
    alphas: str = choice("linear", "geometric", "learnt", default="linear")
    first_alpha: float | None = number(None, low=0.0, high=1.0, open_ends=True)  # alpha_1
    path_rate: float = number(1.0, low=0.0, open_ends=True)  # of learnt alphas, times the kernels'
    train_decoder: Any = choice("last", "never", True, False, default="last")
    stagewise: bool = False  # one backward pass a level

    def __post_init__(self):
        refuse_first_alpha("method.nvi", self.alphas, self.first_alpha)

    def build(self, posterior: Posterior) -> NVI:
        """The objective of a path, whose alphas become a part of the posterior where learnt."""
        transitions, options = len(posterior.transitions), asdict(self)
        rate = options.pop("path_rate")
        if self.alphas == "learnt":
            posterior.alphas = LearntAlphas(transitions, rate)
            options["alphas"] = "linear"
        return NVI(transitions, elbo_samples=1, **options)


@dataclass
class LearntPathOptions(NVIOptions):
    """Nested variational inference whose annealing path is learnt."""

    alphas: str = choice("linear", "geometric", "learnt", default="learnt")
