"""Reading a configuration: base, data set, row, preset and command line, merged and checked."""

import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from annealed.config import layers
from annealed.config.datasets import BINARY, TOY
from annealed.config.fields import OptionError, build
from annealed.config.layers import Layer
from annealed.config.registry import METHODS, method_class
from annealed.config.scalars import SHOWN, opened, read, shown
from annealed.config.schema import Config
from annealed.config.toys import check_toy
from annealed.utils import paths
from annealed.utils.errors import UsageError


def config_folder() -> Path:
    """The folder of the packaged configurations: inside an installed package, or the checkout's."""
    packaged = Path(__file__).parents[1] / "configs"
    return packaged if packaged.is_dir() else Path(__file__).parents[3] / "configs"


def find_file(name: str) -> Path:
    """A configuration by path, or by name among the packaged ones, `.yaml` optional."""
    given = paths.named("--config", name)
    candidates = [Path(given), config_folder() / given, config_folder() / f"{given}.yaml"]
    for path in candidates:
        try:
            if path.is_file():
                return path
        except OSError as error:
            raise UsageError(f"--config {name} cannot be read: {error.strerror}.") from None
    rows = ", ".join(sorted(p.name for p in config_folder().glob("*.yaml") if p.stem != "base"))
    raise UsageError(f"--config {name} is neither a file nor one of: {rows}.")


def load(name: str, overrides: list[str] = ()) -> Config:
    """The checked configuration of row file `name` under dot-list `overrides`.

    Later layers win: base.yaml, data/<data>.yaml, presets/<preset>.yaml,
    presets/<data>/<preset>.yaml, the row, the overrides. Raises UsageError with one sentence that
    names the file, the key and what is accepted.
    """
    path, folder = find_file(name), config_folder()
    base, row = layers.of_file(folder / "base.yaml"), layers.of_file(path)
    command = layers.of_overrides(overrides)
    every = [base, row, command]
    try:
        selected = layers.merge(every)
        data = _one_of("data.name", selected["data"].get("name"), folder / "data")
        preset = _one_of("preset", selected["preset"], folder / "presets")
        special = folder / "presets" / data / f"{preset}.yaml"
        presets = [folder / "presets" / f"{preset}.yaml", *[special] * special.is_file()]
        below = [layers.of_file(p) for p in (folder / "data" / f"{data}.yaml", *presets)]
        every = [base, *below, row, command]
        return from_dict({"row": path.stem, **layers.merge(every)})
    except OptionError as error:
        raise UsageError(f"{layers.origin(error, every, str(path))}: {error}.") from None


def _one_of(key: str, value: Any, folder: Path) -> str:
    """The name `value`, of a file in `folder`; raises OptionError."""
    name, names = read(value, str), sorted(path.stem for path in folder.glob("*.yaml"))
    if name not in names:
        raise OptionError(key, f"is {shown(value)}; accepted: {', '.join(names)}")
    return name


def from_dict(values: dict[str, Any]) -> Config:
    """A Config from nested values, plain or as written; raises OptionError naming the key."""
    if "method_options" in values:
        raise OptionError("method_options", "is not a key; options of a row go under method")
    options = opened(values.get("method", {}))
    if not isinstance(options, dict):
        raise OptionError("method", f"is {shown(options)}; accepted: a group of keys")
    method = read(options.get("name"), str)
    options = {key: value for key, value in options.items() if key != "name"}
    built = build(method_class(method).Options, options, "method.")
    config = build(Config, {**values, "method": method, "method_options": built})
    _check(config)
    return config


def to_dict(config: Config) -> dict[str, Any]:
    """The nested plain values of a Config, as a YAML holds them; `from_dict` reverses it."""
    values = asdict(config)
    values["method"] = {"name": config.method, **values.pop("method_options")}
    return values


def to_yaml(config: Config) -> str:
    """The resolved configuration as YAML."""
    return OmegaConf.to_yaml(OmegaConf.create(to_dict(config)))


def read_resolved(path: Path, overrides: list[str] = (), accepted: tuple[str, ...] = ()) -> Config:
    """The configuration that a run folder holds, under overrides of keys that are `accepted`.

    One that ends in a dot stands for its group. Raises UsageError where it is not one.
    """
    return resolved(layers.of_file(path), overrides, accepted)


def resolved(layer: Layer, overrides: list[str] = (), accepted: tuple[str, ...] = ()) -> Config:
    """`read_resolved` of the whole configuration in `layer`."""
    for key in (override.partition("=")[0] for override in overrides):
        if not any(key == name or (name[-1] == "." and key.startswith(name)) for name in accepted):
            names = ", ".join(f"{name}*" if name[-1] == "." else name for name in accepted)
            raise UsageError(
                f"{layers.COMMAND_LINE}: {key[:SHOWN]} is not a key that a run of before takes "
                f"anew; accepted: {names}."
            )
    every = [layer, layers.of_overrides(overrides)]
    try:
        return from_dict(layers.merge(every))
    except OptionError as error:
        raise UsageError(f"{layers.origin(error, every, layer.name)}: {error}.") from None


def _check(config: Config) -> None:
    """Checks across keys; raises OptionError."""
    milestones, factors = config.optimiser.milestones, config.optimiser.factors
    if len(milestones) != len(factors) or milestones != sorted(milestones):
        raise OptionError(
            "optimiser.milestones",
            f"is {milestones} beside factors {factors}; accepted: rising shares, one for each "
            "entry of optimiser.factors",
            beside=("optimiser.factors",),
        )
    if config.network.kernel % 2 == 0:
        raise OptionError("network.kernel", f"is {config.network.kernel}; accepted: odd numbers")
    if not config.network.widths:
        raise OptionError("network.widths", "is empty; accepted: a list of one entry or more")
    check_toy(config)
    if config.data.name != TOY:
        _check_pixels(config)
    too_long = len(os.fsencode(config.row)) > paths.LONGEST_NAME
    if too_long or config.row in ("", ".", "..") or Path(config.row).name != config.row:
        raise OptionError("row", f"is {shown(config.row)}; accepted: the name of one folder")
    if config.row in METHODS and config.row != config.method:
        raise OptionError(
            "row",
            f"is {config.row!r} but method.name is {config.method!r}; accepted: "
            "another name for the row, as in row=mine",
            beside=("method.name",),
        )


def _check_pixels(config: Config) -> None:
    """Raise OptionError where likelihood or decoder do not fit the data set's pixels."""
    binary, likelihood = config.data.name in BINARY, config.network.likelihood
    if binary != (likelihood == "bernoulli"):
        pixels = "binary pixels" if binary else "pixels of 256 levels"
        fitting = "bernoulli" if binary else "discretised_logistic, logistic_mixture"
        raise OptionError(
            "network.likelihood",
            f"is {likelihood!r} and {config.data.name} has {pixels}; accepted: {fitting}",
            beside=("data.name",),
        )
    if not binary and config.network.decoder == "autoregressive":
        raise OptionError(
            "network.decoder",
            f"is 'autoregressive', which is of binary pixels, and {config.data.name} has 256 "
            "levels; accepted: dense, convolutional",
            beside=("data.name",),
        )
