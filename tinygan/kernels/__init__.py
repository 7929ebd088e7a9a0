"""Layer 0: kernels, plain functions from arrays to arrays, one folder an op."""

from . import (
    adam,
    batch_norm,
    bias_act,
    conv2d,
    gan_loss,
    pool2d,
    reduce,
    spectral_norm,
)
from .registry import BACKENDS, Kernel, call, choose, explain, kernels, op_names, use_backend

__all__ = [
    "BACKENDS",
    "Kernel",
    "adam",
    "batch_norm",
    "bias_act",
    "call",
    "choose",
    "conv2d",
    "explain",
    "gan_loss",
    "kernels",
    "op_names",
    "pool2d",
    "reduce",
    "spectral_norm",
    "use_backend",
]
