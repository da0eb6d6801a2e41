"""Large products of compiled graphs by oneDNN: the same choice as `annealed.compute.onednn`."""

import torch
from torch._inductor.custom_graph_pass import CustomGraphPass, get_hash_for_files
from torch.fx import Graph, Node

from annealed.compute import onednn

aten, ours = torch.ops.aten, torch.ops.annealed


class ByOneDNN(CustomGraphPass):
    """Has oneDNN compute the products of a graph that are worth it; a bias is added beside it."""

    def __call__(self, graph: Graph) -> None:
        """Rewrite `graph` in place."""
        for name in ("mm", "bmm"):
            for node in graph.find_nodes(op="call_function", target=getattr(aten, name).default):
                if _worth(*node.args):
                    node.target = getattr(ours, name).default
        for node in graph.find_nodes(op="call_function", target=aten.addmm.default):
            bias, a, b = node.args
            if not node.kwargs and _worth(a, b):
                with graph.inserting_before(node):
                    product = graph.call_function(ours.mm.default, (a, b))
                product.meta = dict(node.meta)
                node.target, node.args = aten.add.Tensor, (product, bias)

    def uuid(self) -> bytes:
        """What the compiler's cache knows the pass by."""
        return get_hash_for_files((__file__, onednn.__file__))


BY_ONEDNN = ByOneDNN()  # one, so that functions compiled with it share their graphs


def _worth(a: Node, b: Node) -> bool:
    x, y = a.meta["val"], b.meta["val"]
    on_cpu = x.device.type == "cpu"
    return on_cpu and onednn.worth(x.shape, y.shape, x.dtype, y.dtype)
