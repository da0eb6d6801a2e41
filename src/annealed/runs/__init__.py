"""One run from its configuration to its result: folders, W&B, the command line."""
