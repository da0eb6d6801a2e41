"""What a configuration's YAML may hold, looked at before anything is built from it.

A YAML can name Python objects, grow without bound through aliases or interpolations, and nest until
the reader's stack ends; a configuration is a few plain keys.
"""

import yaml

BYTES, NODES, DEPTH = 100_000, 10_000, 32
PLAIN = {f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "bool", "null")}


class HostileYAML(ValueError):
    """A YAML that no configuration needs; the message begins with "holds" or "is"."""


def check(text: str) -> None:
    """Raise HostileYAML, or yaml.YAMLError, unless `text` is plain; takes time linear in it."""
    if len(text) > BYTES:
        raise HostileYAML(f"is larger than {BYTES} characters")
    sizes: dict[str, int] = {}  # of what each anchor stands for, with all aliases in it written out
    open_nodes: list[list] = []  # anchor and size so far
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.CollectionEndEvent):
            anchor, size = open_nodes.pop()
        elif isinstance(event, yaml.CollectionStartEvent):
            _plain(event.tag, set())
            open_nodes.append([event.anchor, 1])
            if len(open_nodes) > DEPTH:
                raise HostileYAML(f"holds more than {DEPTH} levels")
            continue
        elif isinstance(event, yaml.ScalarEvent):
            _plain(event.tag, PLAIN)
            if "${" in event.value or "\0" in event.value:
                raise HostileYAML("holds ${...} or a null character, which are not accepted")
            anchor, size = event.anchor, 1
        elif isinstance(event, yaml.AliasEvent):
            if event.anchor not in sizes:
                raise HostileYAML(f"holds the alias *{event.anchor} of nothing or of itself")
            anchor, size = None, sizes[event.anchor]
        else:
            continue
        if anchor is not None:
            sizes[anchor] = size
        if open_nodes:
            open_nodes[-1][1] += size
            if open_nodes[-1][1] > NODES:
                raise HostileYAML(f"holds more than {NODES} values, aliases written out")


def _plain(tag: str | None, accepted: set[str]) -> None:
    if tag is not None and tag not in accepted:
        raise HostileYAML(f"holds the tag {tag[:60]!r}; accepted: plain values without tags")
