"""What a configuration's YAML may hold, looked at before anything is built from it; its reading.

A YAML can name Python objects, grow without bound through aliases or interpolations, and nest until
the reader's stack ends; a configuration is a few plain keys.
"""

import yaml

from annealed.config.scalars import Node, Scalar

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


class Reader(yaml.SafeLoader):
    """Groups, lists and scalars as they were written; a key that is there twice is refused."""

    def resolve(self, kind, value, implicit):
        """The tag of a node without one: that of a plain scalar, a quoted one, a group, a list."""
        if kind is yaml.ScalarNode and implicit[0] and value != "<<":
            return "plain"
        return super().resolve(kind, value, implicit)

    def construct_mapping(self, node, deep=False):
        """A group by the text of its keys, what << names merged in."""
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        if len(set(keys)) < len(node.value):
            twice = next((key for key in keys if keys.count(key) > 1), None)
            problem = f"the key {twice!r} twice" if twice else "a key that is no text"
            raise yaml.constructor.ConstructorError(problem=problem, problem_mark=node.start_mark)
        self.flatten_mapping(node)
        return {key.value: self.construct_object(value, deep=True) for key, value in node.value}

    def construct_scalar_as_written(self, node: yaml.Node) -> Scalar:
        """The text of a node, and whether it was quoted."""
        return Scalar(self.construct_scalar(node), node.tag.endswith(":str"))


for tag in ("plain", *PLAIN):
    Reader.add_constructor(tag, Reader.construct_scalar_as_written)


def read(text: str) -> Node:
    """The content of `text`; raises HostileYAML, yaml.YAMLError, or RecursionError."""
    check(text)
    return yaml.load(text, Loader=Reader)
