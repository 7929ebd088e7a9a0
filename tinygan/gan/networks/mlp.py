"""Generators and discriminators of dense layers, for points and for small images.

G   z -> (Linear, activation) x len(hidden) -> Linear -> the shape of a sample
D   a sample, flattened -> (Linear, activation [, Dropout]) x len(hidden) -> Linear -> logit
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

from ... import nn
from ...autograd import Tensor
from ...kernels.arrays import Shape

Layer = Callable[[], nn.Module]


class Maxout(nn.Module):
    """Dense layer whose units are the largest of several linear pieces.

    Shapes: x (N, in_features) -> (N, out_features). Source: Goodfellow et al., arXiv:1302.4389.
    """

    per_sample = True  # see gan/judge.py

    def __init__(self, in_features: int, out_features: int, pieces: int) -> None:
        super().__init__()
        self.out_features, self.pieces = out_features, pieces
        self.linear = nn.Linear(in_features, out_features * pieces)

    def forward(self, x: Tensor) -> Tensor:
        """Return max_k (W_k x + b_k)."""
        z: Tensor = self.linear(x)
        return z.reshape(-1, self.pieces, self.out_features).max(axis=1)


class MLPGenerator(nn.Module):
    """Latent vectors to samples. Shapes: z (N, nz) -> (N, *data_shape).

    Args:
        nz: length of z.
        data_shape: shape of one sample; images end in a tanh, points don't.
        hidden: widths of the hidden layers.
        act: makes an activation.
        batch_norm: put batch norm before each activation.
    """

    def __init__(
        self,
        nz: int,
        data_shape: Shape,
        *,
        hidden: Sequence[int],
        act: Layer = nn.ReLU,
        batch_norm: bool = False,
    ) -> None:
        super().__init__()
        self.data_shape = tuple(data_shape)
        layers: list[nn.Module] = []
        width = nz
        for units in hidden:
            layers.append(nn.Linear(width, units))
            layers += [nn.BatchNorm1d(units)] if batch_norm else []
            layers.append(act())
            width = units
        layers.append(nn.Linear(width, prod(data_shape)))
        layers += [nn.Tanh()] if len(data_shape) == 3 else []
        self.main = nn.Sequential(*layers)

    def forward(self, z: Tensor) -> Tensor:
        """Make samples."""
        out: Tensor = self.main(z)
        return out.reshape(-1, *self.data_shape)


class MLPDiscriminator(nn.Module):
    """Samples to logits. Shapes: x (N, *data_shape) -> (N,).

    Args:
        data_shape: shape of one sample.
        hidden: widths of the hidden layers.
        act: makes an activation.
        dropout: probability with which a hidden unit is dropped, after each activation.
        pieces: above 1, the hidden layers are maxout units of so many pieces, without ``act``.
    """

    per_sample = True  # see gan/judge.py

    def __init__(
        self,
        data_shape: Shape,
        *,
        hidden: Sequence[int],
        act: Layer = nn.ReLU,
        dropout: float = 0.0,
        pieces: int = 1,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        width = prod(data_shape)
        for units in hidden:
            if pieces > 1:
                layers.append(Maxout(width, units, pieces))
            else:
                layers += [nn.Linear(width, units), act()]
            layers += [nn.Dropout(dropout)] if dropout else []
            width = units
        self.main = nn.Sequential(*layers, nn.Linear(width, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Judge samples."""
        out: Tensor = self.main(x.reshape(x.shape[0], -1))
        return out.reshape(-1)
