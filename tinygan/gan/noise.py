"""Instance noise: blur what D sees, so that data and fakes overlap and D can't win at once.

    D(x + sigma e),  D(G(z) + sigma e'),   e, e' ~ N(0, 1)

Sonderby et al., arXiv:1610.04490, section 4; Arjovsky & Bottou, arXiv:1701.04862, section 3. On a
small set D would else tell real from fake by the finest texture long before the shapes are right.
"""

from __future__ import annotations

from .. import random
from ..autograd import Tensor


def instance_noise(x: Tensor, *, std: float) -> Tensor:
    """Add N(0, std^2) from the ambient stream "noise"; return ``x`` itself where std is 0.

    Shapes: x (N, ...) -> (N, ...). Differentiable: any order; the noise is a constant.
    """
    if not std:
        return x
    return x + Tensor(random.current().stream("noise").normal(x.shape, x.dtype, std=std))
