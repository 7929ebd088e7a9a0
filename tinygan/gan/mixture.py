"""Several generators as one: each sample comes from one of them, which is drawn by weight.

    p = sum_k w_k p_k:    k ~ w,   x = G_k(z)

So what one generator leaves out another may bring, as AdaGAN builds up a mixture generator by
generator (arXiv:1701.02386, section 2). It is samples that are mixed, never pixels: the mean of two
generators' outputs is a sample of neither, and lies between the modes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .. import nn, ops, random
from ..autograd import Tensor
from ..errors import OptionError
from ..kernels.arrays import Array, xp_of
from ..random import Stream


def choose(n: int, weights: Sequence[float], stream: Stream) -> Array:
    """Draw which of the generators makes each sample. Shapes: -> (n,) host integers.

    Args:
        n: number of samples.
        weights: of the generators, from 0 on; their sum need not be 1.
        stream: where the random numbers come from.

    Raises:
        OptionError: a weight is negative or not finite, or none is above 0.
    """
    ends = np.cumsum(_shares(weights))
    u = Tensor(stream.uniform((n,), dtype=np.float64)).numpy()
    # the last end may lie below 1 by rounding, and behind it may be weights of 0
    which: Array = np.minimum(np.searchsorted(ends, u, side="right"), np.argmax(ends))
    return which


def _shares(weights: Sequence[float]) -> Array:
    """Return weights as shares of 1."""
    w = np.asarray(weights, np.float64)
    if w.ndim != 1 or not w.size or not np.isfinite(w).all() or w.min() < 0 or not w.sum():
        raise OptionError(f"weights {list(weights)}: numbers from 0 on, one of them above 0, fit")
    shares: Array = w / w.sum()
    return shares


class Mixture(nn.Module):
    """A generator that is several. Shapes: z (N, nz), y (N,) integers or None -> (N, ...).

    The choice comes from the stream "mixture" of the current streams, so it is drawn anew at each
    call in a step. In training mode batch norm takes the samples of each generator separately.

    Args:
        generators: networks of the same nz and samples of the same shape; conditional ones are
            given the labels of their samples.
        weights: how often each is drawn, see ``choose``; None: all alike.

    Raises:
        OptionError: no generators, or the weights don't fit them.

    Differentiable: any order, in z and in the weights of the networks.
    """

    def __init__(
        self, generators: Sequence[nn.Module], weights: Sequence[float] | None = None
    ) -> None:
        super().__init__()
        self.generators = list(generators)
        self.weights = tuple(weights) if weights is not None else (1.0,) * len(self.generators)
        if not self.generators or len(self.weights) != len(self.generators):
            raise OptionError(
                f"a mixture of {len(self.generators)} generators with {len(self.weights)} weights: "
                "one each fits"
            )
        _shares(self.weights)

    def forward(self, z: Tensor, y: Array | None = None) -> Tensor:
        """Make samples."""
        xp = xp_of(z.data)
        which = choose(z.shape[0], self.weights, random.current().stream("mixture"))
        rows = [np.flatnonzero(which == k) for k in range(len(self.generators))]
        parts = []
        for net, own in zip(self.generators, map(xp.asarray, rows), strict=True):
            if own.size:
                parts.append(net(ops.take(z, own), *(() if y is None else (y[own],))))
        back = xp.asarray(np.argsort(np.concatenate(rows)))
        return ops.take(ops.concatenate(parts, 0), back)
