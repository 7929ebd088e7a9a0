"""What a discriminator sees on its way to a logit: its hidden layers, and D without its head.

    D(x) = head(h_k),   h_i = activation(layer_i(h_{i-1})),   h_0 = x

Feature matching compares h_k, or all of h_1 to h_k, of reals and fakes; minibatch discrimination
puts a layer between h_k and the head. Both are from Salimans et al., arXiv:1606.03498, section 3.
"""

from __future__ import annotations

from ... import nn
from ...autograd import Tensor
from .dcgan import DCGANDiscriminator
from .mlp import MLPDiscriminator


def hidden_features(D: DCGANDiscriminator | MLPDiscriminator, x: Tensor) -> list[Tensor]:
    """Return h_1 to h_k: what enters each layer of D but the first, the head's input last.

    Shapes: x (N, ...) -> k tensors (N, ...), as the layers have them.

    Differentiable: any order.
    """
    x = D.changed_input(x)
    h = x.reshape(x.shape[0], -1) if isinstance(D, MLPDiscriminator) else x
    found = []
    for i, module in enumerate(D.main):
        if i and isinstance(module, nn.Conv2d | nn.Linear):
            found.append(h)
        if i < len(D.main) - 1:
            h = module(h)
    return found


def features_and_logit(D: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """Return h_k and D(x) of one pass, D one of those that ``hidden_features`` takes.

    Shapes: x (N, ...) -> h_k (N, ...), logit (N,). Differentiable: any order.
    """
    assert isinstance(D, DCGANDiscriminator | MLPDiscriminator)
    h = hidden_features(D, x)[-1]
    logit: Tensor = list(D.main)[-1](h)
    return h, logit.reshape(-1)


def without_head(D: DCGANDiscriminator | MLPDiscriminator) -> tuple[nn.Sequential, int]:
    """Return the layers of D up to h_k, flattened, and how many numbers h_k has."""
    *layers, head = D.main
    assert isinstance(head, nn.Conv2d | nn.Linear)
    width = head.weight.size  # one logit, so a weight for each of those numbers
    return nn.Sequential(*layers, nn.Flatten()), width


class MinibatchDiscriminator(nn.Module):
    """D with minibatch discrimination before its head. Shapes: x (N, ...) -> (N,).

    It compares the samples of a batch, so reals and fakes are judged in batches of their own.

    Args:
        D: whose layers but the head are taken over.
        out_features: B, distances of a pair of samples.
        kernel_dims: C, entries that a distance sums over.
    """

    def __init__(
        self,
        D: DCGANDiscriminator | MLPDiscriminator,
        *,
        out_features: int = 100,
        kernel_dims: int = 5,
    ) -> None:
        super().__init__()
        self.main, width = without_head(D)
        self.minibatch = nn.MinibatchDiscrimination(width, out_features, kernel_dims)
        self.head = nn.Linear(width + out_features, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Judge samples, each beside the others."""
        logit: Tensor = self.head(self.minibatch(self.main(x)))
        return logit.reshape(-1)
