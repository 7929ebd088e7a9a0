"""Images larger than a sample, of any sizes: every batch takes a random part of each.

Where a part lies, and whether it is mirrored, is a function of (seed, cursor) like the order of the
batches, so a resumed run sees the parts that the uninterrupted one would have seen. Without random
numbers (``take``, ``arrays``: pictures, metrics) an image stands for its middle.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..kernels.arrays import Array
from ..random import Stream
from .dataset import Dataset


@dataclass(frozen=True, eq=False, repr=False)
class Crops(Dataset):
    """A data set of square parts of images; ``stored`` holds the middle ones.

    Attributes:
        whole: the images, (H, W, C) each, uint8 or float32 as ``stored``.
        mirror: mirror every other part, at random, left to right.
    """

    whole: Sequence[Array] = ()
    mirror: bool = True

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the whole images, the labels, and how parts are taken."""
        digest = hashlib.sha256(f"{super().hash} {self.mirror}".encode())
        for image in self.whole:
            digest.update(f"{image.dtype.str} {image.shape}".encode())
            digest.update(np.ascontiguousarray(image).data)
        return digest.hexdigest()

    def at_random(self, indices: Array, stream: Stream, xp: Any = np) -> Array:
        """Return a random part of some images on the array library ``xp``.

        Shapes: indices (B,), host integers -> (B, C, S, S) channels last; float32.

        Args:
            indices: which images.
            stream: three numbers are drawn of it for each.
            xp: the array library.
        """
        side = self.stored.shape[1]
        draws = stream.uniform((len(indices), 3), dtype=np.float64)
        parts = np.empty((len(indices), *self.stored.shape[1:]), self.stored.dtype)
        for part, index, (down, right, mirror) in zip(parts, indices, draws, strict=True):
            image = self.whole[index]
            top, left = (
                int(u * (n - side + 1)) for u, n in zip((down, right), image.shape, strict=False)
            )
            cut = image[top : top + side, left : left + side]
            part[:] = cut[:, ::-1] if self.mirror and mirror < 0.5 else cut
        return self._decode(parts, xp)


def middles(whole: Sequence[Array], side: int) -> Array:
    """Cut the middle squares out of images. Shapes: (H, W, C) each -> (N, side, side, C)."""
    cut = []
    for image in whole:
        top, left = ((n - side) // 2 for n in image.shape[:2])
        cut.append(image[top : top + side, left : left + side])
    return np.stack(cut)
