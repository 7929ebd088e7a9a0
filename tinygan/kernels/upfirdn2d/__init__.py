"""Upsample, filter, downsample: one trilinear form, two kernels (README.md)."""

from . import cpp, cuda, numba_cpu, reference
from .spec import UpfirdnSpec

__all__ = ["UpfirdnSpec", "cpp", "cuda", "numba_cpu", "reference"]
