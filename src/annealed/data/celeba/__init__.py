"""CelebA: its files, their download, the cache of decoded pixels."""

from annealed.utils.lazy import lazy_names

__all__, __getattr__, __dir__ = lazy_names(
    __name__,
    {
        "archive": ("JpegArchive", "JpegFolder"),
        "dataset": ("CelebA", "cache_of", "decode", "load"),
        "download": ("fetch",),
        "partition": ("Partition", "read_partition"),
        "pixel_cache": ("PixelCache",),
    },
)
