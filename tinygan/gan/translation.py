"""Games whose G takes images in place of z: what it is given, and what pictures of them show.

``Game.translation`` says so. A batch of such a game is an array of samples (N, *data_shape) like
any other; a ``Translation`` cuts the images that G takes out of it, and those that its outputs are
to be like. To sample, a game needs images to begin with: it draws them from ``Game.dataset``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import nn, ops, random
from ..autograd import Tensor, no_grad
from ..errors import OptionError
from ..kernels.arrays import Array, Shape

BATCH = 8  # images at once: such a G keeps activations at full resolution

Cut = Callable[[Any], Any]  # samples (N, *data_shape), arrays or tensors -> (N, C, H, W)


@dataclass(frozen=True)
class Translation:
    """What a G that takes images is given, and what its outputs are compared with.

    Attributes:
        source: cuts G's inputs out of samples.
        target: cuts out what G's outputs are to be like.
        back: name among ``game.extra`` of the net that translates targets to sources, if any.
        domains: K, where G is told which of K domains to translate into; else 0.
    """

    source: Cut
    target: Cut
    back: str = ""
    domains: int = 0


def between_channels(split: int, *, back: str = "") -> Translation:
    """Return the translation of a sample's first channels into the others.

    Args:
        split: channels of the source.
        back: see ``Translation``.
    """
    return Translation(lambda x: x[:, :split], lambda x: x[:, split:], back)


def domain_shapes(name: str, source_channels: int, data_shape: Shape) -> tuple[Shape, Shape]:
    """Return the shapes of an image of A and of one of B, of samples that join both.

    Args:
        name: of the recipe, for messages.
        source_channels: of A; 0 stands for half of a sample's.
        data_shape: of a sample, (C, H, W).

    Raises:
        OptionError: the samples are no two images.
    """
    split = source_channels or data_shape[0] // 2
    even = source_channels or data_shape[0] % 2 == 0
    if len(data_shape) != 3 or not even or not 0 < split < data_shape[0]:
        raise OptionError(
            f"{name} translates images of one domain into another: samples (C, H, W) of an image "
            f"of A and one of B, {source_channels or 'half'} of the channels A's, fit; the data "
            f"have {data_shape}"
        )
    return (split, *data_shape[1:]), (data_shape[0] - split, *data_shape[1:])


def l1(x: Tensor, y: Tensor) -> Tensor:
    """E |x - y|, over images, channels and pixels.

    Shapes: x and y alike -> (). Differentiable: any order, off x = y.
    """
    return ops.mean(ops.abs(x - y))


def translate(
    net: nn.Module, images: Array, streams: random.Streams, *, domain: int | None = None
) -> Array:
    """Run a net over images, some at a time, in the mode that it is in.

    Shapes: images (N, C, H, W) -> (N, D, P, Q), NumPy.

    Args:
        net: a generator that takes images.
        images: on the net's device, in [-1, 1].
        streams: noise inside the net comes from these.
        domain: which one to translate into, where the net asks.
    """
    told = [] if domain is None else [streams.xp.full(len(images), domain)]
    with random.using(streams), no_grad():
        parts = [
            net(*(Tensor(images[i : i + BATCH]), *(y[i : i + BATCH] for y in told)))
            for i in range(0, len(images), BATCH)
        ]
    return np.concatenate([part.numpy() for part in parts])
