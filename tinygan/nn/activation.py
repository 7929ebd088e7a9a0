"""Activations as layers; each is its op. ``inplace`` is PyTorch's and changes nothing."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import ops
from ..autograd import Tensor
from . import init
from .layers import empty
from .module import Module, Parameter


class ReLU(Module):
    """max(x, 0). Differentiable: any order, slope 0 at 0."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        """Apply the activation."""
        return ops.relu(x)


class LeakyReLU(Module):
    """x where x > 0, else ``negative_slope`` * x. Differentiable: any order."""

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        self.negative_slope = negative_slope

    def forward(self, x: Tensor) -> Tensor:
        """Apply the activation."""
        return ops.leaky_relu(x, negative_slope=self.negative_slope)

    def extra_repr(self) -> str:
        """Return the slope."""
        return f"negative_slope={self.negative_slope}"


class PReLU(Module):
    """x where x > 0, else weight * x, with a learned weight, one in all or one a channel.

    Shapes: x (N, num_parameters, ...), or any where ``num_parameters`` is 1. Differentiable: any
    order. Source: arXiv:1502.01852.
    """

    def __init__(
        self, num_parameters: int = 1, init: float = 0.25, *, dtype: Any = np.float32
    ) -> None:
        self.init = init
        self.weight = Parameter(empty(num_parameters, dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set every slope to its initial value."""
        init.constant_(self.weight, self.init)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the activation."""
        return ops.prelu(x, self.weight)

    def extra_repr(self) -> str:
        """Return the number of slopes."""
        return f"num_parameters={self.weight.size}"


class ELU(Module):
    """x where x > 0, else alpha * (exp(x) - 1). Differentiable: any order. arXiv:1511.07289."""

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        self.alpha = alpha

    def forward(self, x: Tensor) -> Tensor:
        """Apply the activation."""
        return ops.elu(x, alpha=self.alpha)

    def extra_repr(self) -> str:
        """Return alpha."""
        return f"alpha={self.alpha}"


class Tanh(Module):
    """Hyperbolic tangent. Differentiable: any order."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply the activation."""
        return ops.tanh(x)


class Sigmoid(Module):
    """1 / (1 + exp(-x)). Differentiable: any order."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply the activation."""
        return ops.sigmoid(x)


class Softplus(Module):
    """log(1 + exp(x)), without overflow. Differentiable: any order."""

    def forward(self, x: Tensor) -> Tensor:
        """Apply the activation."""
        return ops.softplus(x)


class SiLU(Module):
    """x * sigmoid(x), also called swish. Differentiable: any order."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()

    def forward(self, x: Tensor) -> Tensor:
        """Apply the activation."""
        return ops.swish(x)


class Softmax(Module):
    """exp(x) / sum exp(x) over axis ``dim``. Differentiable: any order."""

    def __init__(self, dim: int = -1) -> None:
        self.dim = dim

    def forward(self, x: Tensor) -> Tensor:
        """Apply the activation."""
        return ops.softmax(x, self.dim)


class LogSoftmax(Module):
    """Logarithm of ``Softmax``, without overflow. Differentiable: any order."""

    def __init__(self, dim: int = -1) -> None:
        self.dim = dim

    def forward(self, x: Tensor) -> Tensor:
        """Apply the activation."""
        return ops.log_softmax(x, self.dim)
