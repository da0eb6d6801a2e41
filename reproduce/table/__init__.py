"""The NLL table: rows, pairs, curves, figures, README's copy."""

from annealed.utils.lazy import lazy_names

__all__, __getattr__, __dir__ = lazy_names(
    __name__,
    {
        "earlier": ("changes", "runs_before"),
        "nll_table": ("collect", "summarise"),
        "readme": ("refresh",),
        "report": ("paired_markdown",),
        "source": ("headline",),
    },
)
