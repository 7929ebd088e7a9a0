"""Upsample, filter, downsample: one trilinear form, two kernels (README.md)."""

from . import cpp, numba_cpu, reference
from .spec import UpfirdnSpec

__all__ = ["UpfirdnSpec", "cpp", "numba_cpu", "reference"]
