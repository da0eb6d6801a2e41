"""What every page of a report shares: its parts, its command line, its held reading."""

from annealed.utils.lazy import lazy_names

__all__, __getattr__, __dir__ = lazy_names(
    __name__,
    {
        "commentary": ("digest", "reading"),
        "common": ("arguments", "folder"),
        "markdown": ("markdown_table", "number", "spread"),
        "page": ("Section", "render", "save_files", "save_frames", "seeds_source", "what_was_run"),
    },
)
