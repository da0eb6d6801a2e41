"""Which keys a trained run takes anew: those of the machine it is scored on."""

# they change no number, or only how it is rounded
MACHINE_KEYS = ("data.root", "evaluate.memory_mb", "wandb.")
MACHINE_KEYS += tuple(f"trainer.{key}" for key in ("accelerator", "threads", "compile", "products"))
OVERRIDES_HELP = f"of the machine alone: {', '.join(MACHINE_KEYS)}*"
