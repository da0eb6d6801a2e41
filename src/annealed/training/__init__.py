"""Training by Lightning: modules, data modules, the trainer, checkpoints, several processes."""

from annealed.utils.lazy import lazy_names

__all__, __getattr__, __dir__ = lazy_names(
    __name__,
    {
        "checkpoints": (
            "BEST",
            "LAST",
            "AtomicCheckpointIO",
            "Damaged",
            "load_weights",
            "recover",
            "save",
        ),
        "datamodule": ("ImageData",),
        "distributed": ("Strategy",),
        "energy_data": ("EnergyData",),
        "module": ("Training",),
        "process_watch": ("Group",),
        "progress": ("Progress", "TrainingProgress"),
        "record": ("Record", "Recorder", "read_metrics"),
        "trainer": ("train",),
    },
)
