"""Batch norms that look beyond the batch: at each sample's condition, or at a reference batch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from .. import ops, random
from ..autograd import Tensor
from ..errors import OptionError, ShapeError, StateError
from . import init
from .layers import Embedding, Linear
from .module import Buffer, Module, Parameter
from .norm import BatchNorm, frozen
from .sample_norm import ones_and_zeros


class ConditionalBatchNorm2d(BatchNorm):
    """Batch norm of images whose scale and shift depend on the class or vector of each sample.

        y = scale(c) * (x - mean) / sqrt(var + eps) + shift(c)         with num_classes: tables,
                                                                       scale starts at 1, shift at 0
        y = (1 + scale(c)) * (x - mean) / sqrt(var + eps) + shift(c)   with cond_dim: matrices
                                                                       without bias, as in BigGAN

    Shapes: x (N, C, H, W), C = num_features; c (N,) integers or (N, cond_dim) -> as x;
    scale.weight and shift.weight (num_classes, C) or (C, cond_dim).

    Args:
        num_features: channels C.
        num_classes: the condition is one of so many classes.
        cond_dim: the condition is a vector of this length. One of the two is given.
        eps: added to the variance.
        momentum: weight of the new value in the running statistics; None averages evenly.
        track_running_stats: keep running statistics, else eval mode too uses the batch's.
        dtype: of the weights and running statistics.

    Raises:
        OptionError: neither or both of ``num_classes`` and ``cond_dim`` are given.
        ShapeError: x or c does not fit, or x has one value a channel in training mode.

    Differentiable: any order. Source: arXiv:1707.00683; arXiv:1610.07629; arXiv:1809.11096,
    appendix B.
    """

    ndims, fitting = (4,), "(N, {0}, H, W)"

    def __init__(
        self,
        num_features: int,
        num_classes: int | None = None,
        *,
        cond_dim: int | None = None,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        track_running_stats: bool = True,
        dtype: Any = np.float32,
    ) -> None:
        super().__init__(
            num_features,
            eps=eps,
            momentum=momentum,
            affine=False,
            track_running_stats=track_running_stats,
            dtype=dtype,
        )
        self.num_classes, self.cond_dim = num_classes, cond_dim
        self.scale: Module
        self.shift: Module
        if num_classes is not None and cond_dim is None:
            tables = [Embedding(num_classes, num_features, dtype=dtype) for _ in range(2)]
            init.ones_(tables[0].weight)
            init.zeros_(tables[1].weight)
            self.scale, self.shift = tables
        elif cond_dim is not None and num_classes is None:
            self.scale = Linear(cond_dim, num_features, bias=False, dtype=dtype)
            self.shift = Linear(cond_dim, num_features, bias=False, dtype=dtype)
        else:
            raise OptionError("ConditionalBatchNorm2d takes either num_classes or cond_dim")

    def forward(self, x: Tensor, c: Any) -> Tensor:  # type: ignore[override]
        """Apply the layer; in training mode, move the running statistics on."""
        c = c if isinstance(c, Tensor) else Tensor(c)
        wanted = x.shape[:1] if self.cond_dim is None else (*x.shape[:1], self.cond_dim)
        if c.shape != wanted:
            raise ShapeError(
                f"ConditionalBatchNorm2d takes c {wanted} for x {x.shape}, got {c.shape}"
            )
        y = super().forward(x)
        scale = self.scale(c)
        return ops.film(y, scale if self.cond_dim is None else scale + 1.0, self.shift(c))

    def extra_repr(self) -> str:
        """Return the hyper-parameters."""
        return f"{super().extra_repr()}, num_classes={self.num_classes}, cond_dim={self.cond_dim}"


class _Reference(NamedTuple):
    """Statistics of the reference batch (C,), and how many samples it has."""

    mean: Tensor
    var: Tensor
    size: int


class VirtualBatchNorm2d(Module):
    """Batch norm by a fixed reference batch and the sample itself: no sample sees its neighbours.

    For each sample, mean and variance are those of the n reference samples and it together:

        a = 1 / (n + 1)      mean = a * mean(x_i) + (1 - a) * mean(reference)
        var = a * (var(x_i) + (mean(x_i) - mean)^2) + (1 - a) * (var(reference) + (... - mean)^2)

    which is E[x^2] - mean^2 with the same weights, as the paper's code has it, without its
    cancellation. The reference batch is shown to the whole network by ``reference_batch``.

    Shapes: x (N, C, H, W), C = num_features -> as x; weight and bias (C,).

    Args:
        num_features: channels C.
        eps: added to the variance.
        dtype: of weight, bias and the statistics.

    Raises:
        StateError: no reference batch was shown yet.
        ShapeError: x does not fit.

    Differentiable: any order; through the statistics of the reference batch too while
    ``reference_batch`` runs, later they are constants.
    Source: arXiv:1606.03498, section 3.5.
    """

    def __init__(self, num_features: int, *, eps: float = 1e-5, dtype: Any = np.float32) -> None:
        ones, zeros = ones_and_zeros((num_features,), dtype)
        self.num_features, self.eps = num_features, eps
        self.weight, self.bias = Parameter(ones), Parameter(zeros)
        self.reference_mean, self.reference_var = Buffer(zeros), Buffer(ones)
        self.reference_size = Buffer(random.current().xp.zeros((), "int64"))
        self._watching = False
        self._live: _Reference | None = None

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer."""
        if x.ndim != 4 or x.shape[1] != self.num_features:
            raise ShapeError(
                f"VirtualBatchNorm2d takes x (N, {self.num_features}, H, W), got {x.shape}"
            )
        if self._watching:
            self._live = self._take(x)
            return ops.batch_norm(x, self.weight, self.bias, eps=self.eps)
        mean, var = self._statistics(x)
        y: Tensor = (x - mean) / ops.sqrt(var + self.eps) * _row(self.weight) + _row(self.bias)
        return y

    def _take(self, x: Tensor) -> _Reference:
        """Remember the statistics of the reference batch: in the graph, and as buffers."""
        axes = (0, 2, 3)
        found = _Reference(ops.mean(x, axes), ops.var(x, axes, correction=0), len(x))
        self.reference_mean.assign_(found.mean.data)
        self.reference_var.assign_(found.var.data)
        self.reference_size.assign_(self.reference_size.data * 0 + found.size)
        return found

    def _statistics(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and variance of each sample together with the reference, (N, C, 1, 1)."""
        size = int(self.reference_size)
        stored = _Reference(frozen(self.reference_mean), frozen(self.reference_var), size)
        of = self._live or stored
        if not of.size:
            raise StateError(
                "VirtualBatchNorm2d has no reference batch yet: "
                "run the network within nn.reference_batch(network, x) first"
            )
        new = 1.0 / (of.size + 1)
        own = ops.mean(x, (2, 3), True)
        own_var, old_mean = ops.var(x, (2, 3), True, correction=0), _row(of.mean)
        mean = own * new + old_mean * (1 - new)
        around = own_var + ops.square(own - mean)
        old_around = _row(of.var) + ops.square(old_mean - mean)
        return mean, around * new + old_around * (1 - new)

    def extra_repr(self) -> str:
        """Return the hyper-parameters."""
        return f"{self.num_features}, eps={self.eps}"


def _row(v: Tensor) -> Tensor:
    """Line a (C,) tensor up with axis 1 of an image."""
    return ops.reshape(v, (1, v.size, 1, 1))


@contextmanager
def reference_batch(module: Module, *args: Any, **kwargs: Any) -> Iterator[Any]:
    """Show a reference batch to the virtual batch norms of a network; give what it makes of it.

        with nn.reference_batch(D, x_ref):
            loss = d_loss(D(real), D(fake))
            gradients = grad(loss, D.parameters())

    The network runs once on the arguments, and each ``VirtualBatchNorm2d`` in it normalises that
    batch by its own statistics and keeps them. Within the block these are part of the graph, so
    that gradients flow into the layers below through the reference batch too; after it they are
    buffers, constant and saved with the network. Pass the same batch each time.

    Args:
        module: the network.
        *args: arguments of the call, made of the reference batch.
        **kwargs: keyword arguments of the call.

    Raises:
        OptionError: the network has no ``VirtualBatchNorm2d``.

    Source: arXiv:1606.03498, section 3.5.
    """
    layers = [layer for layer in module.modules() if isinstance(layer, VirtualBatchNorm2d)]
    if not layers:
        raise OptionError(f"reference_batch: {type(module).__name__} has no VirtualBatchNorm2d")
    try:
        for layer in layers:
            layer._watching = True
        y = module(*args, **kwargs)
        for layer in layers:
            layer._watching = False
        yield y
    finally:
        for layer in layers:
            layer._watching, layer._live = False, None
