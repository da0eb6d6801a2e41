"""The rows of the table, each a posterior and an objective."""

from annealed.utils.lazy import lazy_names

__all__, __getattr__, __dir__ = lazy_names(
    __name__,
    {
        "base": ("METRIC_NAMES", "Method", "PosteriorBuilder"),
        "annealed_options": (
            "AnnealedOptions",
            "ControlledOptions",
            "HamiltonianOptions",
            "LangevinOptions",
            "LearntReverseOptions",
        ),
        "options": (
            "AVOOptions",
            "ConvexLinearOptions",
            "HierarchicalOptions",
            "HouseholderOptions",
            "IAFOptions",
            "LearntPathOptions",
            "LinearOptions",
            "NVIOptions",
            "PathOptions",
            "RefinementOptions",
        ),
        "annealed_rows": ("CMCD", "LMCVAE", "MCD", "UHA"),
        "rows": (
            "HVI",
            "HVIAVO",
            "HVINVI",
            "HVINVIStar",
            "HVM",
            "IAFAVO",
            "IWAE",
            "TVO",
            "VAE",
            "CcLinIAF",
            "HouseholderAVO",
            "HouseholderFlow",
            "IAFlow",
            "Iterative",
            "LinIAF",
            "Renyi",
            "path_row",
        ),
    },
)
