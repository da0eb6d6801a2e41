"""Products of float32 matrices on a CPU by oneDNN, in place of torch's BLAS.

The BLAS of torch's packages is MKL, which stays with AVX2 on CPUs that are not Intel's. oneDNN is
in them too and uses AVX-512 on every make, which is twice as fast. Either way products are float32
and summed in float32, in another order.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor
from torch.library import Library

FEWEST = 2**21  # multiply-adds; in a smaller product the call from Python costs what is gained

OPS = Library("annealed", "DEF")  # what compiled graphs call
OPS.define("mm(Tensor a, Tensor b) -> Tensor")
OPS.define("bmm(Tensor a, Tensor b) -> Tensor")


def resolve(products: str, device: torch.device) -> str:
    """The library that multiplies on `device`, "onednn" or "torch"; `products` may be "auto".

    "auto" is oneDNN on a CPU with AVX-512 that is not Intel's, where torch's BLAS is MKL. It is
    torch on another device, and where torch has no oneDNN.
    """
    faster = torch.backends.mkl.is_available() and _has_avx512() and not _is_intel()
    wanted = products == "onednn" or (products == "auto" and faster)
    return "onednn" if wanted and available(device) else "torch"


def available(device: torch.device) -> bool:
    """Whether oneDNN can multiply on `device`."""
    return device.type == "cpu" and torch.backends.mkldnn.is_available()


def _has_avx512() -> bool:
    return "AVX512" in torch.backends.cpu.get_cpu_capability()


def _is_intel() -> bool:
    """Whether the CPU is Intel's; True where the system does not say."""
    cpuinfo = Path("/proc/cpuinfo")
    return not cpuinfo.exists() or "GenuineIntel" in cpuinfo.read_text(encoding="utf-8")


def suits(a: tuple[int, ...], b: tuple[int, ...], *dtypes: torch.dtype) -> bool:
    """Whether oneDNN is to multiply shapes `a` (..., M, K) and `b` (..., K, N) of `dtypes`."""
    fits = len(a) == len(b) > 1 and a[:-2] == b[:-2] and a[-1] == b[-2]
    single = all(dtype is torch.float32 for dtype in dtypes)
    return fits and single and a[-2] * a[-1] * b[-1] >= FEWEST


def _linear(a: Tensor, b: Tensor, bias: Tensor | None = None) -> Tensor:
    (height, width), (down, right) = b.shape, b.stride()
    plain = (right == 1 and down >= width) or (down == 1 and right >= height)
    weight = b.t() if plain else b.contiguous().t()  # oneDNN knows no rows that overlap
    bias = None if bias is None else bias.contiguous()  # and reads a bias without its stride
    return torch.ops.mkldnn._linear_pointwise(a, weight, bias, "none", [], "")


def _matrix_by_matrix(a: Tensor, b: Tensor) -> Tensor:
    out = a.new_empty(a.shape[0], a.shape[1], b.shape[2])
    for product, x, y in zip(out.unbind(), a.unbind(), b.unbind(), strict=True):
        product.copy_(_linear(x, y))
    return out


OPS.impl("mm", _linear, "CPU")
OPS.impl("bmm", _matrix_by_matrix, "CPU")
OPS.impl("mm", lambda a, b: a.new_empty(a.shape[0], b.shape[1]), "Meta")
OPS.impl("bmm", lambda a, b: a.new_empty(a.shape[0], a.shape[1], b.shape[2]), "Meta")


def _mm(a: Tensor, b: Tensor) -> Tensor:
    if suits(a.shape, b.shape, a.dtype, b.dtype):
        return _linear(a, b)
    return torch.mm(a, b, out=a.new_empty(a.shape[0], b.shape[-1]))  # torch's own kernel


def _bmm(a: Tensor, b: Tensor) -> Tensor:
    if suits(a.shape, b.shape, a.dtype, b.dtype):
        return _matrix_by_matrix(a, b)
    return torch.bmm(a, b, out=a.new_empty(a.shape[0], a.shape[1], b.shape[-1]))


def _addmm(c: Tensor, a: Tensor, b: Tensor, *, beta=1, alpha=1) -> Tensor:
    plain = c.dim() == 1 and len(c) == b.shape[-1] and beta == 1 and alpha == 1
    if plain and suits(a.shape, b.shape, a.dtype, b.dtype, c.dtype):
        return _linear(a, b, c)
    out = a.new_empty(a.shape[0], b.shape[-1])
    return torch.addmm(c, a, b, beta=beta, alpha=alpha, out=out)


@contextmanager
def multiplying(products: str) -> Iterator[None]:
    """With `products` "onednn", oneDNN computes torch's large products in this block.

    The kernels of mm, bmm and addmm are replaced for the whole process, below autograd and vmap.
    Compiled code is not reached: see `annealed.compute.compiling`.
    """
    if products != "onednn":
        yield
        return
    library = Library("aten", "IMPL")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns that a kernel is replaced
            for name, kernel in (("mm", _mm), ("bmm", _bmm), ("addmm", _addmm)):
                library.impl(name, kernel, "CPU")
        yield
    finally:
        library._destroy()
