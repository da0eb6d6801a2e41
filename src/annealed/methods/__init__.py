"""The rows of the table, each a posterior and an objective."""

from annealed.utils.lazy import lazy_names

__all__, __getattr__, __dir__ = lazy_names(
    __name__,
    {
        "base": ("METRIC_NAMES", "Method", "PosteriorBuilder"),
        "options": (
            "AVOOptions",
            "ConvexLinearOptions",
            "HierarchicalOptions",
            "HouseholderOptions",
            "IAFOptions",
            "RefinementOptions",
        ),
        "rows": (
            "HVI",
            "HVIAVO",
            "HVM",
            "IAFAVO",
            "IWAE",
            "VAE",
            "CcLinIAF",
            "HouseholderAVO",
            "HouseholderFlow",
            "IAFlow",
            "Iterative",
            "Renyi",
            "path_row",
        ),
    },
)
