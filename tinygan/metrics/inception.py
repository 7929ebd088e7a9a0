"""Inception-v3, the feature net of FID: images of 299 x 299 to 2,048 features and class logits.

    stem -> 3 A -> B -> 4 C -> D -> 2 E -> mean over pixels -> fc

The blocks are in ``inception_blocks``. State-dict names are those of torchvision and of
``pt_inception-2015-12-05-6726825d.pth``.

Two nets go by this name. The one of FID has 1,008 classes and TensorFlow's patches: its average
pools don't count padding, and the last E pools by maximum, which the paper doesn't. torchvision's
has 1,000 classes, counts padding, and averages in both E; it is made with ``patched=False``. A
distance in its features is no FID.

Paper: Szegedy et al., arXiv:1512.00567. FID: Heusel et al., arXiv:1706.08500.

Convolutions run by Winograd's F(2) where it pays, not F(4): as fast on these shapes, with a third
of the rounding error in the 2,048 features, which is then no larger than PyTorch's.

*Deviations*: no auxiliary classifier and no dropout, which act in training alone; ``AuxLogits`` in
a state dict is passed over. Both nets take about 2x - 1 of x in [0, 1]: torchvision's users give
it x normalised by ImageNet's mean and deviation, of which its ``transform_input`` makes 2x - 1.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import nn, ops, random
from ..autograd import Tensor, no_grad
from ..autograd.basic import mean
from ..errors import CheckpointError, StateError
from ..kernels.arrays import Array
from ..kernels.conv2d import use_winograd
from ..kernels.memory import caching
from .features import FeatureNet
from .inception_blocks import (
    ConvNorm,
    Pool,
    block_a,
    block_b,
    block_c,
    block_d,
    block_e,
    pooled,
)
from .resize import prepare, protocol_named
from .weights import load_weights, sha256_of

FID_CLASSES, TORCHVISION_CLASSES = 1008, 1000
SIDE = 299  # pixels
_CHUNK = 16  # images a pass: 6 MB each for the largest activations


@dataclass(frozen=True, eq=False)
class Taps:
    """What the net computes on its way, each averaged over pixels.

    Attributes:
        features: by width, 64 (after the first max-pool), 192 (after the second), 768 (after the
            last C) and 2048 (after the last E), each (N, width).
        logits_unbiased: 2048 features times the weight of ``fc``, without its bias, as
            Inception Score's reference takes them, (N, classes).
        logits: with the bias, (N, classes).
    """

    features: Mapping[int, Tensor]
    logits_unbiased: Tensor
    logits: Tensor


class InceptionV3(nn.Module):
    """Inception-v3; see the module.

    Shapes: x (N, 3, 299, 299) in about [-1, 1] -> features (N, 2048). Other sizes of 75 pixels or
    more run too.

    Args:
        classes: 1008 for FID's weights, 1000 for torchvision's.
        patched: with TensorFlow's pools, as FID's weights want it.
    """

    def __init__(self, *, classes: int = FID_CLASSES, patched: bool = True) -> None:
        average: Pool = "average" if patched else "average_with_padding"
        self.Conv2d_1a_3x3 = ConvNorm(3, 32, 3, 2)
        self.Conv2d_2a_3x3 = ConvNorm(32, 32, 3)
        self.Conv2d_2b_3x3 = ConvNorm(32, 64, 3, padding=1)
        self.Conv2d_3b_1x1 = ConvNorm(64, 80, 1)
        self.Conv2d_4a_3x3 = ConvNorm(80, 192, 3)
        self.Mixed_5b = block_a(192, average, 32)
        self.Mixed_5c = block_a(256, average, 64)
        self.Mixed_5d = block_a(288, average, 64)
        self.Mixed_6a = block_b(288)
        self.Mixed_6b = block_c(768, average, 128)
        self.Mixed_6c = block_c(768, average, 160)
        self.Mixed_6d = block_c(768, average, 160)
        self.Mixed_6e = block_c(768, average, 192)
        self.Mixed_7a = block_d(768)
        self.Mixed_7b = block_e(1280, average)
        self.Mixed_7c = block_e(2048, "max" if patched else average)
        self.fc = nn.Linear(2048, classes)

    def fold(self) -> None:
        """Fold every batch norm into its convolution, for good: faster, and no longer trainable."""
        for module in self.modules():
            if isinstance(module, ConvNorm):
                module.fold()

    def taps(self, x: Tensor) -> Taps:
        """Run the net and keep the four features and the logits; see ``Taps``."""
        with use_winograd("accurate"), caching():
            features = self._features(x)
        unbiased = ops.linear(features[2048], self.fc.weight)
        return Taps(features, unbiased, unbiased + self.fc.bias)

    def _features(self, x: Tensor) -> dict[int, Tensor]:
        """Compute the four features, keeping no more than their means over pixels."""
        features = {}
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = pooled(x, "max_stride_2")  # (N, 64, 73, 73)
        features[64] = mean(x, (2, 3))
        x = pooled(self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(x)), "max_stride_2")  # (N, 192, 35, 35)
        features[192] = mean(x, (2, 3))
        for block in (self.Mixed_5b, self.Mixed_5c, self.Mixed_5d, self.Mixed_6a):
            x = block(x)
        for block in (self.Mixed_6b, self.Mixed_6c, self.Mixed_6d, self.Mixed_6e):
            x = block(x)  # (N, 768, 17, 17)
        features[768] = mean(x, (2, 3))
        for block in (self.Mixed_7a, self.Mixed_7b, self.Mixed_7c):
            x = block(x)  # (N, 2048, 8, 8)
        features[2048] = mean(x, (2, 3))
        return features

    def forward(self, x: Tensor) -> Tensor:
        """Compute the 2,048 features."""
        return self.taps(x).features[2048]


def load_inception(state: Mapping[str, Any], *, source: str = "state dict") -> InceptionV3:
    """Build the net that a state dict belongs to, load it, and fold its batch norms.

    1,008 classes are FID's net, 1,000 torchvision's.

    Args:
        state: arrays by torchvision's names.
        source: what the message calls it.

    Raises:
        CheckpointError: it is no state of either; the first misfits are listed.
    """
    bias = np.shape(state.get("fc.bias", ()))
    if bias not in ((FID_CLASSES,), (TORCHVISION_CLASSES,)):
        found = f"fc.bias is {bias}" if "fc.bias" in state else "there is no fc.bias"
        raise CheckpointError(
            f"{source}: {found}: Inception-v3 with {FID_CLASSES} (FID's) or "
            f"{TORCHVISION_CLASSES} classes (torchvision's) fits"
        )
    with random.using(random.Streams(0)):  # the initial weights take no numbers of the caller's
        net = InceptionV3(classes=bias[0], patched=bias == (FID_CLASSES,))
    own = {name: value for name, value in state.items() if not name.startswith("AuxLogits.")}
    try:
        net.load_state_dict(own)
    except StateError as error:
        raise CheckpointError(f"{source}: {_shortened(str(error))}") from None
    net.eval()
    net.fold()
    return net


def _shortened(message: str, most: int = 4) -> str:
    """Keep the first misfits of a list that may hold hundreds."""
    parts = message.split("; ")
    rest = len(parts) - most
    return "; ".join(parts[:most]) + (f"; and {rest} more" if rest > 0 else "")


def inception_net(weights: str | os.PathLike[str], *, protocol: str = "pytorch-fid") -> FeatureNet:
    """Make Inception-v3 a feature net, under one of the published protocols.

    Probabilities are those that Inception Score's reference takes: of FID's net without the bias
    of ``fc``, of torchvision's with it. The net is called ``inception`` with FID's weights and
    ``inception_torchvision`` with torchvision's, in whose features a distance is no FID.

    Args:
        weights: a state dict, ``.pth`` or ``.safetensors``; see ``weights.find_weights``.
        protocol: ``pytorch-fid``, ``torch-fidelity``, ``legacy-tensorflow`` or ``clean``; see
            ``resize``.

    Raises:
        OptionError: no such protocol.
        CheckpointError: the file is missing or damaged, or holds no such net.
    """
    words = protocol_named(protocol).words
    net = load_inception(load_weights(weights), source=os.fspath(weights))
    of_fid = len(net.fc.weight) == FID_CLASSES

    def chunk(images: Array) -> tuple[Array, Array]:
        """Return features and probabilities of a few images."""
        found = net.taps(Tensor(prepare(images, SIDE, protocol=protocol)))
        logits = found.logits_unbiased if of_fid else found.logits
        return found.features[2048].numpy(), ops.softmax(logits, 1).numpy()

    def forward(images: Array) -> tuple[Array, Array]:
        """Return features (N, 2048) and probabilities (N, classes) of a batch."""
        with no_grad():
            parts = [chunk(images[i : i + _CHUNK]) for i in range(0, max(1, len(images)), _CHUNK)]
        features, probabilities = zip(*parts, strict=True)
        return np.concatenate(features), np.concatenate(probabilities)

    name = "inception" if of_fid else "inception_torchvision"
    return FeatureNet(name, sha256_of(weights), f"{SIDE} px, {words}", forward)
