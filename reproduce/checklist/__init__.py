"""The checklists of NeurIPS, Pineau and Papers with Code, answered from what is on disk."""

from annealed.utils.lazy import lazy_names

__all__, __getattr__, __dir__ = lazy_names(
    __name__,
    {
        "answers": ("Answer",),
        "record": ("Evidence", "Record", "every"),
    },
)
