"""Committed results, published numbers, statistics over seeds."""

from annealed.utils.lazy import lazy_names

__all__, __getattr__, __dir__ = lazy_names(
    __name__,
    {
        "locations": ("choose_data", "reports_folder"),
        "published": ("Published", "label", "verdict"),
        "selection": ("results_of", "select"),
        "statistics": ("adjust", "compare", "holm", "interval", "outcome", "t_quantile"),
        "store": ("commit_result", "commit_results", "committed_results"),
        "timing": ("Case", "in_fresh_process", "interleaved"),
        "trials": ("Trial",),
    },
)
