"""A curriculum: the game begins on blurred images, and the blur fades away.

    with_curriculum(recipe, "blur:2/2000")      tinygan train dcgan --curriculum blur:2/2000

At step n all that the players see is diffused by sigma(n) = 2 max(0, 1 - (n - 1) / 2000) pixels:
reals, and G's images before anyone judges them. Both alike, so that blur tells nobody anything: the
optimum of G at every step is one whose blurred images are distributed as the blurred data, and from
step 2001 on the game is the recipe's own. Coarse shapes come first, as in progressive growing
(arXiv:1710.10196), without a layer more. Karras et al., arXiv:2106.12423, begin so, in an appendix:
10 pixels, falling to 0 over the first 200 thousand images. Samples are never blurred.

*Diffusion*. Blurring is the heat equation on the pixels, with no flow across the border:

    B(sigma) = exp(sigma^2 / 2 L),   L = second differences, mirrored at the border
             = V diag(exp(-2 sigma^2 sin(pi k / 2S)^2)) V^T,   V: the cosines of the DCT-II

along each axis. So B(0) = 1, B(a) B(b) = B(sqrt(a^2 + b^2)), an image's mean stays, entries are at
least 0 with rows of sum 1 (values stay in [-1, 1]), and a lone pixel far from the border gets the
variance sigma^2. Source of the picture: arXiv:2206.13397, appendix A.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any

import numpy as np

from .. import nn, ops
from ..autograd import Tensor, no_grad
from ..errors import OptionError
from ..kernels.arrays import Array, Shape, as_channels_last, xp_of
from .game import Game, Metrics
from .loop import Alternating, Recipe, Step

_SPEC = re.compile(r"blur:([0-9.]+)/([0-9]+)")


@dataclass(frozen=True)
class Blur:
    """A blur that fades away.

    Attributes:
        sigma: at the first step, in pixels; above 0.
        steps: after so many there is none; 1 or more.
    """

    sigma: float
    steps: int

    @classmethod
    def parse(cls, text: str) -> Blur:
        """Read ``"blur:SIGMA/STEPS"``.

        Raises:
            OptionError: it is something else, or a number does not fit.
        """
        match = _SPEC.fullmatch(text.strip())
        try:
            found = cls(float(match[1]), int(match[2])) if match else None
        except ValueError:
            found = None
        if found is None or found.sigma == 0 or found.steps == 0:
            raise OptionError(
                f"curriculum {text!r}: blur:SIGMA/STEPS fits, e.g. blur:2/2000: pixels above 0, "
                "1 step or more"
            )
        return found

    def at(self, step: int) -> float:
        """Return sigma at a step, counted from 1."""
        return self.sigma * max(0.0, 1.0 - (step - 1) / self.steps)


def with_curriculum(recipe: Recipe, spec: str) -> Recipe:
    """Return a recipe that begins on blurred images; itself for ``""``.

    It goes around whatever the step is: after ``with_objective``.

    Args:
        recipe: one whose players alternate, with labels or without; its G makes images.
        spec: ``"blur:SIGMA/STEPS"``, see ``Blur.parse``.

    Raises:
        OptionError: the spec or the recipe does not fit. From ``setup``: the data are no images.
    """
    if not spec:
        return recipe
    blur = Blur.parse(spec)
    if not (isinstance(recipe.step, Alternating) or recipe.labelled):
        raise OptionError(
            f"{recipe.name} has a step of its own: --curriculum fits recipes that alternate, as "
            "dcgan does"
        )

    @wraps(recipe.setup)
    def _setup(config: Any, data_shape: Shape) -> Game:
        if len(data_shape) != 3:
            raise OptionError(f"--curriculum {spec}: it blurs images, the data have {data_shape}")
        return recipe.setup(config, data_shape)

    return replace(recipe, setup=_setup, step=_blurred_step(recipe.step, blur))


def _blurred_step(step: Step, blur: Blur) -> Step:
    def _step(game: Game, batches: Iterator[Any]) -> Metrics:
        sigma = blur.at(game.step)
        if not sigma:
            return step(game, batches)
        with _blurring(game.G, sigma):
            return {"blur": sigma} | step(game, (_blurred(batch, sigma) for batch in batches))

    return _step


@contextmanager
def _blurring(G: nn.Module, sigma: float) -> Iterator[None]:
    """Let G's images be blurred until the ``with`` block ends, whoever calls it."""
    forward = G.forward

    @wraps(forward)
    def _forward(*args: Any, **kwargs: Any) -> Tensor:
        return diffuse(forward(*args, **kwargs), sigma)

    vars(G)["forward"] = _forward
    try:
        yield
    finally:
        del vars(G)["forward"]  # the class's own is back


def _blurred(batch: Any, sigma: float) -> Any:
    """Blur the images of a batch, with or without labels beside them."""
    if isinstance(batch, tuple):
        return (_blurred(batch[0], sigma), *batch[1:])
    with no_grad():
        return as_channels_last(diffuse(Tensor(batch), sigma).data)


def diffuse(x: Tensor, sigma: float) -> Tensor:
    """Blur images by the heat equation, without flow across their borders.

    Shapes: x (N, C, H, W) -> the same.

    Args:
        x: images.
        sigma: standard deviation in pixels, 0 or more; at 0 x itself comes back.

    Differentiable: any order. Source: the algebra above; arXiv:2206.13397, appendix A.
    """
    if not sigma:
        return x
    rows, columns = (
        Tensor(xp_of(x.data).asarray(heat_matrix(extent, sigma), x.dtype)) for extent in x.shape[2:]
    )
    return ops.matmul(ops.matmul(rows, x), columns)  # B is symmetric


def heat_matrix(extent: int, sigma: float) -> Array:
    """Return B(sigma) for so many pixels: symmetric, entries >= 0. Shapes: -> (extent, extent)."""
    k = np.arange(extent)
    waves = np.cos(np.pi / extent * np.outer(k + 0.5, k))  # (pixel, k), the DCT-II
    waves /= np.linalg.norm(waves, axis=0)
    decay = np.exp(-2.0 * (sigma * np.sin(np.pi * k / (2 * extent))) ** 2)
    matrix: Array = (waves * decay) @ waves.T
    return matrix
