"""W&B: the dashboard as code, offline runs sent."""

from annealed.utils.lazy import lazy_names

__all__, __getattr__, __dir__ = lazy_names(
    __name__,
    {
        "sync": ("check_server", "pieces", "send"),
    },
)
