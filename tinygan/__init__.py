"""tinygan: a from-scratch autograd GAN engine with hand-written kernels.

The rooms, from the ground up: ``kernels`` (arrays to arrays), ``random``, ``autograd`` (the
engine), ``ops``, ``testing``, ``nn``, ``optim``, ``data``, ``gan``, ``metrics``, ``recipes``,
``runs`` and ``cli``. Reading order: autograd/op.py, autograd/vjp.py, ops/conv.py, kernels/conv2d/,
recipes/gan.py, recipes/wgan_gp.py.
"""

from __future__ import annotations

import importlib
from typing import Any

from . import errors, kernels, ops, random
from .autograd import Tensor, enable_grad, grad, hvp, jvp, no_grad

__version__ = "0.1.0"

_LAZY = ("data", "gan", "metrics", "nn", "optim", "recipes", "runs", "testing")

__all__ = [
    "Tensor",
    "__version__",
    "data",
    "enable_grad",
    "errors",
    "gan",
    "grad",
    "hvp",
    "jvp",
    "kernels",
    "metrics",
    "nn",
    "no_grad",
    "ops",
    "optim",
    "random",
    "recipes",
    "runs",
    "testing",
]


def __getattr__(name: str) -> Any:
    """Import an upper room when it is first asked for: ``import tinygan`` stays fast."""
    if name in _LAZY:
        return importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module 'tinygan' has no attribute {name!r}")
