"""Training by Lightning: the module, the trainer, checkpoints, several processes."""
