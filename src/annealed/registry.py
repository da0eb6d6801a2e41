"""Finding a row's class by its name, or by a dotted path where the user allows it."""

import importlib
import os
import sys
from typing import Any

from annealed import methods
from annealed.method import Method
from annealed.options import OptionError

METHODS: dict[str, type[Method]] = {
    "vae": methods.VAE,
    "iwae": methods.IWAE,
    "renyi": methods.Renyi,
    "iterative": methods.Iterative,
    "hvm": methods.HVM,
    "hvi": methods.HVI,
    "hvi_avo": methods.HVIAVO,
    "householder": methods.HouseholderFlow,
    "householder_avo": methods.HouseholderAVO,
    "iaf": methods.IAFlow,
    "iaf_avo": methods.IAFAVO,
    "cc_lin_iaf": methods.CcLinIAF,
}
_imports_allowed = False


def allow_import() -> None:
    """Let `method_class` import a class from the current project for the rest of this process."""
    global _imports_allowed
    _imports_allowed = True


def method_class(name: Any) -> type[Method]:
    """The row called `name`, or the Method subclass at a dotted path where imports are allowed.

    Raises OptionError where there is none: a configuration file alone never runs code.
    """
    if isinstance(name, str) and name in METHODS:
        return METHODS[name]
    known = f"accepted: {', '.join(METHODS)}, or module.Class of a Method with --allow-import"
    if not isinstance(name, str) or "." not in name or not _imports_allowed:
        raise OptionError("method.name", f"is {name!r}; {known}")
    module, _, attribute = name.rpartition(".")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        found = getattr(importlib.import_module(module), attribute)
    except Exception as error:  # the user's module may raise anything
        raise OptionError("method.name", f"is {name!r}, which fails ({error}); {known}") from None
    if not (isinstance(found, type) and issubclass(found, Method) and found is not Method):
        raise OptionError("method.name", f"is {name!r}, which is no Method; {known}")
    return found
