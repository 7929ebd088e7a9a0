"""Path lengths: how far an image moves for a step in W, and a penalty on their spread.

    J_w = d g(w) / dw,   l = || J_w^T y ||_2,   y ~ N(0, I) / sqrt(H W)
    penalty = E (l - a)^2,   a <- a + decay (E l - a)

J_w^T y is the gradient of <g(w), y>, so no Jacobian is formed. Where l is the same for all w and y,
J is a multiple of an isometry: a step of one size in W moves the image by one amount, wherever it
starts. With L styles l is the root of the mean over them. The penalty's gradient is a derivative of
a derivative, through all of synthesis and the mapping.

Karras et al., arXiv:1912.04958, section 3.2 and equation 4; the factor 1 / sqrt(H W) and the
decay 0.01 are their code's.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..autograd import Tensor, grad
from ..autograd.basic import mean, sqrt, square
from ..autograd.linear import sum as sum_
from ..errors import OptionError, ShapeError, StateError

_EPS = 1e-12  # inside the root, whose slope at 0 is infinite
DECAY = 0.01  # of the running mean, a penalty


def path_lengths(synthesis: Callable[[Tensor], Tensor], ws: Tensor, *, noise: Any) -> Tensor:
    """Return the root of the mean over the styles of ||J_w^T y||^2, of each sample.

    Shapes: ws (N, L, nw), noise (N, C, H, W) -> (N,).

    Args:
        synthesis: styles to images (N, C, H, W).
        ws: styles; a constant, or what the mapping made, which then learns from it too.
        noise: an array of N(0, 1), as the images.

    Raises:
        ShapeError: the noise has another shape than the images.

    Differentiable: any order. Source: arXiv:1912.04958, section 3.2.
    """
    if not ws.requires_grad:
        ws = Tensor(ws.data, requires_grad=True)
    images = synthesis(ws)
    values = noise.data if isinstance(noise, Tensor) else noise
    if values.shape != images.shape:
        raise ShapeError(f"path_lengths: noise is {values.shape}, the images are {images.shape}")
    y = Tensor(values / math.sqrt(images.shape[2] * images.shape[3]))
    slopes = grad(sum_(images * y), ws, create_graph=True)
    return sqrt(mean(sum_(square(slopes), 2), 1) + _EPS)


class PathLengthPenalty:
    """E (l - a)^2 with a running mean a of the lengths; a is a constant of the gradient.

    Args:
        decay: share of the new mean in ``a``, a penalty; in (0, 1].

    Raises:
        OptionError: the decay is no such share.

    Source: arXiv:1912.04958, equation 4 and appendix B; ``a`` starts at 0, as in their code.
    """

    def __init__(self, *, decay: float = DECAY) -> None:
        if not 0.0 < decay <= 1.0:
            raise OptionError(f"PathLengthPenalty: decay {decay}: above 0 and at most 1 fits")
        self.decay = decay
        self.pl_mean = 0.0

    def __call__(self, lengths: Tensor) -> Tensor:
        """Move ``pl_mean`` on and return the penalty.

        Shapes: lengths (N,) -> (). Differentiable: any order.
        """
        self.pl_mean += self.decay * (float(mean(lengths)) - self.pl_mean)
        return mean(square(lengths - self.pl_mean))

    def state_dict(self) -> dict[str, Any]:
        """Return the running mean."""
        return {"pl_mean": self.pl_mean}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take back what ``state_dict`` returned.

        Raises:
            StateError: it is something else.
        """
        if set(state) != {"pl_mean"}:
            raise StateError(f"PathLengthPenalty takes its pl_mean, got {', '.join(state)}")
        self.pl_mean = float(state["pl_mean"])
