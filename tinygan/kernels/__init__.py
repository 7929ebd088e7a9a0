"""Layer 0: kernels, plain functions from arrays to arrays, one folder an op."""

from .registry import BACKENDS, Kernel, call, choose, explain, kernels, op_names, use_backend

__all__ = ["BACKENDS", "Kernel", "call", "choose", "explain", "kernels", "op_names", "use_backend"]
