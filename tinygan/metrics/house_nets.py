"""In-house feature nets: small LeNets whose weights ship with tinygan, for machines with no others.

    conv 3x3, 16 -> ReLU -> max-pool 2 -> conv 3x3, 32 -> ReLU -> max-pool 2 -> 64 ReLU -> classes

Features are the 64 activations before the last layer, probabilities the softmax after it.
``digits_lenet`` was trained on the embedded digits at 16 pixels, ``mnist_lenet`` and
``fashion_lenet`` on the training sets of MNIST and Fashion-MNIST at 28, all by
``bench/feature_nets.py``: 99.4 % of held-out digits, 99.2 % and 92.6 % of the two test sets are
right. The card beside the weights, ``nets/NAME.json``, states data, licence, split, seed, epochs,
that accuracy and the weights' SHA-256.

Protocol: a metric in these features is named after the net, ``fd_mnist_lenet``, ``is_mnist_lenet``,
``kid_mnist_lenet``, and is never called FID or IS: the numbers don't compare with Inception's.

The shape of the net follows LeCun et al., *Gradient-based learning applied to document
recognition* (1998). *Deviations*: ReLU for tanh, max-pooling for the trained mean, 3 x 3 for 5 x 5,
one hidden layer for two.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from .. import nn, ops
from ..autograd import Tensor
from ..data.resize import square, with_channels
from ..errors import CheckpointError, OptionError
from ..kernels.arrays import Array, Shape
from .features import FeatureNet

HOUSE_NETS = ("digits_lenet", "fashion_lenet", "mnist_lenet")
FEATURES = 64
_FOLDER = Path(__file__).with_name("nets")


class ClassifierNet(nn.Module):
    """Grey or colour images to logits. Shapes: x (N, C, H, W) -> (N, classes)."""

    def __init__(self, image_shape: Shape, classes: int) -> None:
        super().__init__()
        channels, height, width = image_shape
        self.body = nn.Sequential(
            nn.Conv2d(channels, 16, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(32 * (height // 4) * (width // 4), FEATURES),
            nn.ReLU(),
        )
        self.head = nn.Linear(FEATURES, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Compute the logits."""
        logits: Tensor = self.head(self.body(x))
        return logits


def house_card(name: str) -> dict[str, Any]:
    """Return the card of a house net: data, licence, seed, epochs, accuracy, SHA-256 and more.

    Raises:
        OptionError: no house net has that name.
        CheckpointError: the card is missing.
    """
    if name not in HOUSE_NETS:
        raise OptionError(f"feature net {name!r}: house nets are {', '.join(HOUSE_NETS)}")
    card: dict[str, Any] = json.loads(_read(f"{name}.json"))
    return card


def _read(file: str) -> bytes:
    path = _FOLDER / file
    try:
        return path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path}: {error.strerror}; install tinygan again") from None


def load_house_net(name: str) -> ClassifierNet:
    """Load a house net's weights into a new network, in evaluation mode.

    Raises:
        OptionError: no house net has that name.
        CheckpointError: the weights are missing, or not the ones that the card names.
    """
    card, data = house_card(name), _read(f"{name}.safetensors")
    if hashlib.sha256(data).hexdigest() != card["sha256"]:
        raise CheckpointError(f"{name}: not the weights that tinygan ships; install it again")
    from safetensors.numpy import load

    net = ClassifierNet(tuple(card["image_shape"]), len(card["classes"]))
    net.load_state_dict(load(data))
    return net.eval()


@cache
def house_net(name: str) -> FeatureNet:
    """Return a feature net that ships with tinygan: ``digits_lenet``, ``mnist_lenet`` ...

    It takes images of any size and 1 or 3 channels: colour becomes ITU-R 601 luma, then the middle
    square is resized to the net's size, bilinear with antialiasing.

    Shapes of its ``embed``: images (N, 1 or 3, H, W) in [-1, 1] -> features (N, 64) and
    probabilities (N, 10), float32.

    Raises:
        OptionError: no house net has that name.
        CheckpointError: the weights are missing, or not the ones that the card names.
    """
    net, card = load_house_net(name), house_card(name)
    size = card["image_shape"][1]

    def forward(images: Array) -> tuple[Array, Array]:
        nhwc = np.asarray(images, np.float32).transpose(0, 2, 3, 1)
        fitted = square(with_channels(nhwc, 1), size).transpose(0, 3, 1, 2)
        features = net.body(Tensor(fitted))
        return features.numpy(), ops.softmax(net.head(features), 1).numpy()

    return FeatureNet(name, card["sha256"], f"middle square, bilinear antialiased {size}", forward)
