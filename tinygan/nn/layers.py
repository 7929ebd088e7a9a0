"""Layers with weights, and those that only move entries, as ``torch.nn`` names them.

Weights have PyTorch's shapes, and its initial distribution: uniform in +-1 / sqrt(fan_in), which
is its Kaiming-uniform with a = sqrt(5). They are drawn from the ambient streams
(``tinygan.random.using``) and lie on the device of those. Only sizes are positional.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import ops, random
from ..autograd import Tensor
from ..errors import OptionError, ShapeError
from ..kernels.arrays import Shape
from . import init
from .module import Module, Parameter


def empty(shape: Shape | int, dtype: Any) -> Any:
    """Allocate an array on the device of the ambient streams, for an initialiser to fill."""
    return random.current().xp.empty(shape, dtype=dtype)


class Affine(Module):
    """What layers share that have ``weight`` and ``bias``."""

    weight: Tensor
    bias: Tensor | None

    def _allocate(self, shape: Shape, out_features: int, bias: bool, dtype: Any) -> None:
        if any(n < 1 for n in shape):
            raise OptionError(f"{type(self).__name__}: a weight of shape {shape} holds nothing")
        self.weight = Parameter(empty(shape, dtype))
        self.bias = Parameter(empty(out_features, dtype)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew, uniform in +-1 / sqrt(fan_in)."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5.0))
        if self.bias is not None:
            bound = 1.0 / math.sqrt(init.fans(self.weight)[0])
            init.uniform_(self.bias, -bound, bound)


class Linear(Affine):
    """y = x W^T + b.

    Shapes: x (..., in_features) -> (..., out_features); weight (out_features, in_features),
    bias (out_features,).

    Args:
        in_features: size of the last axis of x.
        out_features: size of the last axis of y.
        bias: add b.
        dtype: of the weights.

    Raises:
        ShapeError: the last axis of x is not ``in_features`` long.

    Differentiable: any order.
    """

    def __init__(
        self, in_features: int, out_features: int, *, bias: bool = True, dtype: Any = np.float32
    ) -> None:
        self.in_features, self.out_features = in_features, out_features
        self._allocate((out_features, in_features), out_features, bias, dtype)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer."""
        if not x.ndim or x.shape[-1] != self.in_features:
            raise ShapeError(f"Linear takes x (..., {self.in_features}), got {x.shape}")
        return ops.linear(x, self.weight, self.bias)

    def extra_repr(self) -> str:
        """Return the sizes."""
        return f"{self.in_features}, {self.out_features}, bias={self.bias is not None}"


class Embedding(Module):
    """A learned table of vectors, drawn from N(0, 1), looked up by index.

    Shapes: index (...) integers -> (..., embedding_dim); weight (num_embeddings, embedding_dim).

    Differentiable: any order in the weight.
    """

    def __init__(self, num_embeddings: int, embedding_dim: int, *, dtype: Any = np.float32) -> None:
        self.weight = Parameter(empty((num_embeddings, embedding_dim), dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the table anew."""
        init.normal_(self.weight)

    def forward(self, index: Any) -> Tensor:
        """Look up the rows."""
        return ops.embedding(index, self.weight)

    def extra_repr(self) -> str:
        """Return the sizes."""
        return ", ".join(map(str, self.weight.shape))


class Dropout(Module):
    """Zero each entry with probability ``p`` in training mode; do nothing in eval mode.

    Masks come from the stream "dropout" of the ambient streams. ``inplace`` is PyTorch's and
    changes nothing. Differentiable: any order.

    Raises:
        OptionError: p is not in [0, 1).
    """

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        if not 0.0 <= p < 1.0:
            raise OptionError(f"Dropout: p is a probability in [0, 1), got {p}")
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer."""
        if not self.training:
            return x
        return ops.dropout(x, self.p, mask_stream=random.current().stream("dropout"))

    def extra_repr(self) -> str:
        """Return the probability."""
        return f"p={self.p}"


class Identity(Module):
    """Return the input; any arguments of the constructor are ignored, as in PyTorch."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x``."""
        return x


class Flatten(Module):
    """Merge the axes from ``start_dim`` to ``end_dim``. Differentiable: any order."""

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer."""
        return ops.flatten(x, self.start_dim, self.end_dim)


class Unflatten(Module):
    """Split axis ``dim`` into ``unflattened_size``, one of which may be -1.

    Shapes: with dim 1, (N, C*H*W) -> (N, C, H, W). Differentiable: any order.
    """

    def __init__(self, dim: int, unflattened_size: Sequence[int]) -> None:
        self.dim, self.unflattened_size = dim, tuple(unflattened_size)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer."""
        if not -x.ndim <= self.dim < x.ndim:
            raise ShapeError(f"Unflatten: axis {self.dim} is out of range for x {x.shape}")
        at, parts = self.dim % x.ndim, self.unflattened_size
        known = math.prod(n for n in parts if n != -1)
        open_ = x.shape[at] // known if known else 0
        full = tuple(open_ if n == -1 else n for n in parts)
        if parts.count(-1) > 1 or math.prod(full) != x.shape[at]:
            raise ShapeError(f"Unflatten: axis {at} of x {x.shape} does not fill {parts}")
        return ops.reshape(x, (*x.shape[:at], *full, *x.shape[at + 1 :]))

    def extra_repr(self) -> str:
        """Return the axis and its parts."""
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
