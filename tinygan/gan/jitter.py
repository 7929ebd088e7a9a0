"""Random jitter of training images: enlarge, crop at a random place, mirror half of them.

pix2pix (arXiv:1611.07004, appendix 6.2) enlarges 256 pixels to 286 and crops 256 out of them; what
is one array, as both images of a pair are, moves together.
"""

from __future__ import annotations

from .. import ops, random
from ..autograd import Tensor, no_grad
from ..errors import OptionError


def jitter(x: Tensor, *, enlarge: int, flip: bool = True) -> Tensor:
    """Enlarge images, crop each to its old size at a place of its own, and mirror half of them.

    Shapes: x (N, C, H, W) -> the same, a constant.

    Args:
        x: images.
        enlarge: pixels that both sides grow by, bilinear, before the crop; 0 moves nothing.
        flip: mirror left and right with probability 1/2.

    Raises:
        OptionError: ``enlarge`` is below 0.

    Draws from the ambient stream "jitter". Differentiable: no, on purpose.
    """
    if enlarge < 0:
        raise OptionError(f"jitter: enlarge={enlarge}: 0 or more pixels fit")
    n, _, h, w = x.shape
    stream = random.current().stream("jitter")
    tops, lefts = stream.integers((2, n), 0, enlarge + 1).tolist()
    mirrored = stream.bernoulli(n, 0.5 if flip else 0.0).tolist()
    with no_grad():
        large = ops.interpolate(x, (h + enlarge, w + enlarge), mode="bilinear") if enlarge else x
        parts = []
        for i, (top, left, turn) in enumerate(zip(tops, lefts, mirrored, strict=True)):
            part = large[i : i + 1, :, top : top + h, left : left + w]
            parts.append(part[:, :, :, ::-1] if turn else part)
        return ops.concatenate(parts)
