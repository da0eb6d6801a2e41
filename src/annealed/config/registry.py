"""Finding a row by its name, and what a dotted path names where the user allows imports."""

import importlib
import os
import sys
from pathlib import Path
from typing import Any

from annealed.config.fields import OptionError
from annealed.config.scalars import shown

METHODS = {  # imported when asked for: a configuration is read without its row
    "vae": "annealed.methods.rows:VAE",
    "iwae": "annealed.methods.rows:IWAE",
    "renyi": "annealed.methods.rows:Renyi",
    "iterative": "annealed.methods.rows:Iterative",
    "hvm": "annealed.methods.rows:HVM",
    "hvi": "annealed.methods.rows:HVI",
    "hvi_avo": "annealed.methods.rows:HVIAVO",
    "hvi_nvi": "annealed.methods.rows:HVINVI",
    "hvi_nvi_star": "annealed.methods.rows:HVINVIStar",
    "lmcvae": "annealed.methods.annealed_rows:LMCVAE",
    "mcd": "annealed.methods.annealed_rows:MCD",
    "cmcd": "annealed.methods.annealed_rows:CMCD",
    "uha": "annealed.methods.annealed_rows:UHA",
    "tvo": "annealed.methods.rows:TVO",
    "householder": "annealed.methods.rows:HouseholderFlow",
    "householder_avo": "annealed.methods.rows:HouseholderAVO",
    "iaf": "annealed.methods.rows:IAFlow",
    "iaf_avo": "annealed.methods.rows:IAFAVO",
    "lin_iaf": "annealed.methods.rows:LinIAF",
    "cc_lin_iaf": "annealed.methods.rows:CcLinIAF",
}
BASE = "annealed.methods.base:Method"  # what every row is
_imports_allowed = False


def allow_import() -> None:
    """Let `import_attribute` import from the current project for the rest of this process."""
    global _imports_allowed
    _imports_allowed = True


def method_class(name: Any) -> type:
    """The row called `name`, or the Method subclass at a dotted path where imports are allowed.

    Raises OptionError where there is none: a configuration file alone never runs code.
    """
    if isinstance(name, str) and name in METHODS:
        return _at(METHODS[name])
    accepted = f"accepted: {', '.join(METHODS)}, or module.Class of a Method with --allow-import"
    row, base = import_attribute("method.name", name, accepted), _at(BASE)
    if not (isinstance(row, type) and issubclass(row, base) and row is not base):
        raise OptionError("method.name", f"is {name!r}, which is no Method; {accepted}")
    return row


def import_attribute(key: str, path: Any, accepted: str) -> Any:
    """What the dotted `path`, module.attribute, names; the current folder is looked into first.

    Raises OptionError about `key`, ending in `accepted`, where imports are not allowed or it fails.
    """
    if not isinstance(path, str) or "." not in path or not _imports_allowed:
        raise OptionError(key, f"is {shown(path)}; {accepted}")
    module, _, attribute = path.rpartition(".")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        return getattr(importlib.import_module(module), attribute)
    except Exception as error:  # the user's module may raise anything
        reason = " ".join(str(error).split())
        raise OptionError(key, f"is {shown(path)}, which fails ({reason}); {accepted}") from None


def imported_files() -> list[Path]:
    """The files of the current folder that were imported, where imports are allowed."""
    if not _imports_allowed:
        return []
    files = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
    paths = [Path(file).resolve() for file in files if file]
    library = Path(sys.prefix).resolve()
    below = [p for p in paths if Path.cwd() in p.parents and library not in p.parents]
    return [path for path in below if path.is_file()]  # torch has modules that name no file


def _at(entry: str) -> type:
    """The class at `module:Class`, of this package."""
    module, _, attribute = entry.partition(":")
    return getattr(importlib.import_module(module), attribute)
