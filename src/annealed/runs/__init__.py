"""One run from its configuration to its result: folders, data, W&B, the command line."""

from annealed.utils.lazy import lazy_names

__all__, __getattr__, __dir__ = lazy_names(
    __name__,
    {
        "folders": ("CONFIG", "each_seed", "group_folder", "is_finished", "run_folder"),
        "load": ("configured", "trained"),
        "parent_watch": ("stop_with_parent",),
        "problems": ("ImageProblem", "Problem", "ToyProblem"),
        "run": ("fit",),
        "wandb_logger": ("Logger",),
        "wandb_settings": ("resolve_mode",),
    },
)
