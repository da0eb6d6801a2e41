"""Annealed variational objectives (Huang et al., NeurIPS 2018, arXiv 1809.01818), reproduced.

The library: targets, paths of transitions, objectives, fitting, estimates. Names are imported when
they are first used, and neither Lightning nor W&B with them.
"""

from annealed.utils.lazy import lazy_names

__version__ = "0.1.0"

_MODULES = {
    "models.targets": ("Energy", "Joint", "LinearGaussian"),
    "inference.normal": ("Normal",),
    "inference.transitions": ("MeanField", "Refinement", "ResidualRefinement", "Transition"),
    "inference.flows": ("IAF", "ConvexLinearIAF", "Householder"),
    "inference.posteriors": ("GaussianHead", "Path", "Posterior"),
    "inference.annealed_path": (
        "AnnealedPosterior",
        "AnnealedTarget",
        "AnnealedTransition",
        "State",
    ),
    "inference.hamiltonian": ("Hamiltonian",),
    "inference.langevin": ("Langevin",),
    "inference.objectives": (
        "DoublyReparameterised",
        "Maximise",
        "Objective",
        "ObjectiveInputs",
        "elbo",
        "iwae",
        "path_terms",
        "renyi",
    ),
    "inference.thermodynamic": ("Thermodynamic",),
    "inference.avo": ("AVO",),
    "inference.fitting": ("fit_posterior",),
    "inference.divergence": ("energy_distance", "estimate", "sample"),
    "inference.annealing": ("Annealing", "ais"),
    "inference.tempering": ("AnnealingOptions",),
    "inference.importance": ("Estimate", "WeightStream", "log_marginal"),
    "inference.marginal_kl": ("marginal_kl",),
    "methods.base": ("Method", "PosteriorBuilder"),
    "config.fields": ("choice", "number"),
}
_names, __getattr__, __dir__ = lazy_names(__name__, _MODULES)
__all__ = [*_names, "__version__"]
