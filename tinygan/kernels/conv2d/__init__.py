"""Convolution: one trilinear form, three kernels, each in several variants (README.md)."""

from . import cpp, cuda, numba_cpu, reference
from .cpp_winograd import use_winograd, winograd_mode
from .spec import ConvSpec

__all__ = [
    "ConvSpec",
    "cpp",
    "cuda",
    "numba_cpu",
    "reference",
    "use_winograd",
    "winograd_mode",
]
