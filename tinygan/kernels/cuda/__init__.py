"""CUDA kernels: how they are compiled, checked, launched and emulated. The only door to the GPU."""

from .backend import cuda_refusal, register_cuda
from .launch import launch
from .table import TABLE

__all__ = ["TABLE", "cuda_refusal", "launch", "register_cuda"]
