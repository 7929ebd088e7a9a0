"""Trunks: the convolutional parts of four ImageNet classifiers, with taps on the way.

    alex     AlexNet of "one weird trick", arXiv:1404.5997    5 taps, LPIPS'
    vgg      VGG16, arXiv:1409.1556                           5 taps, LPIPS'
    squeeze  SqueezeNet 1.1, arXiv:1602.07360                 7 taps, LPIPS'
    vgg19    VGG19, arXiv:1409.1556                           conv 5_4, before its ReLU

Names and shapes are those of torchvision (``features.0.weight``), so that its state dicts load; of
these the classifier is left out. A trunk takes RGB images in [-1, 1]. It first brings them to the
statistics that its weights were trained on:

    s_c = (x_c - shift_c) / scale_c,    shift = (-.030, -.088, -.188), scale = (.458, .448, .450)

which is (x + 1) / 2 less ImageNet's mean (.485, .456, .406), over its deviation (.229, .224, .225).

Weights are the user's: none of these come with tinygan.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .. import nn, ops, random
from ..autograd import Tensor
from ..errors import CheckpointError, OptionError, ShapeError, StateError
from ..kernels.arrays import Array, xp_of

SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)


class Trunk(nn.Module):
    """A stack of layers that hands out what comes out of some of them.

    Shapes: x (N, 3, H, W) or (N, 1, H, W) in [-1, 1] -> a list of (N, C_l, H_l, W_l); grey counts
    as three equal channels.

    Args:
        name: of the trunk, the end of a metric's name.
        layers: the stack.
        taps: indices of the layers whose outputs are returned, rising.
        smallest: side of the smallest image that it takes, in pixels.

    Raises:
        ShapeError: the images are no such batch, or too small.

    Differentiable: any order.
    """

    def __init__(
        self, name: str, layers: list[nn.Module], taps: tuple[int, ...], smallest: int
    ) -> None:
        self.name, self.taps, self.smallest = name, taps, smallest
        self.features = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Compute the tapped layers' outputs."""
        if x.ndim != 4 or x.shape[1] not in (1, 3) or min(x.shape[2:]) < self.smallest:
            raise ShapeError(
                f"trunk {self.name}: images {x.shape}: (N, 1 or 3, H, W) of {self.smallest} pixels "
                "a side or more fit"
            )
        xp = xp_of(x.data)
        shift, scale = (
            Tensor(xp.asarray(values, dtype=x.dtype).reshape(1, 3, 1, 1))
            for values in (SHIFT, SCALE)
        )
        x = (x - shift) / scale
        outputs = []
        for i, layer in enumerate(self.features):
            x = layer(x)
            if i in self.taps:
                outputs.append(x)
        return outputs


class _CeilMaxPool(nn.Module):
    """Max-pool of 3, step 2, over what is not negative, whose last window may stick out.

    Shapes: (N, C, H, W) -> (N, C, ceil((H - 3) / 2) + 1, ...). Zeros beyond the border lose
    against no output of a ReLU.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer."""
        over_h, over_w = (1 - n % 2 for n in x.shape[2:])
        return ops.max_pool2d(ops.zero_pad2d(x, (0, over_w, 0, over_h)), 3, 2)


class Fire(nn.Module):
    """SqueezeNet's block: a 1 x 1 convolution to few channels, then 1 x 1 beside 3 x 3.

    Shapes: (N, C, H, W) -> (N, 2 * expand, H, W). Differentiable: any order.

    Attributes:
        activated: False leaves out the last ReLU, for who wants the block's output before it.
    """

    activated = True

    def __init__(self, in_channels: int, squeeze: int, expand: int, dtype: Any) -> None:
        self.squeeze = nn.Conv2d(in_channels, squeeze, 1, dtype=dtype)
        self.expand1x1 = nn.Conv2d(squeeze, expand, 1, dtype=dtype)
        self.expand3x3 = nn.Conv2d(squeeze, expand, 3, padding=1, dtype=dtype)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block."""
        x = ops.relu(self.squeeze(x))
        y = ops.concatenate([self.expand1x1(x), self.expand3x3(x)], axis=1)
        return ops.relu(y) if self.activated else y


def _alex(dtype: Any) -> Trunk:
    widths = (3, 64, 192, 384, 256, 256)
    windows = ((11, 4, 2), (5, 1, 2), (3, 1, 1), (3, 1, 1), (3, 1, 1))  # size, stride, padding
    layers: list[nn.Module] = []
    for i, window in enumerate(windows):
        layers += [nn.Conv2d(widths[i], widths[i + 1], *window, dtype=dtype), nn.ReLU()]
        if i < 2:
            layers.append(nn.MaxPool2d(3, 2))
    return Trunk("alex", layers, (1, 4, 7, 9, 11), smallest=31)


def _vgg_layers(dtype: Any, deep: int) -> tuple[list[nn.Module], tuple[int, ...]]:
    """Return VGG's layers, with ``deep`` convolutions in its last three blocks, and block ends."""
    layers: list[nn.Module] = []
    channels, ends = 3, []
    for width, convolutions in ((64, 2), (128, 2), (256, deep), (512, deep), (512, deep)):
        if layers:
            layers.append(nn.MaxPool2d(2))
        for _ in range(convolutions):
            layers += [nn.Conv2d(channels, width, 3, padding=1, dtype=dtype), nn.ReLU()]
            channels = width
        ends.append(len(layers) - 1)
    return layers, tuple(ends)


def _vgg(dtype: Any) -> Trunk:
    return Trunk("vgg", *_vgg_layers(dtype, 3), smallest=16)


def _vgg19(dtype: Any) -> Trunk:
    layers, _ = _vgg_layers(dtype, 4)
    return Trunk("vgg19", layers[:-1], (len(layers) - 2,), smallest=16)


def _squeeze(dtype: Any) -> Trunk:
    layers = [
        nn.Conv2d(3, 64, 3, 2, dtype=dtype),
        nn.ReLU(),
        _CeilMaxPool(),
        Fire(64, 16, 64, dtype),
        Fire(128, 16, 64, dtype),
        _CeilMaxPool(),
        Fire(128, 32, 128, dtype),
        Fire(256, 32, 128, dtype),
        _CeilMaxPool(),
        Fire(256, 48, 192, dtype),
        Fire(384, 48, 192, dtype),
        Fire(384, 64, 256, dtype),
        Fire(512, 64, 256, dtype),
    ]
    return Trunk("squeeze", layers, (1, 4, 7, 9, 10, 11, 12), smallest=17)


_TRUNKS: dict[str, Callable[[Any], Trunk]] = {
    "alex": _alex,
    "vgg": _vgg,
    "squeeze": _squeeze,
    "vgg19": _vgg19,
}


def make_trunk(name: str, *, dtype: Any = np.float32) -> Trunk:
    """Build a trunk with random weights, frozen, in evaluation mode.

    Args:
        name: ``alex``, ``vgg``, ``squeeze`` or ``vgg19``.
        dtype: of the weights.

    Raises:
        OptionError: there is no such trunk.
    """
    if name not in _TRUNKS:
        raise OptionError(f"no trunk {name!r}; use one of {', '.join(_TRUNKS)}")
    # streams of its own: the caller's are left where they are
    with random.using(random.Streams(0, random.current().xp)):
        return _TRUNKS[name](dtype).requires_grad_(False).eval()


def load_trunk(name: str, path: str | os.PathLike[str]) -> Trunk:
    """Build a trunk with the weights of a state dict of torchvision.

    Args:
        name: ``alex``, ``vgg``, ``squeeze`` or ``vgg19``.
        path: a ``.pth`` of ``alexnet``, ``vgg16``, ``squeezenet1_1`` or ``vgg19``, with or without
            classifier.

    Raises:
        OptionError: there is no such trunk.
        CheckpointError: the file is missing, damaged, or of another network.
    """
    trunk = make_trunk(name)
    state = nn.load_pth(path)
    return filled(trunk, {k: v for k, v in state.items() if not k.startswith("classifier.")}, path)


def filled(trunk: Trunk, state: Mapping[str, Array], path: str | os.PathLike[str]) -> Trunk:
    """Load weights by name into a trunk, and return it.

    Raises:
        CheckpointError: they don't fit, or one is not finite; the message names ``path``.
    """
    try:
        trunk.load_state_dict(state)
    except StateError as error:
        first = str(error).partition(": ")[2].partition(";")[0]
        raise CheckpointError(
            f"{os.fspath(path)}: not the weights of trunk {trunk.name} ({first})"
        ) from None
    if not all(np.isfinite(value).all() for value in state.values()):
        raise CheckpointError(f"{os.fspath(path)}: a weight is not finite")
    return trunk
