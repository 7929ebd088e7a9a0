"""SqueezeNet's ImageNet weights as Keras stores them, turned into a trunk of LPIPS.

They were trained in Caffe, and are not known to be the ones that LPIPS' linear weights were fitted
on: hence the trunk's own name, ``squeeze_caffe``. The net takes c = 127.5 (x + 1) - mean in the
order B, G, R, and a trunk's layers take s with x = scale s + shift (``metrics.trunks``). So c is
affine in s, and the first convolution takes that over:

    w'_c = 127.5 scale_c w_c,      b' = b + sum_c (127.5 (shift_c + 1) - mean_c) sum_rs w_crs

This is exact because that convolution has no padding, which would be zeros of another colour.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from ..errors import CheckpointError
from ..kernels.arrays import Array
from .trunks import SCALE, SHIFT, Trunk, filled, make_trunk

_MEAN = (123.68, 116.779, 103.939)  # of R, G, B in 0 .. 255, which Caffe's nets take away
_MAX_BYTES = 1 << 20  # of one tensor; fire9's 3 x 3 kernel has 589,824
_FIRES = {2: 3, 3: 4, 4: 6, 5: 7, 6: 9, 7: 10, 8: 11, 9: 12}  # fire2 is features.3, and so on


def squeezenet_from_h5(path: str | os.PathLike[str]) -> Trunk:
    """Build trunk ``squeeze_caffe`` of SqueezeNet 1.1's weights as Keras stores them; needs h5py.

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
        state[f"{name}.weight"] = kernel.transpose(3, 2, 0, 1)  # (O, I, R, S)
        state[f"{name}.bias"] = bias
    filled(trunk, state, path)
    own = trunk.state_dict()
    w, b = (own[f"features.0.{part}"].astype(np.float64) for part in ("weight", "bias"))
    rgb = w[:, ::-1]
    scale, shift, mean = (np.array(values) for values in (SCALE, SHIFT, _MEAN))
    colour = 127.5 * (shift + 1.0) - mean  # that s = 0 stands for
    own["features.0.weight"] = (rgb * (127.5 * scale)[:, None, None]).astype(np.float32)
    own["features.0.bias"] = (b + rgb.sum(axis=(2, 3)) @ colour).astype(np.float32)
    trunk.load_state_dict(own)
    return trunk


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
            if item.nbytes > _MAX_BYTES:
                raise CheckpointError(f"{os.fspath(path)}: {name} is larger than any kernel of it")
            parts = name.split("/")
            layer = "/".join(parts[: 2 if parts[0].startswith("fire") else 1])
            layers.setdefault(layer, {})[item.ndim] = item[()]

    try:
        with h5py.File(path, "r") as file:
            file.visititems(_keep)
    except (OSError, RuntimeError) as error:
        reason = str(error).partition("\n")[0]
        raise CheckpointError(f"{os.fspath(path)}: no Keras weights ({reason})") from None
    return {name: (found[4], found[1]) for name, found in layers.items() if {1, 4} <= found.keys()}
