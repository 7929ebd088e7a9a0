"""Layer 0: kernels, plain functions from arrays to arrays, one folder an op."""

from . import (
    adam,
    attention,
    batch_norm,
    bias_act,
    conv2d,
    descent,
    elementwise,
    gan_loss,
    group_norm,
    layer_norm,
    matmul,
    pixel_shuffle,
    pool2d,
    reduce,
    resize2d,
    softmax,
    spectral_norm,
    state,
    unfold,
    upfirdn2d,
)
from .memory import MemoryStats, caching, memory_stats, reset_peak_memory, trim_memory
from .native import check_environment
from .registry import (
    BACKENDS,
    Kernel,
    Prediction,
    backend_order,
    call,
    choose,
    explain,
    kernels,
    op_names,
    register,
    register_reference,
    unregister,
    use_backend,
)

__all__ = [
    "BACKENDS",
    "Kernel",
    "MemoryStats",
    "Prediction",
    "adam",
    "attention",
    "backend_order",
    "batch_norm",
    "bias_act",
    "caching",
    "call",
    "check_variables",
    "choose",
    "conv2d",
    "descent",
    "elementwise",
    "explain",
    "gan_loss",
    "group_norm",
    "kernels",
    "layer_norm",
    "matmul",
    "memory_stats",
    "op_names",
    "pixel_shuffle",
    "pool2d",
    "reduce",
    "register",
    "register_reference",
    "reset_peak_memory",
    "resize2d",
    "softmax",
    "spectral_norm",
    "state",
    "trim_memory",
    "unfold",
    "unregister",
    "upfirdn2d",
    "use_backend",
]


def check_variables() -> None:
    """Check the variables of the environment that say which kernels run, and how.

    Raises:
        OptionError: ``TINYGAN_BACKEND``, ``TINYGAN_ISA``, ``TINYGAN_NUM_THREADS`` or
            ``TINYGAN_WINOGRAD`` is none of the values that fit.
    """
    check_environment()
    backend_order()
    conv2d.winograd_mode()
