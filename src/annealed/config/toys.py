"""Checks of a configuration whose target is an energy, which has neither an x nor a prior."""

from annealed.config.datasets import ENERGIES, TOY
from annealed.config.fields import OptionError
from annealed.config.registry import import_attribute, method_class
from annealed.config.schema import Config

ACCEPTED = f"accepted: {', '.join(ENERGIES)}, or module.function with --allow-import"


def energy_function(name: str):
    """The user's own energy at the dotted path `name`: z (..., D) to log f(z), (...).

    Raises OptionError where it is no function or imports are not allowed.
    """
    function = import_attribute("data.energy", name, ACCEPTED)
    # a class or a network is callable too, but its call is not an energy that stays as it is
    if not callable(function) or isinstance(function, type) or hasattr(function, "parameters"):
        raise OptionError("data.energy", f"is {name!r}, which is no function; {ACCEPTED}")
    return function


def check_toy(config: Config) -> None:
    """Raise OptionError where `data.energy`, `data.name`, row and objective do not fit."""
    energy = config.data.energy
    if config.data.name != TOY:
        if energy is not None:
            problem = f"is {energy!r} beside data.name {config.data.name!r}"
            accepted = f"accepted: null, or data.name={TOY}"
            raise OptionError("data.energy", f"{problem}; {accepted}", ("data.name",))
        return
    if energy is None:
        raise OptionError("data.energy", f"is null; {ACCEPTED}", ("data.name",))
    if energy not in ENERGIES:
        energy_function(energy)
    if method_class(config.method).needs_x:
        raise OptionError(
            "method.name",
            f"is {config.method!r}, which needs an x, and {TOY} has none; accepted: rows whose "
            "posterior reads no x",
            beside=("data.name",),
        )
    if getattr(getattr(config.method_options, "avo", None), "anchor", None) == "prior":
        problem = f"is 'prior', and {TOY} has no prior; accepted: q0"
        raise OptionError("method.avo.anchor", problem, ("data.name",))
    if config.posterior.start == "prior":
        problem = f"is 'prior', and {TOY} has no prior; accepted: learnt, with data.start_scale"
        raise OptionError(
            "posterior.start", f"{problem} and data.learn_start=false", ("data.name",)
        )
