"""Projection: the w, and the noise, for which a trained StyleGAN makes a given image.

    min over w and noise   d(g(w, noise), x) + noise_weight * R(noise)

by Adam from the mean w. In the first three quarters w is shaken, less and less, by
N(0, (0.05 s t'^2)^2), t' from 1 to 0, s the root of the summed variance of w: so that it looks
around. The rate rises over the first twentieth and falls over the last quarter. After each step
every noise map gets mean 0 and variance 1 again.

    R = sum over maps and their halvings down to 8 pixels of
        mean(n * right(n))^2 + mean(n * down(n))^2,         right, down: rolled by one pixel

keeps pixels of the noise from telling their neighbours' values: noise that carries the image would.

Karras et al., arXiv:1912.04958, section 5 and appendix D: 1000 steps, rate 0.1, noise_weight 1e5.
*Deviations*: d is the caller's, where the paper has LPIPS; several images are projected at once,
each with a w of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from .. import nn, ops, optim, random
from ..autograd import Tensor, enable_grad, grad
from ..errors import OptionError, ShapeError
from ..kernels.arrays import Array
from .game import evaluating
from .networks import StyleGenerator
from .styles import spread

Distance = Callable[[Tensor, Tensor], Tensor]  # (N, C, H, W) twice -> (N,)

_SHAKE, _SHAKEN = 0.05, 0.75  # size of the shaking in s, and the share of the steps that have it
_RISE, _FALL = 0.05, 0.25  # shares of the steps in which the rate rises and falls
_SMALLEST = 8  # side of the smallest map that R looks at


@dataclass(frozen=True, eq=False)
class Projection:
    """Where a projection stands.

    Attributes:
        step: steps taken.
        distance: d of each image before this step, (N,).
        w: (N, nw).
        noises: a map for each layer with noise, (N, 1, s, s) each; none where they stay G's own.
    """

    step: int
    distance: Array
    w: Array
    noises: tuple[Array, ...]


def project(
    G: StyleGenerator,
    target: Array,
    distance: Distance,
    *,
    steps: int = 1000,
    lr: float = 0.1,
    noise_weight: float = 1e5,
    seed: int = 0,
) -> Iterator[Projection]:
    """Look for the w of images; yield after each step.

    Args:
        G: trained generator; it is left as it is.
        target: images (N, C, S, S) in [-1, 1].
        distance: d, of each pair of images.
        steps: 1 or more.
        lr: learning rate of w and noise.
        noise_weight: weight of R; 0 leaves the noise as G has it in evaluation mode.
        seed: of the shaking, and of the noise to begin with.

    Raises:
        OptionError: a number is out of range.
        ShapeError: the images are not of G's shape.
    """
    if steps < 1 or not lr > 0 or not noise_weight >= 0:
        raise OptionError(
            f"project: steps {steps}, lr {lr:g}, noise_weight {noise_weight:g}: 1 or more, above 0 "
            "and 0 or more fit"
        )
    middle, deviation = spread(G)
    shape = _image_shape(G, middle)
    if target.ndim != 4 or target.shape[1:] != shape:
        raise ShapeError(f"project: images {target.shape}: (N, {', '.join(map(str, shape))}) fit")
    stream, x, n = random.Stream(seed, "project"), Tensor(target), len(target)
    w = nn.Parameter(np.tile(middle, (n, 1)))
    noises = _noise_maps(G, n, stream) if noise_weight else []
    adam = optim.Adam([w, *noises], lr)
    shake = _SHAKE * deviation * math.sqrt(G.nw)
    for step in range(steps):
        at = step / steps
        adam.lr = lr * min(1.0, at / _RISE + 1.0 / steps, _fallen(at))
        size = shake * max(0.0, 1.0 - at / _SHAKEN) ** 2
        shaken = Tensor(stream.normal(w.shape, std=size)) if size else None
        with evaluating(G), enable_grad():
            styles = G.repeat(w if shaken is None else w + shaken)
            far = distance(G.synthesis(styles, noises or None), x)
            loss = ops.sum(far)
            if noises:
                loss = loss + roughness(noises) * noise_weight
            adam.step(grad(loss, adam.params))
        for noise in noises:
            noise.assign_(_standardised(noise.data))
        yield Projection(step + 1, far.numpy(), w.numpy(), tuple(m.numpy() for m in noises))


def roughness(noises: list[nn.Parameter]) -> Tensor:
    """Return R of maps of noise, summed over the images. Shapes: (N, 1, s, s) each -> ().

    Differentiable: any order. Source: arXiv:1912.04958, equation 5.
    """
    total = Tensor(np.zeros((), noises[0].dtype))
    for noise in noises:
        level: Tensor = noise
        while True:
            for axis in (2, 3):
                along = ops.mean(level * _rolled(level, axis), (1, 2, 3))
                total = total + ops.sum(ops.square(along))
            if level.shape[-1] <= _SMALLEST or level.shape[-1] % 2:
                break
            level = ops.avg_pool2d(level, 2) * 2.0  # of unit variance again
    return total


def _rolled(x: Tensor, axis: int) -> Tensor:
    """Move an image by a pixel; what leaves it comes in at the other side."""
    before: tuple[slice, ...] = (*[slice(None)] * axis, slice(-1, None))
    after: tuple[slice, ...] = (*[slice(None)] * axis, slice(None, -1))
    return ops.concatenate([x[before], x[after]], axis)


def _standardised(noise: Array) -> Array:
    axes = (1, 2, 3)
    centred = noise - noise.mean(axes, keepdims=True)
    scaled: Array = centred / (np.sqrt((centred**2).mean(axes, keepdims=True)) + 1e-8)
    return scaled.astype(noise.dtype)


def _fallen(at: float) -> float:
    """Return the rate's factor at the end: half a cosine from 1 to 0."""
    left = min(1.0, (1.0 - at) / _FALL)
    return 0.5 - 0.5 * math.cos(left * math.pi)


def _noise_maps(G: StyleGenerator, n: int, stream: random.Stream) -> list[nn.Parameter]:
    return [nn.Parameter(stream.normal((n, *layer.noise.shape[1:]))) for layer in G.noise_layers()]


def _image_shape(G: StyleGenerator, w: Array) -> tuple[int, ...]:
    with evaluating(G):
        return G.synthesis(G.repeat(Tensor(w[None]))).shape[1:]
