"""Stacked digits: three random grey images in the channels of one, a set of a thousand modes.

Of ten classes the three channels make 10^3 modes, all alike, and a classifier of single images
tells which mode a sample lies in: how many are recovered says how much a GAN drops, beyond what
a ring or a grid shows (``metrics.modes.stacked_digit_modes``).

Srivastava et al., arXiv:1705.07761, section 4.2, after Metz et al., arXiv:1611.02163; PacGAN,
arXiv:1712.04086, section 4.2, trains on 128,000 triples. Deviation: triples are drawn once, 64,000
of them, and kept in memory.
"""

from __future__ import annotations

import itertools

import numpy as np

from ..errors import OptionError
from ..random import Stream
from .dataset import Dataset, check_images

SAMPLES = 64_000


def stack(dataset: Dataset, *, samples: int = SAMPLES, seed: int = 0) -> Dataset:
    """Return triples of random images of a labelled grey data set.

    Shapes: images (N, 1, H, W) -> (samples, 3, H, W); labels 100 a + 10 b + c of ten classes.

    Args:
        dataset: labelled grey images.
        samples: triples.
        seed: determines which images meet.

    Raises:
        DataError: the data are no grey images, or have no labels.
        OptionError: ``samples`` is below 1.
    """
    check_images("stacked", dataset, grey=True, labelled=True)
    assert dataset.labels is not None  # it is labelled
    if samples < 1:
        raise OptionError(f"stack(samples={samples}): use 1 or more")
    chosen = Stream(seed, "stacked").integers((samples, 3), 0, len(dataset))
    stored = np.stack([dataset.stored[chosen[:, k], ..., 0] for k in range(3)], axis=-1)
    classes = len(dataset.classes)
    labels = dataset.labels[chosen] @ np.array([classes**2, classes, 1])
    names = tuple(" ".join(triple) for triple in itertools.product(dataset.classes, repeat=3))
    name = f"stacked-{dataset.name}"
    return Dataset(name, stored, labels, names, dataset.source, dataset.notes)
