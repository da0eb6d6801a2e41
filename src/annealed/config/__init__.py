"""Configurations: what a YAML may hold, how layers merge, what each key accepts."""

from annealed.config.fields import OptionError, choice, number, path
from annealed.config.loader import (
    config_folder,
    find_file,
    from_dict,
    load,
    read_resolved,
    resolved,
    to_dict,
    to_yaml,
)
from annealed.config.registry import allow_import, method_class
from annealed.config.scalars import override
from annealed.config.schema import Config

__all__ = [
    "Config",
    "OptionError",
    "allow_import",
    "choice",
    "config_folder",
    "find_file",
    "from_dict",
    "load",
    "method_class",
    "number",
    "override",
    "path",
    "read_resolved",
    "resolved",
    "to_dict",
    "to_yaml",
]
