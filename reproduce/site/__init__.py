"""reports/index.html: all of reports/ as one self-contained page."""

from annealed.utils.lazy import lazy_names

__all__, __getattr__, __dir__ = lazy_names(
    __name__,
    {
        "contents": ("Page", "pages", "tables"),
        "page": ("render",),
        "prose": ("Prose",),
    },
)
