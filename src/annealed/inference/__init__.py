"""Variational inference: posteriors, transitions, objectives, fitting, estimators. No Lightning."""

from annealed.utils.lazy import lazy_names

__all__, __getattr__, __dir__ = lazy_names(
    __name__,
    {
        "annealed_path": (
            "AnnealedPosterior",
            "AnnealedTarget",
            "AnnealedTransition",
            "State",
        ),
        "annealing": ("AnnealedEstimate", "Annealing", "ais"),
        "avo": ("AVO", "avo_stages"),
        "bound": ("Bound", "check"),
        "divergence": ("divergences", "energy_distance", "estimate", "histogram", "sample"),
        "fitting": ("PosteriorFit", "fit_posterior"),
        "flows": ("IAF", "ConvexLinearIAF", "Householder"),
        "hmc": ("HMC", "Point", "leapfrog"),
        "importance": ("Estimate", "WeightStream", "joined", "log_marginal", "path_log_weight"),
        "iterative": ("IterativePosterior", "Refiner"),
        "kernels": ("GatedKernel", "ResidualKernel"),
        "hamiltonian": ("Hamiltonian",),
        "langevin": ("Langevin",),
        "nested": ("NVI", "LearntAlphas", "nested_stages"),
        "normal": ("Normal", "standard_log_prob"),
        "objectives": (
            "DoublyReparameterised",
            "Maximise",
            "Objective",
            "ObjectiveInputs",
            "Terms",
            "elbo",
            "frozen",
            "iwae",
            "log_weight",
            "path_terms",
            "renyi",
            "total_loss",
        ),
        "pareto": ("pareto_k", "tail_length"),
        "posteriors": ("FixedHead", "GaussianHead", "Path", "Posterior"),
        "schedules": ("alphas", "cyclical", "linear_warmup", "piecewise"),
        "tempering": ("AnnealingOptions", "inverse_temperature"),
        "thermodynamic": ("Thermodynamic",),
        "transitions": ("MeanField", "Refinement", "ResidualRefinement", "Transition"),
    },
)
