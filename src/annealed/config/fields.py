"""Fields of option dataclasses that carry what they accept, and the check of a value against it."""

import math
import re
from dataclasses import MISSING, Field, field, fields, is_dataclass
from typing import Any, get_args, get_type_hints

from annealed.config.scalars import SHOWN, opened, read, shown
from annealed.utils.paths import expanded

WHOLE = 2**63  # whole numbers are below it
NOT_TEXT = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]|\$\{")  # what no key of text may hold


def number(default=MISSING, low=-math.inf, high=math.inf, open_ends: bool = False):
    """A number from `low` to `high`, ends included unless `open_ends`; required without a default.

    A field typed `... | None` takes null too, one typed `list[...]` takes a list of such numbers.
    """
    metadata = {"range": (low, high, open_ends)}
    if isinstance(default, list):
        return field(default_factory=lambda: list(default), metadata=metadata)
    return field(default=default, metadata=metadata)


def choice(*accepted: str | int | bool, default=MISSING):
    """One of the values `accepted`, of a field's type or mixed and typed `Any`.

    Required without a default.
    """
    return field(default=default, metadata={"accepted": accepted})


def path(default=MISSING):
    """A path on a disk of this machine, `~` written out; typed `str | None` it takes null too."""
    return field(default=default, metadata={"path": True})


def accepted(kind: Any, metadata) -> str:
    """The values that a field accepts, as messages describe them."""
    if values := metadata.get("accepted"):
        return "one of " + ", ".join(
            str(v).lower() if isinstance(v, bool) else str(v) for v in values
        )
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
    inner = [k for k in get_args(kind) if k is not type(None)]
    optional = type(None) in get_args(kind)
    base = inner[0] if inner else kind
    names |= {str: "a path"} if "path" in metadata else {}
    text = ("a list, each " if not optional and inner else "") + names.get(base, "a group of keys")
    low, high, open_ends = metadata.get("range", (-math.inf, math.inf, False))
    if low > -math.inf:
        text += f" above {low}" if open_ends else f" from {low}"
    if high < math.inf:
        text += f" and below {high}" if open_ends else f" to {high}"
    return text + (", or null" if optional else "")


def fits(value: Any, kind: Any, metadata) -> bool:
    """Whether `value` is of `kind` and within the field's metadata."""
    if kind is Any:
        mixed = metadata.get("accepted", [value])
        return any(type(value) is type(v) and value == v for v in mixed)
    options = get_args(kind)
    if type(None) in options:
        inner = next(k for k in options if k is not type(None))
        return value is None or fits(value, inner, metadata)
    if options:
        return isinstance(value, list) and all(fits(v, options[0], metadata) for v in value)
    if "accepted" in metadata:
        return type(value) is kind and value in metadata["accepted"]
    if kind in (int, float):
        types = (int,) if kind is int else (int, float)
        low, high, open_ends = metadata.get("range", (-math.inf, math.inf, False))
        return (
            isinstance(value, types)
            and not isinstance(value, bool)
            and (abs(value) < WHOLE if isinstance(value, int) else math.isfinite(value))
            and low <= value <= high
            and not (open_ends and value in (low, high))
        )
    return isinstance(value, kind)


def build(schema: type, values: dict, prefix: str = "") -> Any:
    """An instance of the dataclass `schema` from nested `values`: as written, or of Python.

    Raises OptionError with one sentence that names the key and what is accepted.
    """
    kinds, entries = get_type_hints(schema), {f.name: f for f in fields(schema)}
    for key in values:
        if key not in entries:
            names = ", ".join(entries) or "none, this group has no keys"
            raise OptionError(prefix + str(key)[:SHOWN], f"is not a key; accepted: {names}")
    arguments = {}
    for name, entry in entries.items():
        key, kind = prefix + name, kinds[name]
        if is_dataclass(kind):
            value = opened(values.get(name, {}))
            if not isinstance(value, dict):
                raise OptionError(key, f"is {shown(value)}; accepted: a group of keys")
            arguments[name] = build(kind, value, key + ".")
        elif name in values:
            value = read(values[name], kind)
            if not fits(value, kind, entry.metadata):
                kinds_accepted = accepted(kind, entry.metadata)
                raise OptionError(key, f"is {shown(values[name])}; accepted: {kinds_accepted}")
            value = _checked(key, value, entry) if isinstance(value, str) else value
            arguments[name] = float(value) if kind is float else value
        elif _required(entry):
            raise OptionError(key, f"is missing; accepted: {accepted(kind, entry.metadata)}")
    return schema(**arguments)


def _checked(key: str, text: str, entry: Field) -> str:
    """The text of a key, a path written out; raises OptionError."""
    if not text or NOT_TEXT.search(text):
        problem = "bytes of no text, control characters or ${...}" if text else "no character"
        raise OptionError(key, f"is {shown(text)}, which holds {problem}; accepted: other text")
    if "path" not in entry.metadata:
        return text
    try:
        return expanded(text)
    except ValueError as error:
        raise OptionError(key, f"is {shown(text)}, which {error}") from None


def _required(entry: Field) -> bool:
    return entry.default is MISSING and entry.default_factory is MISSING


class OptionError(ValueError):
    """A configuration value that is not accepted.

    `key` is its dotted name, `beside` those of the keys that it does not fit.
    """

    def __init__(self, key: str, problem: str, beside: tuple[str, ...] = ()):
        super().__init__(f"{key} {problem}")
        self.key, self.beside = key, beside
