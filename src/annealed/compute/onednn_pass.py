"""Large products of compiled graphs by oneDNN: the same choice as `annealed.compute.onednn`."""

import torch
from torch._inductor.custom_graph_pass import CustomGraphPass, get_hash_for_files
from torch.fx import Graph, Node

from annealed.compute import onednn

aten, replacements = torch.ops.aten, torch.ops.annealed


class ByOneDNN(CustomGraphPass):
    """Has oneDNN compute the large products of a graph; a bias is added in a node of its own."""

    def __call__(self, graph: Graph) -> None:
        """Rewrite `graph` in place."""
        for name in ("mm", "bmm"):
            for node in graph.find_nodes(op="call_function", target=getattr(aten, name).default):
                if _suits(*node.args):
                    node.target = getattr(replacements, name).default
        for node in graph.find_nodes(op="call_function", target=aten.addmm.default):
            bias, a, b = node.args
            if not node.kwargs and _suits(a, b):
                with graph.inserting_before(node):
                    product = graph.call_function(replacements.mm.default, (a, b))
                product.meta = dict(node.meta)
                node.target, node.args = aten.add.Tensor, (product, bias)

    def uuid(self) -> bytes:
        """The key of this pass in the compiler's cache: a digest of its source."""
        return get_hash_for_files((__file__, onednn.__file__))


BY_ONEDNN = ByOneDNN()  # one, so that functions compiled with it share their graphs


def _suits(a: Node, b: Node) -> bool:
    x, y = a.meta["val"], b.meta["val"]
    on_cpu = x.device.type == "cpu"
    return on_cpu and onednn.suits(x.shape, y.shape, x.dtype, y.dtype)
