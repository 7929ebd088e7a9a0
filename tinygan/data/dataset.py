"""A data set in memory: images or points, labels, and where they come from.

Images are kept as they were read, (N, H, W, C) uint8 (or float32 where the source is finer), and
become float32 in [-1, 1] when they are asked for: x / 127.5 - 1. The value range follows from the
dtype, never from the values.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ..errors import DataError, OptionError
from ..kernels.arrays import Array, Shape
from .resize import square, with_channels
from .toys import Toy

_FLOAT_OF_BYTE = (np.arange(256) / 127.5 - 1.0).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images or points with their labels.

    Attributes:
        name: short name, e.g. for a run's folder.
        stored: images (N, H, W, C), uint8 or float32 in [-1, 1]; or points (N, 2) float32.
        labels: (N,) int64 from 0 to len(classes) - 1, or None.
        classes: names of the classes, by label.
        source: where the data come from and under which licence.
        notes: what the reader left out or changed, one line each.
        toy: the distribution, where the data are samples of a known one.
        domains: two sets of images, A and B, that this one joins (see ``pairs``): a sample is an
            image of A and one of B, the channels of A first, and ``stored`` holds A's alone.
        matched: of ``domains``, the images of one index belong together.
    """

    name: str
    stored: Array
    labels: Array | None = None
    classes: tuple[str, ...] = ()
    source: str = ""
    notes: tuple[str, ...] = ()
    toy: Toy | None = None
    domains: tuple[Dataset, Dataset] | None = None
    matched: bool = False

    def __len__(self) -> int:
        return len(self.stored)

    def __repr__(self) -> str:
        kinds = f", {len(self.classes)} classes" if self.classes else ""
        return f"Dataset({self.name!r}: {len(self)} x {self.shape}{kinds})"

    @property
    def shape(self) -> Shape:
        """Shape of one sample: (C, H, W), or (2,) for points."""
        if self.domains is not None:
            a, b = (domain.shape for domain in self.domains)
            return (a[0] + b[0], *a[1:])
        one = self.stored.shape[1:]
        return one if len(one) == 1 else (one[2], *one[:2])

    @cached_property
    def arrays(self) -> Array:
        """All samples. Shapes: -> (N, C, H, W) channels last, or (N, 2); float32."""
        return self.take(np.arange(len(self)))

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the samples and labels, with their shapes and dtypes."""
        digest = hashlib.sha256()
        for array in (self.stored, self.labels):
            if array is not None:
                digest.update(f"{array.dtype.str} {array.shape}".encode())
                digest.update(np.ascontiguousarray(array).data)
        if self.domains is not None:
            digest.update(f"{self.matched} {self.domains[1].hash}".encode())
        return digest.hexdigest()

    def take(self, indices: Array, xp: Any = np, *, others: Array | None = None) -> Array:
        """Return some samples on the array library ``xp``.

        Shapes: indices (B,), host integers -> (B, C, H, W) channels last, or (B, 2); float32.

        Args:
            indices: which.
            xp: the array library.
            others: of two domains, which of B; None takes those of the same index, and where B has
                fewer begins again.
        """
        if self.domains is None:
            return self._decode(self.stored[indices], xp)
        a, b = self.domains
        rows = np.asarray(indices) % len(b) if others is None else others
        joined: Array = xp.concatenate(
            [d.take(i, xp).transpose(0, 2, 3, 1) for d, i in ((a, indices), (b, rows))], axis=3
        )
        return joined.transpose(0, 3, 1, 2)

    def fitted(self, size: int | None = None, channels: int | None = None) -> Dataset:
        """Return the set with other image sizes (middle square, bilinear) or channels.

        Raises:
            OptionError: the set holds points, or size or channels is out of range.
        """
        if size is None and channels is None:
            return self
        if self.domains is not None:
            raise OptionError(f"{self.name}: fit its two domains, and join them then")
        if self.stored.ndim != 4:
            raise OptionError(f"{self.name}: points have no size or channels; leave them out")
        stored = self.stored if channels is None else with_channels(self.stored, channels)
        if size is not None:
            stored = square(stored, check_size(size))
        return replace(self, stored=stored)

    def _decode(self, stored: Array, xp: Any) -> Array:
        on_device = xp.asarray(stored)
        if stored.dtype == np.uint8:
            on_device = xp.asarray(_FLOAT_OF_BYTE)[on_device]
        out: Array = on_device if stored.ndim == 2 else on_device.transpose(0, 3, 1, 2)
        return out


def check_size(size: int) -> int:
    """Return ``size`` if it is a usable image side in pixels, else raise ``OptionError``."""
    if not 1 <= size <= 4096:
        raise OptionError(f"size={size}: use 1 to 4096 pixels")
    return size


def check_images(
    what: str, dataset: Dataset, *, grey: bool = False, labelled: bool = False
) -> None:
    """See that a set that others are made of holds images of one domain.

    Args:
        what: is made of it; it begins the message.
        dataset: the set.
        grey: the images must have one channel.
        labelled: they must have labels.

    Raises:
        DataError: the data are no such images.
    """
    images = dataset.domains is None and len(dataset.shape) == 3
    one = images and dataset.shape[0] == 1
    if not images or (grey and not one) or (labelled and dataset.labels is None):
        kind = f"{'labelled ' * labelled}{'grey ' * grey}images"
        raise DataError(f"{what}:{dataset.name}: it takes {kind}; these are {dataset!r}")
