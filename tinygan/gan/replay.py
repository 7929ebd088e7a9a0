"""The image pool: D sees old fakes too, so that it does not forget them.

    while the pool fills:   return the new fake and keep it
    then, with p = 1/2:     return a random old fake and keep the new one in its place
    else:                   return the new fake

Shrivastava et al., arXiv:1612.07828, section 2.3; as in CycleGAN, arXiv:1703.10593, section 4,
whose code keeps 50 images.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import random
from ..autograd import Tensor
from ..errors import OptionError, StateError
from ..kernels.arrays import Array, empty_channels_last, xp_of


class ReplayPool:
    """A pool of fakes.

    Args:
        size: fakes kept; 0 turns the pool off.
        p: probability that an old fake is returned once the pool is full.
    """

    def __init__(self, size: int = 50, p: float = 0.5) -> None:
        if size < 0 or not 0 <= p <= 1:
            raise OptionError(f"ReplayPool(size={size}, p={p}): use size >= 0 and 0 <= p <= 1")
        self.size, self.p = size, p
        self._images: list[Array] = []

    def __len__(self) -> int:
        return len(self._images)

    def query(self, fakes: Tensor) -> Tensor:
        """Exchange some of the fakes for older ones, drawing from the ambient stream "replay".

        Shapes: fakes (N, ...) -> (N, ...), a constant. Differentiable: no, on purpose.
        """
        if self.size == 0:
            return fakes.detach()
        xp: Any = xp_of(fakes.data)
        if self._images and xp_of(self._images[0]) is not xp:  # loaded, and not used since
            self._images = [xp.asarray(image) for image in self._images]
        stream = random.current().stream("replay")
        n = fakes.shape[0]
        swaps = stream.bernoulli(n, self.p).tolist()
        places = stream.integers(n, 0, self.size).tolist()
        out = _allocate(fakes.data)
        for i, (swap, place) in enumerate(zip(swaps, places, strict=True)):
            new = fakes.data[i]
            if len(self._images) < self.size:
                self._images.append(new.copy(order="C"))
                out[i] = new
            elif swap:
                out[i] = self._images[place]
                self._images[place] = new.copy(order="C")
            else:
                out[i] = new
        return Tensor(out)

    def state_dict(self) -> dict[str, Any]:
        """Return the kept images as one array; nothing while the pool is empty."""
        if not self._images:
            return {}
        return {"images": Tensor(xp_of(self._images[0]).stack(self._images)).numpy()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what ``state_dict`` returned; the images go to the device of the next fakes.

        Raises:
            StateError: it holds more images than the pool.
        """
        images = state.get("images", ())
        if len(images) > self.size:
            raise StateError(f"a pool of {self.size} can't take back {len(images)} images")
        self._images = [np.array(image, order="C") for image in images]


def _allocate(like: Array) -> Array:
    """Allocate in one layout whatever the fakes' own, so that a resumed run sums alike."""
    xp: Any = xp_of(like)
    if like.ndim == 4:
        return empty_channels_last(xp, like.shape, like.dtype)
    out: Array = xp.empty(like.shape, dtype=like.dtype)
    return out
