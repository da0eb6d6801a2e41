"""Finding a row's class by its name, or by a dotted path where the user allows it."""

import importlib
import os
import sys
from typing import Any

from annealed.config.fields import OptionError

METHODS = {  # imported when asked for: a configuration is read without its row
    "vae": "annealed.methods.rows:VAE",
    "iwae": "annealed.methods.rows:IWAE",
    "renyi": "annealed.methods.rows:Renyi",
    "iterative": "annealed.methods.rows:Iterative",
    "hvm": "annealed.methods.rows:HVM",
    "hvi": "annealed.methods.rows:HVI",
    "hvi_avo": "annealed.methods.rows:HVIAVO",
    "householder": "annealed.methods.rows:HouseholderFlow",
    "householder_avo": "annealed.methods.rows:HouseholderAVO",
    "iaf": "annealed.methods.rows:IAFlow",
    "iaf_avo": "annealed.methods.rows:IAFAVO",
    "cc_lin_iaf": "annealed.methods.rows:CcLinIAF",
}
BASE = "annealed.methods.base:Method"  # what every row is
_imports_allowed = False


def allow_import() -> None:
    """Let `method_class` import a class from the current project for the rest of this process."""
    global _imports_allowed
    _imports_allowed = True


def method_class(name: Any) -> type:
    """The row called `name`, or the Method subclass at a dotted path where imports are allowed.

    Raises OptionError where there is none: a configuration file alone never runs code.
    """
    if isinstance(name, str) and name in METHODS:
        return _at(METHODS[name])
    known = f"accepted: {', '.join(METHODS)}, or module.Class of a Method with --allow-import"
    if not isinstance(name, str) or "." not in name or not _imports_allowed:
        raise OptionError("method.name", f"is {name!r}; {known}")
    module, _, attribute = name.rpartition(".")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    base = _at(BASE)
    try:
        found = getattr(importlib.import_module(module), attribute)
    except Exception as error:  # the user's module may raise anything
        raise OptionError("method.name", f"is {name!r}, which fails ({error}); {known}") from None
    if not (isinstance(found, type) and issubclass(found, base) and found is not base):
        raise OptionError("method.name", f"is {name!r}, which is no Method; {known}")
    return found


def _at(place: str) -> type:
    """The class at `module:Class`, of this package."""
    module, _, attribute = place.partition(":")
    return getattr(importlib.import_module(module), attribute)
