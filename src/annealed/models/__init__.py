"""What a posterior approximates: likelihoods, generative models, energies with exact samples."""

from annealed.utils.lazy import lazy_names

__all__, __getattr__, __dir__ = lazy_names(
    __name__,
    {
        "catalogue": ("Toy", "toy"),
        "energies": ("energy",),
        "high_dimensional": ("embedded", "funnel", "funnel_points", "rotation"),
        "likelihoods": ("Bernoulli", "Likelihood"),
        "logistic": ("DiscretisedLogistic", "LogisticMixture"),
        "targets": ("AutoregressiveJoint", "Energy", "Joint", "LinearGaussian"),
    },
)
