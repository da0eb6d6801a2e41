"""`make benchmark`: this package against a bare loop and pythae, and how far from the limit."""

from annealed.utils.lazy import lazy_names

__all__, __getattr__, __dir__ = lazy_names(
    __name__,
    {
        "measurements": ("Budget", "Measurement"),
    },
)
