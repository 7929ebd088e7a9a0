"""What perceptual distances of image pairs share: measuring arrays, batch by batch."""

from __future__ import annotations

import numpy as np

from .. import nn
from ..autograd import Tensor, no_grad
from ..errors import ShapeError
from ..kernels.arrays import Array


class PairDistance(nn.Module):
    """A module that takes two batches of images and returns the distance of each pair.

    Attributes:
        name: of the distance, for messages.
        batch: pairs at once, where arrays are measured.
    """

    name: str
    batch = 16

    def distance(self, x: Array, y: Array) -> Array:
        """Compute the distances of arrays, in batches, and record nothing.

        Shapes: x and y (N, C, H, W) in [-1, 1] -> (N,).

        Raises:
            ShapeError: as for a call; or there are no images.
        """
        if not len(x):
            raise ShapeError(f"{self.name}: no images; at least one pair is needed")
        with no_grad():
            parts = [
                self(Tensor(x[i : i + self.batch]), Tensor(y[i : i + self.batch])).numpy()
                for i in range(0, max(len(x), len(y)), self.batch)
            ]
        return np.concatenate(parts)
