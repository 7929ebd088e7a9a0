"""Spectral norm on all layers of a network at once."""

from __future__ import annotations

from ... import nn
from ...autograd import Tensor
from ...nn.utils import SpectralNorm

TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
WEIGHTED = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear, *TRANSPOSED)


def normalise_spectrally(net: nn.Module) -> nn.Module:
    """Put spectral norm on every convolution and dense layer of ``net`` that lacks it; return it.

    Source: arXiv:1802.05957, which normalises all layers of D.
    """
    for layer in net.modules():
        if isinstance(layer, WEIGHTED) and not has_spectral_norm(layer):
            nn.utils.spectral_norm(layer)
    return net


def has_spectral_norm(layer: nn.Module) -> bool:
    """Tell whether a weight of the layer itself is normalised."""
    return any(isinstance(c, SpectralNorm) for c in layer._computed)


def raw_weight(layer: nn.Module) -> Tensor:
    """Return the parameter behind ``layer.weight``: what spectral norm divides, where it is."""
    tensors = vars(layer)
    weight: Tensor = tensors["weight_orig" if "weight_orig" in tensors else "weight"]
    return weight
