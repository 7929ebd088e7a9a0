"""LPIPS: how different two images look, as the weighted distance of a classifier's features.

    d(x, y) = sum_l  mean_hw  sum_c w_lc (u_lc(x) - u_lc(y))^2,      u_l = f_l / ||f_l||

f_l are the activations of a trunk (``metrics.trunks``) at its taps, normalised over the channels at
each pixel; the w_l >= 0 were fitted to people's judgements. Zhang et al., arXiv:1801.03924, section
3; version 0.1 of their weights. It is made of differentiable ops, so it serves as a perceptual loss
too, and as the distance of the perceptual path length.

A number is LPIPS only with the trunk weights that the linear weights were fitted on: torchvision's
ImageNet weights. So ``name`` holds the trunk's name: ``lpips_alex``, ``lpips_squeeze_caffe``.

Deviation: u is f / ||f||, and f itself where that is 0; in place of f / (||f|| + 1e-10), which has
no derivative where all channels are 0, as they are behind a ReLU in flat parts.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from .. import nn, ops
from ..autograd import Tensor
from ..autograd.linear import as_tensor
from ..errors import CheckpointError, ShapeError
from ..kernels.arrays import Array, xp_of
from .distance import PairDistance
from .trunks import Trunk


class LPIPS(PairDistance):
    """The perceptual distance of image pairs.

    Shapes: x and y (N, C, H, W) in [-1, 1], C 1 or 3 -> (N,).

    Args:
        trunk: where features come from.
        linear: w_l of each tap, (C_l,), as ``load_linear`` reads them.

    Raises:
        ShapeError: the linear weights don't fit the trunk's taps, or x and y differ, or are too
            small for the trunk.

    Differentiable: any order, off the ties of max-pooling and the kinks of ReLU.
    """

    def __init__(self, trunk: Trunk, linear: Sequence[Array]) -> None:
        self.trunk = trunk
        self.linear = [np.asarray(w) for w in linear]
        self.name = f"lpips_{trunk.name}"
        if len(linear) != len(trunk.taps):
            raise ShapeError(
                f"{self.name}: {len(linear)} linear weights for a trunk of {len(trunk.taps)} taps"
            )

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Compute the distances."""
        x, y = as_tensor(x), as_tensor(y)
        if x.shape != y.shape:
            raise ShapeError(f"{self.name}: x {x.shape} and y {y.shape} differ")
        total: Tensor | None = None
        for f, g, w in zip(self.trunk(x), self.trunk(y), self.linear, strict=True):
            if w.shape != (f.shape[1],):
                raise ShapeError(f"{self.name}: linear weight {w.shape}: ({f.shape[1]},) fits")
            gap = ops.square(_unit(f) - _unit(g))
            weight = Tensor(xp_of(f.data).asarray(w, dtype=f.dtype))
            term = ops.matmul(ops.mean(gap, (2, 3)), weight)  # (N, C_l) @ (C_l,)
            total = term if total is None else total + term
        assert total is not None  # a trunk has taps
        return total


def _unit(f: Tensor) -> Tensor:
    """Normalise over channels. Shapes: (N, C, H, W), the same."""
    squared = ops.sum(ops.square(f), 1, keepdims=True)
    return f * ops.rsqrt(ops.where(squared > 0.0, squared, 1.0))


def load_linear(path: str | os.PathLike[str]) -> list[Array]:
    """Read the linear weights of LPIPS 0.1 for a trunk. Shapes: -> a list of (C_l,), float32.

    Args:
        path: ``alex.pth``, ``vgg.pth`` or ``squeeze.pth``, with ``lin0.model.1.weight``
            (1, C, 1, 1) and so on.

    Raises:
        CheckpointError: the file is missing, damaged or holds other tensors, or a weight is
            negative or not finite.
    """
    state = nn.load_pth(path)
    names = [f"lin{i}.model.1.weight" for i in range(len(state))]
    if set(names) != set(state):
        raise CheckpointError(
            f"{os.fspath(path)}: no linear weights of LPIPS: holds {next(iter(state))!r}, "
            "'lin0.model.1.weight' and so on fit"
        )
    linear = [state[name] for name in names]
    for name, w in zip(names, linear, strict=True):
        if w.ndim != 4 or w.size != w.shape[1] or not (np.isfinite(w) & (w >= 0.0)).all():
            raise CheckpointError(
                f"{os.fspath(path)}: {name} {w.shape}: numbers >= 0 of shape (1, C, 1, 1) fit"
            )
    return [w.reshape(-1).astype(np.float32) for w in linear]
