"""Checks of what is committed: pages made again, runs trained again."""

from annealed.utils.lazy import lazy_names

__all__, __getattr__, __dir__ = lazy_names(
    __name__,
    {
        "rerun": ("Tolerance",),
        "verify": ("differences", "presets"),
    },
)
