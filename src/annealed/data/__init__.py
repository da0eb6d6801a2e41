"""Data sets of images: found or downloaded, checked by their digests, split."""

from annealed.utils.lazy import lazy_names

__all__, __getattr__, __dir__ = lazy_names(
    __name__,
    {
        "images": ("SPLITS", "Images", "load_images"),
        "locations": ("DataNotFound", "cache_root", "data_root"),
    },
)
