"""Training by Lightning: modules, data modules, the trainer, checkpoints, several processes."""

from annealed.utils.lazy import lazy_names

__all__, __getattr__, __dir__ = lazy_names(
    __name__,
    {
        "checkpoint_io": ("AtomicCheckpointIO",),
        "checkpoints": ("BEST", "LAST", "Damaged", "load_weights", "recover", "save"),
        "datamodule": ("ImageData",),
        "distributed": ("Strategy",),
        "energy_data": ("EnergyData",),
        "module": ("Training",),
        "process_watch": ("Group",),
        "progress": ("Progress", "TrainingProgress"),
        "record": ("Record", "read_metrics"),
        "recorder": ("Recorder",),
        "trainer": ("train",),
    },
)
