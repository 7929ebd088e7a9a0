"""The classifier of semi-supervised MNIST: dense, of weights of fixed length, noise at every layer.

    h_0 = x + noise_in e,   h_i = relu(g_i W_i h_{i-1} / |W_i| + b_i) + noise e,   logits = W h_k

Salimans et al., arXiv:1606.03498, section 5.1, with Salimans & Kingma's weight norm and its start
by data, arXiv:1602.07868, section 3: lengths g and biases b are first such that each unit has mean
0 and variance 1 over a batch. As in the authors' code the lengths of hidden layers then stay; only
those of the last layer learn. There is no noise in evaluation mode.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import prod
from typing import Any

from ... import nn, ops
from ...autograd import Tensor, no_grad
from ...kernels.arrays import Shape, xp_of
from ..noise import instance_noise

_STD = 0.1  # of the initial weights, whose length doesn't matter
_EPS = 1e-8  # of a unit's variance, where a pixel never changes


class NoisyClassifier(nn.Module):
    """Samples to class logits. Shapes: x (N, *data_shape) -> (N, num_classes).

    Args:
        data_shape: shape of one sample.
        num_classes: K.
        hidden: widths of the hidden layers; one or more.
        noise_in: deviation of the noise on x.
        noise: deviation of the noise on every hidden layer.
    """

    per_sample = True  # see gan/judge.py

    def __init__(
        self,
        data_shape: Shape,
        num_classes: int,
        *,
        hidden: Sequence[int],
        noise_in: float,
        noise: float,
    ) -> None:
        super().__init__()
        self.noise_in, self.noise = noise_in, noise
        widths = (prod(data_shape), *hidden)
        self.hidden = nn.ModuleList([_layer(a, b) for a, b in pairwise(widths)])
        for layer in self.hidden:
            vars(layer)["weight_g"].requires_grad_(False)
        self.head = _layer(widths[-1], num_classes)

    def features(self, x: Tensor) -> Tensor:
        """Return the last hidden layer, before its noise. Shapes: -> (N, hidden[-1])."""
        h = self._noisy(x.reshape(x.shape[0], -1), self.noise_in)
        for i, layer in enumerate(self.hidden):
            h = ops.relu(layer(self._noisy(h, self.noise) if i else h))
        return h

    def forward(self, x: Tensor) -> Tensor:
        """Tell the class."""
        logits: Tensor = self.head(self._noisy(self.features(x), self.noise))
        return logits

    def start_by(self, x: Tensor) -> None:
        """Give each unit mean 0 and variance 1 over the samples x (N, *data_shape)."""
        with no_grad():
            h = self._noisy(x.reshape(x.shape[0], -1), self.noise_in)
            for i, layer in enumerate([*self.hidden, self.head]):
                h = _start_layer(layer, self._noisy(h, self.noise) if i else h)

    def _noisy(self, h: Tensor, std: float) -> Tensor:
        return instance_noise(h, std=std) if self.training else h


def _layer(in_features: int, out_features: int) -> nn.Linear:
    layer = nn.Linear(in_features, out_features)
    nn.init.normal_(layer.weight, 0.0, _STD)
    return nn.utils.weight_norm(layer)


def _start_layer(layer: nn.Module, h: Tensor) -> Tensor:
    """Set length and bias of each unit by a batch; return the layer's output, after a ReLU."""
    length, bias = vars(layer)["weight_g"], vars(layer)["bias"]
    out = layer(h).data - bias.data
    xp: Any = xp_of(out)
    mean, scale = out.mean(0), 1.0 / xp.sqrt(out.var(0) + _EPS)
    length.assign_(length.data * scale[:, None])
    bias.assign_(-mean * scale)
    return ops.relu(Tensor((out - mean) * scale))
