"""The layers of a configuration: files and the command line, merged, each value with its origin."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from annealed.config import safe_yaml
from annealed.config.fields import OptionError
from annealed.config.scalars import SHOWN, Scalar, Typed, opened, shown
from annealed.utils.errors import UsageError

COMMAND_LINE = "command line"
NAMED = ("data", "method")  # groups that `data=digits` gives the name of
NOT_YAML = (yaml.YAMLError, ValueError, RecursionError)  # ValueError: bytes that are no text


@dataclass(frozen=True)
class Layer:
    """A file or the command line, and its nested values as they were written."""

    name: str
    values: dict[str, Any]


def of_file(path: Path) -> Layer:
    """The configuration file at `path`; raises UsageError where it is not one."""
    try:
        with open(path, encoding="utf-8-sig") as f:
            values = safe_yaml.read(f.read(safe_yaml.BYTES + 1))
        if not isinstance(values, dict):
            raise UsageError(f"{path} is not a group of YAML keys.")
        return Layer(str(path), _grouped(values))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from None
    except safe_yaml.HostileYAML as error:
        raise UsageError(f"{path} {error}.") from None
    except OptionError as error:
        raise UsageError(f"{path}: {error}.") from None
    except NOT_YAML as error:
        raise UsageError(f"{path} is not valid YAML: {' '.join(str(error).split())}.") from None


def of_overrides(overrides: list[str]) -> Layer:
    """The command line's key=value, later ones over earlier ones; raises UsageError."""
    merged = Layer(COMMAND_LINE, {})
    for override in overrides:
        key, equals, text = override.partition("=")
        parts = key.split(".")
        if not equals or "" in parts or override.startswith("-"):
            raise UsageError(
                f"{override[:SHOWN]!r} is not an override; accepted: key=value, as in seed=3."
            )
        try:
            values: Any = Typed(text, _as_yaml(text))
        except safe_yaml.HostileYAML as error:
            raise UsageError(f"{COMMAND_LINE}: {override[:SHOWN]!r} {error}.") from None
        for part in reversed(parts):
            values = {part: values}
        merged = Layer(COMMAND_LINE, merge([merged, Layer(COMMAND_LINE, _grouped(values))]))
    return merged


def _as_yaml(text: str) -> Any:
    """What was typed as a group, a list or a quoted scalar; else it is plain text."""
    try:
        return safe_yaml.read(text) if text[:1] in ("{", "[", "'", '"') else Scalar(text)
    except yaml.YAMLError:
        return Scalar(text)


def _grouped(values: dict) -> dict:
    """`values` with `data: x` written as `data: {name: x}`; a dotted key raises OptionError."""
    _refuse_dots(values)
    named = {key: opened(values[key]) for key in NAMED if key in values}
    return values | {
        key: {"name": values[key]}
        for key, value in named.items()
        if isinstance(value, Scalar) and (value.text or value.quoted)
    }


def _refuse_dots(values: dict, prefix: str = "") -> None:
    for key, value in values.items():
        if "." in key:
            group, _, name = key.rpartition(".")
            accepted = f"{group.replace('.', ': {')}: {{{name}: ..." + "}" * key.count(".")
            raise OptionError(prefix + key, f"is not a key of a file; accepted: {accepted}")
        if isinstance(value, dict):
            _refuse_dots(value, f"{prefix}{key}.")


def merge(layers: list[Layer]) -> dict[str, Any]:
    """The values of `layers`, later ones over earlier ones; raises UsageError naming a layer.

    A group takes a group alone: a value in its place would be lost, or lose others.
    """
    merged: dict[str, Any] = {}
    for layer in layers:
        try:
            merged = _over(merged, layer.values, "")
        except OptionError as error:
            raise UsageError(f"{layer.name}: {error}.") from None
    return merged


def _over(low: dict, high: dict, prefix: str) -> dict:
    merged = dict(low)
    for key, value in high.items():
        below, above = opened(low.get(key)), opened(value)
        if isinstance(below, dict) and isinstance(above, dict):
            value = _over(below, above, f"{prefix}{key}.")
        elif isinstance(below, dict):
            raise OptionError(prefix + key, f"is {shown(value)}; accepted: a group of keys")
        elif isinstance(value, dict) and isinstance(low.get(key), Typed):
            problem = f"is {shown(below)} and has keys; accepted: a value or a group of keys"
            raise OptionError(prefix + key, problem)
        merged[key] = value
    return merged


def origin(error: OptionError, layers: list[Layer], default: str) -> str:
    """The name of the last layer that holds a key of `error`, else `default`."""
    keys = [key.split(".") for key in (error.key, *error.beside)]
    holding = [layer.name for layer in layers if any(_holds(layer.values, key) for key in keys)]
    return holding[-1] if holding else default


def _holds(values: Any, path: list[str]) -> bool:
    """Whether nested `values` set the key at `path`, or anything in place of its group."""
    for part in path:
        values = opened(values)
        if not isinstance(values, dict):
            return True
        if part not in values:
            return False
        values = values[part]
    return True
