"""Errors, files written whole, keyed random numbers, provenance: the base of every other room."""

from annealed.utils.lazy import lazy_names

__all__, __getattr__, __dir__ = lazy_names(
    __name__,
    {
        "errors": ("Diverged", "InUse", "Lost", "UsageError"),
        "files": (
            "in_use",
            "locked",
            "read_errors_explained",
            "replace",
            "replace_json",
            "replace_text",
            "sha256",
            "write_errors_explained",
        ),
        "lazy": ("lazy_names",),
        "paths": ("argument", "expanded", "named", "user_folder"),
        "provenance": ("commit", "outside_commit", "tell_unknown_commit"),
        "randomness": (
            "STREAMS",
            "binarise",
            "derive",
            "generator",
            "initialisation",
            "normal",
            "uniform",
        ),
    },
)
