"""The rows of the table, each a posterior and an objective."""

from dataclasses import dataclass, field, make_dataclass
from functools import partial

from torch import Tensor
from typing_extensions import override

from annealed.config.fields import choice, number
from annealed.inference.iterative import IterativePosterior
from annealed.inference.objectives import DoublyReparameterised, Maximise, iwae, path_terms, renyi
from annealed.inference.posteriors import GaussianHead
from annealed.inference.thermodynamic import Thermodynamic
from annealed.methods.base import Method, PosteriorBuilder
from annealed.methods.options import (
    AVOOptions,
    ConvexLinearOptions,
    HierarchicalOptions,
    HouseholderOptions,
    IAFOptions,
    LearntPathOptions,
    LinearOptions,
    NVIOptions,
    RefinementOptions,
)


class VAE(Method):
    """Diagonal Gaussian posterior under the ELBO (Kingma & Welling 2013, arXiv 1312.6114)."""

    @override
    def compose(self, options: Method.Options, builder: PosteriorBuilder):
        return builder.posterior(), Maximise()


class IWAE(Method):
    """Diagonal Gaussian under the importance-weighted bound (Burda et al. 2015)."""

    @dataclass
    class Options:
        """Keys of `iwae`."""

        samples: int = number(5, low=1)
        gradient: str = choice("standard", "dreg", default="standard")

    @override
    def compose(self, options: Options, builder: PosteriorBuilder):
        if options.gradient == "dreg":
            return builder.posterior(), DoublyReparameterised(options.samples)
        return builder.posterior(), Maximise(iwae, options.samples)


class Iterative(Method):
    """Gaussian posterior refined by the bound's gradient (Marino, Yue, Mandt 2018)."""

    needs_x = True

    @dataclass
    class Options:
        """Keys of `iterative`."""

        refinements: int = number(3, low=0)
        hidden: int = number(300, low=1)

    @override
    def compose(self, options: Options, builder: PosteriorBuilder):
        head = GaussianHead(builder.context, builder.latent)
        sizes = (options.refinements, options.hidden)
        return IterativePosterior(builder.encoder, head, builder.target, *sizes), Maximise()

    def validate(self, x: Tensor, noise: Tensor) -> dict[str, Tensor]:
        """As in `Method`, and the bound after 0, 1, ... refinements."""
        *start_noise, last = noise
        metrics = super().validate(x, noise)
        for n in range(len(start_noise) + 1):
            base, context = self.posterior.start(x, start_noise[:n])
            path = self.posterior.sample_path(base, context, last[None])
            terms = path_terms(self.target, x, path)
            metrics[f"elbo_after_{n}"] = terms.log_weight().mean()
        return metrics


class Renyi(Method):
    """Diagonal Gaussian under the Renyi bound (Li & Turner 2016, arXiv 1602.02311)."""

    @dataclass
    class Options:
        """Keys of `renyi`."""

        samples: int = number(5, low=1)
        alpha: float = number(0.5)

    @override
    def compose(self, options: Options, builder: PosteriorBuilder):
        return builder.posterior(), Maximise(partial(renyi, alpha=options.alpha), options.samples)


class TVO(Method):
    """Diagonal Gaussian under the thermodynamic objective (Masrani, Le, Wood 2019)."""

    @dataclass
    class Options:
        """Keys of `tvo`."""

        samples: int = number(10, low=2)
        partitions: int = number(5, low=1)
        spacing: str = choice("linear", "geometric", default="geometric")
        first_beta: float | None = number(None, low=0.0, high=1.0, open_ends=True)

    @override
    def compose(self, options: Options, builder: PosteriorBuilder):
        return builder.posterior(), Thermodynamic(**vars(options))


def path_row(
    name: str, transitions: type, source: str, objective: tuple[str, type] | None = None
) -> type[Method]:
    """A row whose path has the transitions that the options `transitions` build.

    It is under the ELBO, or under what the options of `objective`, a key and a class, build of its
    posterior. `source` is its docstring.
    """

    def compose(self, options, builder: PosteriorBuilder):
        posterior = options.transitions.posterior(builder)
        if objective is None:
            return posterior, Maximise()
        return posterior, getattr(options, objective[0]).build(posterior)

    parts = [("transitions", transitions), *([objective] if objective else [])]
    keys = [(key, kind, field(default_factory=kind)) for key, kind in parts]
    options = make_dataclass("Options", keys)
    return type(name, (Method,), {"__doc__": source, "Options": options, "compose": compose})


AVO = ("avo", AVOOptions)

HVI = path_row(
    "HVI",
    RefinementOptions,
    "Stochastic refinements (Salimans et al. 2015; Ranganath et al. 2015).",
)
HVIAVO = path_row(
    "HVIAVO",
    RefinementOptions,
    "Stochastic refinements under AVO (Huang et al. 2018, arXiv 1809.01818).",
    AVO,
)
HVINVI = path_row(
    "HVINVI",
    RefinementOptions,
    "Stochastic refinements under nested variational inference (Zimmermann et al. 2021).",
    ("nvi", NVIOptions),
)
HVINVIStar = path_row(
    "HVINVIStar",
    RefinementOptions,
    "Nested variational inference whose path is learnt (Zimmermann et al. 2021, NVI*).",
    ("nvi", LearntPathOptions),
)
HVM = path_row(
    "HVM",
    HierarchicalOptions,
    "Hierarchical variational model (Ranganath, Tran, Blei 2015, arXiv 1511.02386).",
)
HouseholderFlow = path_row(
    "HouseholderFlow",
    HouseholderOptions,
    "Householder reflections (Tomczak & Welling 2016, arXiv 1611.09630).",
)
HouseholderAVO = path_row(
    "HouseholderAVO",
    HouseholderOptions,
    "Householder reflections under AVO, an extension of this project.",
    AVO,
)
IAFlow = path_row(
    "IAFlow",
    IAFOptions,
    "Inverse autoregressive flow (Kingma et al. 2016, arXiv 1606.04934).",
)
IAFAVO = path_row(
    "IAFAVO",
    IAFOptions,
    "Inverse autoregressive flow under AVO, an extension of this project.",
    AVO,
)
LinIAF = path_row(
    "LinIAF",
    LinearOptions,
    "Linear IAF, a convex combination of one (Tomczak & Welling 2017, arXiv 1706.02326).",
)
CcLinIAF = path_row(
    "CcLinIAF",
    ConvexLinearOptions,
    "Convex combination of linear IAFs (Tomczak & Welling 2017, arXiv 1706.02326).",
)
