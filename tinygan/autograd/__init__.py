"""Layer 1: the engine. ``Tensor``, ops with vjp rules, ``grad``, ``jvp`` and ``hvp``, ``fused``."""

# First, because tensor.py itself imports the ops that its operators call.
from .tensor import Tensor, enable_grad, is_recording, no_grad

# isort: split
from .fused import fused
from .jvp import hvp, jvp
from .op import Op, kernel_op
from .vjp import grad

__all__ = [
    "Op",
    "Tensor",
    "enable_grad",
    "fused",
    "grad",
    "hvp",
    "is_recording",
    "jvp",
    "kernel_op",
    "no_grad",
]
