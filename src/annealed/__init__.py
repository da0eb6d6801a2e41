"""Annealed variational objectives (Huang et al., NeurIPS 2018, arXiv 1809.01818), reproduced.

The library: targets, paths of transitions, objectives, fitting, estimates. Names are imported when
they are first used, and neither Lightning nor W&B with them.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_PLACES = {
    "annealed.models.targets": ("Energy", "Joint", "LinearGaussian"),
    "annealed.inference.normal": ("Normal",),
    "annealed.inference.transitions": ("MeanField", "Refinement", "Transition"),
    "annealed.inference.flows": ("IAF", "ConvexLinearIAF", "Householder"),
    "annealed.inference.posteriors": ("GaussianHead", "Path", "Posterior"),
    "annealed.inference.objectives": (
        "DoublyReparameterised",
        "Maximise",
        "Objective",
        "ObjectiveInputs",
        "elbo",
        "iwae",
        "path_terms",
        "renyi",
    ),
    "annealed.inference.avo": ("AVO",),
    "annealed.inference.fitting": ("fit_posterior",),
    "annealed.inference.divergence": ("energy_distance", "estimate", "sample"),
    "annealed.inference.importance": ("Estimate", "WeightStream", "log_marginal"),
    "annealed.inference.marginal_kl": ("marginal_kl",),
    "annealed.methods.base": ("Method", "PosteriorBuilder"),
    "annealed.config.fields": ("choice", "number"),
}
_PLACE_OF = {name: place for place, names in _PLACES.items() for name in names}
__all__ = [*sorted(_PLACE_OF), "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _PLACE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_PLACE_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_PLACE_OF})
