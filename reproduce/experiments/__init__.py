"""The pages beside the table, a room each, and what their units of work share."""

from annealed.utils.lazy import lazy_names

__all__, __getattr__, __dir__ = lazy_names(
    __name__,
    {
        "page_work": ("PageWork", "plan"),
        "paths": ("objective", "posterior", "transitions"),
        "units": ("Place", "Unit", "finish", "of_one_setting"),
    },
)
