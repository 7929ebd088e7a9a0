"""Layer 0: kernels, plain functions from arrays to arrays, one folder an op."""

from . import (
    adam,
    batch_norm,
    bias_act,
    conv2d,
    gan_loss,
    group_norm,
    layer_norm,
    pool2d,
    reduce,
    resize2d,
    spectral_norm,
    unfold,
    upfirdn2d,
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
    "group_norm",
    "kernels",
    "layer_norm",
    "op_names",
    "pool2d",
    "reduce",
    "resize2d",
    "spectral_norm",
    "unfold",
    "upfirdn2d",
    "use_backend",
]
