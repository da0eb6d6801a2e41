"""Reading a configuration: base, data set, row, preset and command line, merged and checked."""

import io
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from annealed.config import safe_yaml
from annealed.config.datasets import BINARY, TOY
from annealed.config.fields import OptionError, build
from annealed.config.registry import METHODS, method_class
from annealed.config.schema import Config
from annealed.config.toys import check_toy
from annealed.utils.errors import UsageError

COMMAND_LINE = "command line"
Layer = tuple[str, dict]  # the file or the command line, and its values
# ValueError: a number or a date that Python does not take, bytes that are no text
NOT_YAML = (yaml.YAMLError, OmegaConfBaseException, ValueError, RecursionError)


def config_folder() -> Path:
    """The folder of the packaged configurations: inside an installed package, or the checkout's."""
    packaged = Path(__file__).parents[1] / "configs"
    return packaged if packaged.is_dir() else Path(__file__).parents[3] / "configs"


def find_file(name: str) -> Path:
    """A configuration by path, or by name among the packaged ones, `.yaml` optional."""
    candidates = [Path(name), config_folder() / name, config_folder() / f"{name}.yaml"]
    for path in candidates:
        if path.is_file():
            return path
    rows = ", ".join(sorted(p.name for p in config_folder().glob("*.yaml") if p.stem != "base"))
    raise UsageError(f"--config {name} is neither a file nor one of: {rows}.")


def load(name: str, overrides: list[str] = ()) -> Config:
    """The checked configuration of row file `name` under dot-list `overrides`.

    Later layers win: base.yaml, data/<data>.yaml, the row, presets/<preset>.yaml,
    presets/<data>/<preset>.yaml, the overrides. Raises UsageError with one sentence that names the
    file, the key and what is accepted.
    """
    row_path = find_file(name)
    row, command = _read(row_path), _parse(overrides)
    base = _read(config_folder() / "base.yaml")
    selected = _merge([base, row, command])
    preset, data = selected.get("preset"), _group(selected, "data").get("name")
    layers = [base, _read(_named("data", data)), row, _read(_named("presets", preset))]
    special = config_folder() / "presets" / str(data) / f"{preset}.yaml"
    if special.is_file():
        layers.append(_read(special))
    layers.append(command)
    merged = {"row": row_path.stem, **_merge(layers)}
    try:
        return from_dict(merged)
    except OptionError as error:
        raise UsageError(f"{_origin(error.key, layers)}: {error}.") from None


def from_dict(values: dict[str, Any]) -> Config:
    """A Config from nested plain values; raises OptionError naming the key."""
    if "method_options" in values:
        raise OptionError("method_options", "is not a key; options of a row go under method")
    options = dict(_group(values, "method"))
    method = options.pop("name", None)
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


def read_resolved(path: Path) -> Config:
    """The configuration that a run folder holds; raises UsageError where it is not one."""
    try:
        return from_dict(_read(path)[1])
    except OptionError as error:
        raise UsageError(f"{path}: {error}.") from None


def _check(config: Config) -> None:
    """Checks across keys; raises OptionError."""
    milestones, factors = config.optimiser.milestones, config.optimiser.factors
    if len(milestones) != len(factors) or milestones != sorted(milestones):
        raise OptionError(
            "optimiser.milestones",
            f"is {milestones} beside factors {factors}; accepted: rising shares, one for each "
            "entry of optimiser.factors",
        )
    if config.network.kernel % 2 == 0:
        raise OptionError("network.kernel", f"is {config.network.kernel}; accepted: odd numbers")
    if not config.network.widths:
        raise OptionError("network.widths", "is empty; accepted: a list of one entry or more")
    check_toy(config)
    if config.data.name != TOY:
        _check_pixels(config)
    if config.row in ("", ".", "..") or Path(config.row).name != config.row:
        raise OptionError("row", f"is {config.row!r}; accepted: the name of one folder")
    if config.row in METHODS and config.row != config.method:
        raise OptionError(
            "row",
            f"is {config.row!r} but method.name is {config.method!r}; accepted: "
            "another name for the row, as in row=mine",
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
        )
    if not binary and config.network.decoder == "autoregressive":
        raise OptionError(
            "network.decoder",
            f"is 'autoregressive', which is of binary pixels, and {config.data.name} has 256 "
            "levels; accepted: dense, convolutional",
        )


def _group(values: dict, key: str) -> dict:
    group = values.get(key, {})
    if not isinstance(group, dict):
        raise UsageError(f"{key} is {group!r}; accepted: a group of keys, as in {key}.name=...")
    return group


def _named(folder: str, name: Any) -> Path:
    names = sorted(path.stem for path in (config_folder() / folder).glob("*.yaml"))
    if name not in names:
        key = {"data": "data.name", "presets": "preset"}[folder]
        raise UsageError(f"{key} is {name!r}; accepted: {', '.join(names)}.")
    return config_folder() / folder / f"{name}.yaml"


def _read(path: Path) -> Layer:
    try:
        with open(path, encoding="utf-8") as f:
            text = f.read(safe_yaml.BYTES + 1)
        safe_yaml.check(text)
        content = OmegaConf.load(io.StringIO(text))
        if not isinstance(content, DictConfig):
            raise UsageError(f"{path} is not a group of YAML keys.")
        return str(path), _plain(content)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from None
    except safe_yaml.HostileYAML as error:
        raise UsageError(f"{path} {error}.") from None
    except NOT_YAML as error:
        raise UsageError(f"{path} is not valid YAML: {_one_line(error)}.") from None


def _parse(overrides: list[str]) -> Layer:
    for override in overrides:
        if "=" not in override or override.startswith(("=", "-")):
            raise UsageError(f"{override!r} is not an override; accepted: key=value, as in seed=3.")
    try:
        for override in overrides:
            safe_yaml.check(override.partition("=")[2])
        parsed = OmegaConf.from_dotlist(list(overrides))
        return COMMAND_LINE, _plain(parsed)
    except safe_yaml.HostileYAML as error:
        raise UsageError(f"{COMMAND_LINE}: {override[:60]!r} {error}.") from None
    except NOT_YAML as error:
        raise UsageError(f"{COMMAND_LINE}: {_one_line(error)}; accepted: key=value.") from None


def _plain(content: DictConfig) -> dict:
    """Nested plain values; a key left as ??? is refused, since a merge would pass over it."""
    return OmegaConf.to_container(content, resolve=True, throw_on_missing=True)


def _merge(layers: list[Layer]) -> dict:
    try:
        return OmegaConf.to_container(OmegaConf.merge(*(values for _, values in layers)))
    except OmegaConfBaseException as error:
        names = ", ".join(name for name, _ in layers)
        raise UsageError(f"{names}: cannot be merged: {_one_line(error)}.") from None


def _one_line(error: Exception) -> str:
    """A library's message on one line; OmegaConf's has its sentence on the first of several."""
    text = str(error)
    return " ".join(
        (text.partition("\n")[0] if isinstance(error, OmegaConfBaseException) else text).split()
    )


def _origin(key: str, layers: list[Layer]) -> str:
    """The name of the last layer that holds `key`."""
    path = key.split(".")
    for name, values in reversed(layers):
        node: Any = values
        for part in path:
            node = node.get(part, _ABSENT) if isinstance(node, dict) else _ABSENT
        if node is not _ABSENT:
            return name
    return layers[2][0]


_ABSENT = object()
