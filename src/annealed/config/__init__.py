"""Configurations: what a YAML may hold, how layers merge, what each key accepts."""

from annealed.config.loader import (
    config_folder,
    find_file,
    from_dict,
    load,
    read_resolved,
    to_dict,
    to_yaml,
)
from annealed.config.schema import Config

__all__ = [
    "Config",
    "config_folder",
    "find_file",
    "from_dict",
    "load",
    "read_resolved",
    "to_dict",
    "to_yaml",
]
