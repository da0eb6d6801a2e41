"""The rows of the table, each a posterior and an objective."""

import importlib
import os
import sys
from dataclasses import dataclass, field
from typing import Any

from annealed.avo import AVO, AVOOptions
from annealed.method import Method, Parts
from annealed.objectives import ELBO
from annealed.options import OptionError, number
from annealed.transitions import Refinement


@dataclass
class RefinementOptions:
    """The stochastic transitions of HVI."""

    steps: int = number(5, low=1)
    hidden: int = number(40, low=1)
    sigma: float = number(0.05, low=0.0, open_low=True)
    gate_bias: float = number(-2.0)

    def build(self, parts: Parts) -> list[Refinement]:
        """Independent transitions, one a step."""
        sizes = (parts.latent, parts.context, self.hidden, self.sigma, self.gate_bias)
        return [Refinement(*sizes) for _ in range(self.steps)]


class VAE(Method):
    """Diagonal Gaussian posterior under the ELBO (Kingma & Welling 2013, arXiv 1312.6114)."""

    def compose(self, options: Method.Options, parts: Parts):
        """See `Method.compose`."""
        return parts.posterior(), ELBO()


class HVI(Method):
    """T stochastic refinements under the ELBO (Salimans et al. 2015; Ranganath et al. 2015)."""

    @dataclass
    class Options:
        """Keys of `hvi`."""

        transitions: RefinementOptions = field(default_factory=RefinementOptions)

    def compose(self, options: Options, parts: Parts):
        """See `Method.compose`."""
        return parts.posterior(options.transitions.build(parts)), ELBO()


class HVIAVO(Method):
    """HVI's posterior under AVO mixed with the ELBO (Huang et al. 2018, arXiv 1809.01818)."""

    @dataclass
    class Options:
        """Keys of `hvi_avo`."""

        transitions: RefinementOptions = field(default_factory=RefinementOptions)
        avo: AVOOptions = field(default_factory=AVOOptions)

    def compose(self, options: Options, parts: Parts):
        """See `Method.compose`."""
        transitions = options.transitions.build(parts)
        return parts.posterior(transitions), AVO(options.avo, len(transitions))


METHODS: dict[str, type[Method]] = {"vae": VAE, "hvi": HVI, "hvi_avo": HVIAVO}
_imports_allowed = False


def allow_import() -> None:
    """Let `find` import a class from the current project for the rest of this process."""
    global _imports_allowed
    _imports_allowed = True


def find(name: Any) -> type[Method]:
    """The row called `name`, or the Method subclass at a dotted path where imports are allowed.

    Raises OptionError where there is none: a configuration file alone never runs code.
    """
    if name in METHODS:
        return METHODS[name]
    known = f"accepted: {', '.join(METHODS)}, or module.Class of a Method with --allow-import"
    if not isinstance(name, str) or "." not in name or not _imports_allowed:
        raise OptionError("method.name", f"is {name!r}; {known}")
    module, _, attribute = name.rpartition(".")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise OptionError("method.name", f"is {name!r}, which fails ({error}); {known}") from None
    if not (isinstance(found, type) and issubclass(found, Method)):
        raise OptionError("method.name", f"is {name!r}, which is no Method; {known}")
    return found
