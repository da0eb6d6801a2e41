"""Values as a person wrote them, and their reading by the type of the key that they are for.

YAML 1.1 takes 010 for 8, 1:30 for 90 and no for false. Here a scalar stays text until its key says
what it is: a key of text takes it as it stands, a number is decimal, and only a key of true or
false knows yes and no.
"""

import re
from dataclasses import dataclass
from typing import Any, get_args

SHOWN = 100  # characters of a value that a message repeats
NULL = ("", "~", "null", "Null", "NULL")
BOOLEANS = {
    form: value
    for value, names in ((True, ("true", "yes", "on")), (False, ("false", "no", "off")))
    for name in names
    for form in (name, name.title(), name.upper())
}
WORDS = ((None, "null"), (True, "true"), (False, "false"))  # of Python and of YAML
INTEGER = re.compile(r"[-+]?[0-9]{1,40}")
FLOAT = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")


@dataclass(frozen=True)
class Scalar:
    """A scalar of a YAML."""

    text: str
    quoted: bool = False


@dataclass(frozen=True)
class Typed:
    """A value of the command line: what was typed, and what it is as YAML."""

    text: str
    node: "Node"


Node = Scalar | Typed | dict[str, "Node"] | list["Node"]


def opened(value: Any) -> Any:
    """`value`, of the command line as YAML has it: a group, a list or a scalar."""
    return value.node if isinstance(value, Typed) else value


def read(value: Any, kind: Any) -> Any:
    """`value` as one of `kind`; what does not read as one, or is a Python value, is as it was."""
    options = get_args(kind)
    inner = next((k for k in options if k is not type(None)), kind)
    if kind is Any:
        return untyped(value)
    if options and type(None) not in options:
        entries = opened(value)
        return [read(v, inner) for v in entries] if isinstance(entries, list) else value
    if inner is str:
        return _text(value)
    if get_args(inner):
        return None if _is_null(opened(value)) else read(value, inner)
    scalar = opened(value)
    if not isinstance(scalar, Scalar) or scalar.quoted:
        return value
    if scalar.text in NULL:
        return None
    if inner is bool:
        return BOOLEANS.get(scalar.text, value)
    if inner is int and INTEGER.fullmatch(scalar.text):
        return int(scalar.text)
    return float(scalar.text) if inner is float and FLOAT.fullmatch(scalar.text) else value


def _text(value: Any) -> Any:
    """The text that a scalar is; of the command line all that was typed, or what it quotes."""
    scalar = opened(value)
    if isinstance(scalar, Scalar) and scalar.quoted:
        return scalar.text
    if isinstance(value, Typed):  # ~ is the home folder there
        return None if value.text in NULL and value.text != "~" else value.text
    if isinstance(scalar, Scalar):
        return None if _is_null(scalar) else scalar.text
    return value


def _is_null(value: Any) -> bool:
    return isinstance(value, Scalar) and not value.quoted and value.text in NULL


def untyped(value: Any) -> Any:
    """`value` where no key says what it is: null, true, false, decimal numbers, else text."""
    value = opened(value)
    if isinstance(value, dict):
        return {key: untyped(v) for key, v in value.items()}
    if isinstance(value, list):
        return [untyped(v) for v in value]
    if not isinstance(value, Scalar) or value.quoted:
        return value.text if isinstance(value, Scalar) else value
    if value.text in NULL:
        return None
    if value.text in BOOLEANS and value.text.lower() in ("true", "false"):
        return BOOLEANS[value.text]
    if INTEGER.fullmatch(value.text):
        return int(value.text)
    return float(value.text) if FLOAT.fullmatch(value.text) else value.text


def shown(value: Any) -> str:
    """A value as messages repeat it, a number as it was written, cut to SHOWN characters."""
    value = opened(value)
    if isinstance(value, Scalar) and not value.quoted and FLOAT.fullmatch(value.text):
        text = value.text
    else:
        plain = untyped(value)
        text = next((name for form, name in WORDS if plain is form), repr(plain))
    return text if len(text) <= SHOWN else text[:SHOWN] + "..."


def override(key: str, text: str) -> str:
    """The override that gives the key of text `key` the value `text`, whatever that holds."""
    quoted = text[:1] in ("'", '"') or text in NULL
    return f"{key}=" + ("'" + text.replace("'", "''") + "'" if quoted else text)
