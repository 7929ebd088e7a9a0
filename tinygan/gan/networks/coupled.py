"""Coupled players: one of each for K domains, of which only the layers next to the pixels differ.

    G_k = head_k . trunk          trunk: z -> features, heads: features -> images of domain k
    D_k = trunk . stem_k          stems: images of domain k -> features, trunk: features -> logit

What is shared makes, and judges, what an image shows; what is not, how its domain shows it. So
G_1(z) and G_2(z) show the same, though no pair was ever seen. All but G's last layer and D's
first are shared, as in the paper's experiments on digits.

Liu & Tuzel, arXiv:1606.07536, sections 3 and 4. Layers: DCGAN's.
"""

from __future__ import annotations

from ... import nn, ops
from ...autograd import Tensor
from ...kernels.arrays import Array, Shape, xp_of
from .conditional import in_turn
from .dcgan import DCGANDiscriminator, DCGANGenerator, dcgan_init


class CoupledGenerator(nn.Module):
    """G_1 to G_K. Shapes: z (N, nz), domains y (N,) integers -> (N, C, S, S).

    Args:
        nz: length of z.
        image_shape: (C, S, S), as ``stages`` takes it.
        domains: K.
        ngf: channels of the last hidden layer.

    Raises:
        OptionError: the samples are not such images.
    """

    def __init__(self, nz: int, image_shape: Shape, *, domains: int, ngf: int) -> None:
        super().__init__()
        self.domains = domains
        *layers, last, _ = DCGANGenerator(nz, image_shape, ngf=ngf).main
        self.nz, self.trunk = nz, nn.Sequential(*layers)
        more = [
            nn.ConvTranspose2d(ngf, image_shape[0], 4, 2, 1, bias=False) for _ in range(1, domains)
        ]
        self.heads = nn.ModuleList([last, *more])
        self.heads.apply(dcgan_init)

    def forward(self, z: Tensor, y: Array | None = None) -> Tensor:
        """Make images of the domains ``y``, or of all in turn, K neighbours of one z."""
        if y is None:
            y = in_turn(z, self.domains)
            z = z[xp_of(z.data).arange(z.shape[0]) // self.domains * self.domains]
        h = self.trunk(z.reshape(-1, self.nz, 1, 1))
        return ops.tanh(choose([head(h) for head in self.heads], y))


class CoupledDiscriminator(nn.Module):
    """D_1 to D_K. Shapes: x (N, C, S, S), domains y (N,) integers -> (N,).

    Args:
        image_shape: (C, S, S), as ``stages`` takes it.
        domains: K.
        ndf: channels of the first hidden layer.

    Raises:
        OptionError: the samples are not such images.
    """

    def __init__(self, image_shape: Shape, *, domains: int, ndf: int) -> None:
        super().__init__()
        first, *layers = DCGANDiscriminator(image_shape, ndf=ndf).main
        more = [nn.Conv2d(image_shape[0], ndf, 4, 2, 1, bias=False) for _ in range(1, domains)]
        self.stems, self.trunk = nn.ModuleList([first, *more]), nn.Sequential(*layers)
        self.stems.apply(dcgan_init)

    def forward(self, x: Tensor, y: Array) -> Tensor:
        """Judge images, each as one of its domain."""
        logit: Tensor = self.trunk(choose([stem(x) for stem in self.stems], y))
        return logit.reshape(-1)


def choose(candidates: list[Tensor], y: Array) -> Tensor:
    """Take row n of candidate ``y[n]``. Shapes: K tensors (N, ...), y (N,) -> (N, ...).

    Differentiable: any order.
    """
    chosen = candidates[0]
    column = y.reshape(-1, *[1] * (chosen.ndim - 1))
    for k, candidate in enumerate(candidates[1:], 1):
        chosen = ops.where(column == k, candidate, chosen)
    return chosen
