"""The rows of the table, each a posterior and an objective."""

from dataclasses import dataclass, field
from functools import partial

from torch import Tensor

from annealed.avo import AVO, AVOOptions
from annealed.iterative import IterativePosterior
from annealed.method import Method, Parts
from annealed.objectives import DoublyReparameterised, Maximise, iwae, path_terms, renyi
from annealed.options import choice, number
from annealed.paths import (
    ConvexLinearOptions,
    HierarchicalOptions,
    HouseholderOptions,
    IAFOptions,
    RefinementOptions,
)
from annealed.posteriors import GaussianHead


class VAE(Method):
    """Diagonal Gaussian posterior under the ELBO (Kingma & Welling 2013, arXiv 1312.6114)."""

    def compose(self, options: Method.Options, parts: Parts):
        """See `Method.compose`."""
        return parts.posterior(), Maximise()


class IWAE(Method):
    """Diagonal Gaussian under the importance-weighted bound (Burda et al. 2015)."""

    @dataclass
    class Options:
        """Keys of `iwae`."""

        samples: int = number(5, low=1)
        gradient: str = choice("standard", "dreg", default="standard")

    def compose(self, options: Options, parts: Parts):
        """See `Method.compose`."""
        if options.gradient == "dreg":
            return parts.posterior(), DoublyReparameterised(options.samples)
        return parts.posterior(), Maximise(iwae, options.samples)


class Iterative(Method):
    """Gaussian posterior refined by the bound's gradient (Marino, Yue, Mandt 2018)."""

    @dataclass
    class Options:
        """Keys of `iterative`."""

        refinements: int = number(3, low=0)
        hidden: int = number(300, low=1)

    def compose(self, options: Options, parts: Parts):
        """See `Method.compose`."""
        head = GaussianHead(parts.context, parts.latent)
        sizes = (options.refinements, options.hidden)
        return IterativePosterior(parts.encoder, head, parts.target, *sizes), Maximise()

    def validate(self, x: Tensor, noise: Tensor) -> dict[str, Tensor]:
        """As in `Method`, and the bound after 0, 1, ... refinements."""
        *lead, last = noise
        found = super().validate(x, noise)
        for n in range(len(lead) + 1):
            base, context = self.posterior.start(x, lead[:n])
            terms = path_terms(self.target, x, self.posterior.walk(base, context, last[None]))
            found[f"elbo_after_{n}"] = terms.log_weight().mean()
        return found


class Renyi(Method):
    """Diagonal Gaussian under the Renyi bound (Li & Turner 2016, arXiv 1602.02311)."""

    @dataclass
    class Options:
        """Keys of `renyi`."""

        samples: int = number(5, low=1)
        alpha: float = number(0.5)

    def compose(self, options: Options, parts: Parts):
        """See `Method.compose`."""
        return parts.posterior(), Maximise(partial(renyi, alpha=options.alpha), options.samples)


class UnderELBO(Method):
    """A path under the ELBO; a subclass says of which transitions."""

    def compose(self, options, parts: Parts):
        """See `Method.compose`."""
        return parts.posterior(options.transitions.build(parts)), Maximise()


class UnderAVO(Method):
    """A path under AVO mixed with the ELBO; a subclass says of which transitions."""

    def compose(self, options, parts: Parts):
        """See `Method.compose`."""
        transitions = options.transitions.build(parts)
        return parts.posterior(transitions), AVO(options.avo, len(transitions))


class HVI(UnderELBO):
    """Stochastic refinements (Salimans et al. 2015; Ranganath et al. 2015)."""

    @dataclass
    class Options:
        """Keys of `hvi`."""

        transitions: RefinementOptions = field(default_factory=RefinementOptions)


class HVIAVO(UnderAVO):
    """Stochastic refinements under AVO (Huang et al. 2018, arXiv 1809.01818)."""

    @dataclass
    class Options:
        """Keys of `hvi_avo`."""

        transitions: RefinementOptions = field(default_factory=RefinementOptions)
        avo: AVOOptions = field(default_factory=AVOOptions)


class HVM(UnderELBO):
    """Hierarchical variational model (Ranganath, Tran, Blei 2015, arXiv 1511.02386)."""

    @dataclass
    class Options:
        """Keys of `hvm`."""

        transitions: HierarchicalOptions = field(default_factory=HierarchicalOptions)


class HouseholderFlow(UnderELBO):
    """Householder reflections (Tomczak & Welling 2016, arXiv 1611.09630)."""

    @dataclass
    class Options:
        """Keys of `householder`."""

        transitions: HouseholderOptions = field(default_factory=HouseholderOptions)


class HouseholderAVO(UnderAVO):
    """Householder reflections under AVO, an extension of this project."""

    @dataclass
    class Options:
        """Keys of `householder_avo`."""

        transitions: HouseholderOptions = field(default_factory=HouseholderOptions)
        avo: AVOOptions = field(default_factory=AVOOptions)


class IAFlow(UnderELBO):
    """Inverse autoregressive flow (Kingma et al. 2016, arXiv 1606.04934)."""

    @dataclass
    class Options:
        """Keys of `iaf`."""

        transitions: IAFOptions = field(default_factory=IAFOptions)


class IAFAVO(UnderAVO):
    """Inverse autoregressive flow under AVO, an extension of this project."""

    @dataclass
    class Options:
        """Keys of `iaf_avo`."""

        transitions: IAFOptions = field(default_factory=IAFOptions)
        avo: AVOOptions = field(default_factory=AVOOptions)


class CcLinIAF(UnderELBO):
    """Convex combination of linear IAFs (Tomczak & Welling 2017, arXiv 1706.02326)."""

    @dataclass
    class Options:
        """Keys of `cc_lin_iaf`."""

        transitions: ConvexLinearOptions = field(default_factory=ConvexLinearOptions)
