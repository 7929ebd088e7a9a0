"""A handful of labelled examples in a stream of data whose other labels are never looked at.

    pool = the first ``per_class`` samples of each class that the batches bring, with their labels

The order of the batches is that of a seed, so another seed shows other labels; the pool is as
balanced as the data have samples. It is kept with the rest of a game (``game.extra``), so a resumed
run sees the labels that the uninterrupted one would have seen.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import nn, random
from ..autograd import Tensor
from ..errors import OptionError
from ..kernels.arrays import Array, Shape, as_channels_last, xp_of


class LabelPool(nn.Module):
    """The examples whose labels may be seen.

    Args:
        data_shape: shape of one sample.
        num_classes: K; labels are 0 to K - 1.
        per_class: examples of each class, 1 or more.

    Raises:
        OptionError: ``per_class`` is below 1.
    """

    def __init__(self, data_shape: Shape, *, num_classes: int, per_class: int) -> None:
        super().__init__()
        if per_class < 1:
            raise OptionError(f"labels_per_class {per_class}: 1 or more fit")
        self.per_class = per_class
        xp = random.current().xp
        self.counts = nn.Buffer(np.zeros(num_classes, np.int64))  # on the host: it is looked at
        self.samples = nn.Buffer(xp.zeros((num_classes * per_class, *data_shape), "float32"))

    def __len__(self) -> int:
        return int(self.counts.data.sum())

    def offer(self, x: Array, y: Array) -> None:
        """Take what is still missing out of a batch. Shapes: x (N, *data_shape), y (N,)."""
        counts = self.counts.data.copy()
        if counts.sum() == counts.size * self.per_class:
            return
        rows, places = [], []
        for row, label in enumerate(Tensor(y).numpy().tolist()):
            if counts[label] < self.per_class:
                rows.append(row)
                places.append(label * self.per_class + int(counts[label]))
                counts[label] += 1
        if rows:
            xp: Any = xp_of(x)
            samples = self.samples.data.copy()
            samples[xp.asarray(places)] = x[xp.asarray(rows)]
            self.samples.assign_(samples)
            self.counts.assign_(counts)

    def draw(self, n: int) -> tuple[Tensor, Array]:
        """Draw n examples from the ambient stream "labelled": each as often as any other.

        Shapes: -> samples (n, *data_shape), labels (n,).

        Where n is no multiple of what the pool holds, some are drawn once more than others.
        """
        xp: Any = xp_of(self.samples.data)
        within = np.arange(self.per_class)[None] < self.counts.data[:, None]
        known = xp.asarray(np.flatnonzero(within))
        order = random.current().stream("labelled").permutation(len(known))
        places = known[order[xp.arange(n) % len(known)]]
        samples = self.samples.data[places]
        samples = as_channels_last(samples) if samples.ndim == 4 else samples
        return Tensor(samples), places // self.per_class
