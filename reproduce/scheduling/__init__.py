"""Which runs are made, where, and again after a failure: one scheduler for every page."""

from annealed.utils.lazy import lazy_names

__all__, __getattr__, __dir__ = lazy_names(
    __name__,
    {
        "display": ("Display",),
        "engines": ("add_options", "chosen", "default_jobs"),
        "failed": ("conclude", "joined"),
        "local": ("Local", "LocalJob"),
        "ray_cluster": ("Cluster", "ClusterJob"),
        "run_grid": ("ROWS", "Run"),
        "scheduler": ("Engine", "Job", "run_on"),
        "work": ("Work",),
        "worker_process": ("Process",),
    },
)
