"""How a step is computed: device, precision, matrix products, compiling, seeds side by side."""

from annealed.utils.lazy import lazy_names

__all__, __getattr__, __dir__ = lazy_names(
    __name__,
    {
        "allocator": ("keep_freed",),
        "compiled_step": ("WholeStep", "whole_steps"),
        "compiling": ("compiled",),
        "cuda_graph": ("Captured",),
        "device": ("device_of",),
        "machine": ("Machine", "resolve"),
        "ranks": ("Ranks",),
        "replicas": ("Replicas", "stacked_loss"),
    },
)
