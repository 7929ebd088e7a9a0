"""Trunks of LPIPS: the convolutional parts of three ImageNet classifiers, with taps on the way.

    alex     AlexNet of "one weird trick", arXiv:1404.5997    5 taps
    vgg      VGG16, arXiv:1409.1556                           5 taps
    squeeze  SqueezeNet 1.1, arXiv:1602.07360                 7 taps

Names and shapes are those of torchvision (``features.0.weight``), so that its state dicts load; of
these the classifier is left out. A trunk takes RGB images in [-1, 1]. It first brings them to the
statistics that its weights were trained on:

    s_c = (x_c - shift_c) / scale_c,    shift = (-.030, -.088, -.188), scale = (.458, .448, .450)

which is (x + 1) / 2 less ImageNet's mean (.485, .456, .406), over its deviation (.229, .224, .225).

Weights are the user's: none of these come with tinygan. ``squeezenet_from_h5`` converts those that
Caffe trained and Keras stored; they are not known to be the ones that LPIPS was calibrated on, and
the trunk is named ``squeeze_caffe`` for that.
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
_MAX_H5_BYTES = 1 << 20  # of one tensor; fire9's 3 x 3 kernel has 589,824
_CAFFE_MEAN = (123.68, 116.779, 103.939)  # of R, G, B in 0 .. 255; the net takes B, G, R


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
    """

    def __init__(self, in_channels: int, squeeze: int, expand: int, dtype: Any) -> None:
        self.squeeze = nn.Conv2d(in_channels, squeeze, 1, dtype=dtype)
        self.expand1x1 = nn.Conv2d(squeeze, expand, 1, dtype=dtype)
        self.expand3x3 = nn.Conv2d(squeeze, expand, 3, padding=1, dtype=dtype)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block."""
        x = ops.relu(self.squeeze(x))
        return ops.relu(ops.concatenate([self.expand1x1(x), self.expand3x3(x)], axis=1))


def _alex(dtype: Any) -> Trunk:
    widths = (3, 64, 192, 384, 256, 256)
    windows = ((11, 4, 2), (5, 1, 2), (3, 1, 1), (3, 1, 1), (3, 1, 1))  # size, stride, padding
    layers: list[nn.Module] = []
    for i, window in enumerate(windows):
        layers += [nn.Conv2d(widths[i], widths[i + 1], *window, dtype=dtype), nn.ReLU()]
        if i < 2:
            layers.append(nn.MaxPool2d(3, 2))
    return Trunk("alex", layers, (1, 4, 7, 9, 11), smallest=31)


def _vgg(dtype: Any) -> Trunk:
    layers: list[nn.Module] = []
    channels, taps = 3, []
    for width, convolutions in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        if layers:
            layers.append(nn.MaxPool2d(2))
        for _ in range(convolutions):
            layers += [nn.Conv2d(channels, width, 3, padding=1, dtype=dtype), nn.ReLU()]
            channels = width
        taps.append(len(layers) - 1)
    return Trunk("vgg", layers, tuple(taps), smallest=16)


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


_TRUNKS: dict[str, Callable[[Any], Trunk]] = {"alex": _alex, "vgg": _vgg, "squeeze": _squeeze}


def make_trunk(name: str, *, dtype: Any = np.float32) -> Trunk:
    """Build a trunk with random weights, frozen, in evaluation mode.

    Args:
        name: ``alex``, ``vgg`` or ``squeeze``.
        dtype: of the weights.

    Raises:
        OptionError: there is no such trunk.
    """
    if name not in _TRUNKS:
        raise OptionError(f"no trunk {name!r}; use one of {', '.join(_TRUNKS)}")
    with random.using(random.Streams(0)):  # the caller's streams are left where they are
        return _TRUNKS[name](dtype).requires_grad_(False).eval()


def load_trunk(name: str, path: str | os.PathLike[str]) -> Trunk:
    """Build a trunk with the weights of a state dict of torchvision.

    Args:
        name: ``alex``, ``vgg`` or ``squeeze``.
        path: a ``.pth`` of ``alexnet``, ``vgg16`` or ``squeezenet1_1``, with or without classifier.

    Raises:
        OptionError: there is no such trunk.
        CheckpointError: the file is missing, damaged, or of another network.
    """
    trunk = make_trunk(name)
    state = nn.load_pth(path)
    return _filled(trunk, {k: v for k, v in state.items() if not k.startswith("classifier.")}, path)


def _filled(trunk: Trunk, state: Mapping[str, Array], path: str | os.PathLike[str]) -> Trunk:
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


def squeezenet_from_h5(path: str | os.PathLike[str]) -> Trunk:
    """Build trunk ``squeeze_caffe`` of SqueezeNet 1.1's weights as Keras stores them; needs h5py.

    That net takes c = 127.5 (x + 1) - mean in the order B, G, R. With x = scale s + shift this is
    affine in s, so conv1 takes it over: w'_c = 127.5 scale_c w_c and
    b' = b + sum_c (127.5 (shift_c + 1) - mean_c) sum_rs w_crs. That is exact because conv1 has no
    padding, which would be zeros of another colour. Other kernels (R, S, I, O) become (O, I, R, S).

    Args:
        path: ``squeezenet_weights_tf_dim_ordering_tf_kernels_notop.h5``.

    Raises:
        CheckpointError: h5py is not installed, or the file is missing, damaged or of another net.
    """
    trunk = make_trunk("squeeze")
    trunk.name = "squeeze_caffe"
    state: dict[str, Array] = {}
    for layer, (kernel, bias) in _h5_layers(path).items():
        name = _torch_name(layer)
        state[f"{name}.weight"], state[f"{name}.bias"] = kernel.transpose(3, 2, 0, 1), bias
    _filled(trunk, state, path)
    own = trunk.state_dict()
    w, b = (own[f"features.0.{part}"].astype(np.float64) for part in ("weight", "bias"))
    rgb = w[:, ::-1]
    scale, shift, mean = (np.array(values) for values in (SCALE, SHIFT, _CAFFE_MEAN))
    colour = 127.5 * (shift + 1.0) - mean  # that s = 0 stands for
    own["features.0.weight"] = (rgb * (127.5 * scale)[:, None, None]).astype(np.float32)
    own["features.0.bias"] = (b + rgb.sum(axis=(2, 3)) @ colour).astype(np.float32)
    trunk.load_state_dict(own)
    return trunk


_FIRES = {2: 3, 3: 4, 4: 6, 5: 7, 6: 9, 7: 10, 8: 11, 9: 12}  # fire2 is features.3, and so on


def _torch_name(layer: str) -> str:
    """Turn ``conv1`` into ``features.0``, ``fire2/squeeze1x1`` into ``features.3.squeeze``."""
    fire, _, part = layer.partition("/")
    if layer == "conv1":
        return "features.0"
    number = int(fire[4:]) if fire[:4] == "fire" and fire[4:].isdecimal() else 0
    return f"features.{_FIRES.get(number, layer)}.{part.replace('squeeze1x1', 'squeeze')}"


def _h5_layers(path: str | os.PathLike[str]) -> dict[str, tuple[Array, Array]]:
    """Read the kernel (R, S, I, O) and the bias (O,) of each convolution, by the layer's name."""
    try:
        import h5py
    except ImportError:
        raise CheckpointError(
            f"{os.fspath(path)}: reading .h5 needs h5py: pip install h5py"
        ) from None
    if not os.path.isfile(path):
        raise CheckpointError(f"{os.fspath(path)}: there is no such file")
    layers: dict[str, dict[int, Array]] = {}

    def _keep(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            if item.nbytes > _MAX_H5_BYTES:
                raise CheckpointError(f"{os.fspath(path)}: {name} is larger than any kernel of it")
            parts = name.split("/")
            layer = "/".join(parts[: 2 if parts[0].startswith("fire") else 1])
            layers.setdefault(layer, {})[item.ndim] = item[()]

    try:
        with h5py.File(path, "r") as file:
            file.visititems(_keep)
        return {layer: (found[4], found[1]) for layer, found in layers.items()}
    except (OSError, RuntimeError, KeyError) as error:
        reason = str(error).partition("\n")[0]
        raise CheckpointError(f"{os.fspath(path)}: no Keras weights ({reason})") from None
