"""A perceptual distance in an in-house net: LPIPS's form, without weights fitted to people.

    d(x, y) = sum_l  mean_hw  sum_c (u_lc(x) - u_lc(y))^2,      u_l = f_l / ||f_l||

f_l are what comes out of the two ReLUs behind the net's convolutions, normalised over the channels
at each pixel. It needs no download, and knows digits (or clothes) alone: a number in it is named
after the net and is not LPIPS. It is made of differentiable ops, so that it serves the projection
of images, and as the distance of perceptual path lengths.

The form follows Zhang et al., arXiv:1801.03924, section 3, with all w_l = 1. *Deviation*: u is
f / sqrt(||f||^2 + eps), which has a derivative where all channels are 0, as in flat parts.
"""

from __future__ import annotations

from .. import nn, ops
from ..autograd import Tensor
from ..data.resize import LUMA
from ..errors import ShapeError
from ..kernels.arrays import xp_of
from .distance import PairDistance
from .house_nets import load_house_net

_TAPS = (1, 4)  # the ReLUs of ``house_nets.ClassifierNet.body`` that look at images
_EPS = 1e-6  # beside squared norms of about 1
_SMALLEST = 4  # pixels a side: two convolutions and a pool between them


class HouseDistance(PairDistance):
    """How different image pairs look to an in-house net.

    Shapes: x and y (N, C, H, W) in [-1, 1], C 1 or 3, 4 pixels a side or more -> (N,).

    Args:
        name: of the net: ``digits_lenet``, ``mnist_lenet`` or ``fashion_lenet``.

    Raises:
        OptionError: no in-house net has that name.
        ShapeError: x and y differ, or are no such images.

    Differentiable: any order, off the ties of max-pooling and the kinks of ReLU.
    """

    batch = 250

    def __init__(self, name: str) -> None:
        self.name = f"distance in {name}"
        self.layers = nn.Sequential(*list(load_house_net(name).body)[: _TAPS[-1] + 1])
        self.requires_grad_(False).eval()

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Compute the distances."""
        small = x.ndim != 4 or x.shape[1] not in (1, 3) or min(x.shape[2:]) < _SMALLEST
        if x.shape != y.shape or small:
            raise ShapeError(
                f"{self.name}: images {x.shape} and {y.shape}: (N, 1 or 3, H, W) of "
                f"{_SMALLEST} pixels a side or more, both alike, fit"
            )
        terms = [
            ops.mean(ops.sum(ops.square(u - v), 1), (1, 2))
            for u, v in zip(self._units(x), self._units(y), strict=True)
        ]
        return ops.sum(ops.stack(terms), 0)

    def _units(self, x: Tensor) -> list[Tensor]:
        """Return u_l of each tap."""
        if x.shape[1] == 3:
            weights = xp_of(x.data).asarray(LUMA, dtype=x.dtype).reshape(1, 3, 1, 1)
            x = ops.sum(x * Tensor(weights), 1, keepdims=True)
        found = []
        for i, layer in enumerate(self.layers):
            x = layer(x)
            if i in _TAPS:
                found.append(x * ops.rsqrt(ops.sum(ops.square(x), 1, keepdims=True) + _EPS))
        return found
