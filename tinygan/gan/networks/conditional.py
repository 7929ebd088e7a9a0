"""Players that know a class: G(z, y), D(x, y), and a D that tells the class itself.

    cgan         G(z, y) = G([z, 1_y]),   D(x, y) = D([x, 1_y])          1_y: one-hot, in images
    acgan        D(x) = (logit, class logits)                            K constant channels
    projection   D(x, y) = w . phi(x) + v_y . phi(x),   G with conditional batch norm

Mirza & Osindero, arXiv:1411.1784; Odena, Olah & Shlens, arXiv:1610.09585; Miyato & Koyama,
arXiv:1802.05637. A G that gets no labels makes one class after the other, 0 to K - 1 and from the
start again, so whatever calls G(z) sees all classes.
"""

from __future__ import annotations

from typing import Any

from ... import nn, ops
from ...autograd import Tensor
from ...kernels.arrays import Array, Shape, xp_of
from .by_data import discriminator_for, generator_for
from .features import without_head
from .resnet import EPS, ResNetDiscriminator, ResNetGenerator, UpBlock


def one_hot(y: Array, num_classes: int, like: Tensor) -> Tensor:
    """Return 1_y on the device and in the dtype of ``like``. Shapes: y (N,) -> (N, K)."""
    xp: Any = xp_of(like.data)
    return Tensor((y[:, None] == xp.arange(num_classes)).astype(like.dtype))


def with_planes(x: Tensor, y: Array, num_classes: int) -> Tensor:
    """Put 1_y behind the channels of x, constant planes of images.

    Shapes: x (N, C, ...), y (N,) -> (N, C + K, ...). Differentiable: any order in x.
    """
    code = one_hot(y, num_classes, x)
    shape = (*code.shape, *[1] * (x.ndim - 2))
    planes = ops.broadcast_to(code.reshape(*shape), (*code.shape, *x.shape[2:]))
    return ops.concatenate([x, planes], 1)


def in_turn(z: Tensor, num_classes: int) -> Array:
    """Return the classes 0 to K - 1, over and over, one for each z. Shapes: -> (N,)."""
    xp: Any = xp_of(z.data)
    labels: Array = xp.arange(z.shape[0]) % num_classes
    return labels


class ConditionalGenerator(nn.Module):
    """G of z and a class. Shapes: z (N, nz), y (N,) integers -> (N, *data_shape).

    Args:
        data_shape: (C, S, S) for images, (features,) for points.
        num_classes: K.
        nz: length of z.
        ngf: channels of the last hidden layer, images only.
        hidden: units of a hidden layer, points only.
    """

    def __init__(
        self, data_shape: Shape, *, num_classes: int, nz: int, ngf: int, hidden: int
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.net = generator_for(data_shape, nz=nz + num_classes, ngf=ngf, hidden=hidden)

    def forward(self, z: Tensor, y: Array | None = None) -> Tensor:
        """Make samples of the classes ``y``, or of all in turn."""
        y = in_turn(z, self.num_classes) if y is None else y
        samples: Tensor = self.net(ops.concatenate([z, one_hot(y, self.num_classes, z)], 1))
        return samples


class ConditionalDiscriminator(nn.Module):
    """D of a sample and its class. Shapes: x (N, ...), y (N,) integers -> (N,).

    Args:
        data_shape: (C, S, S) for images, (features,) for points.
        num_classes: K.
        ndf: channels of the first hidden layer, images only.
        hidden: units of a hidden layer, points only.
    """

    def __init__(self, data_shape: Shape, *, num_classes: int, ndf: int, hidden: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        channels, *rest = data_shape
        self.net = discriminator_for((channels + num_classes, *rest), ndf=ndf, hidden=hidden)

    def forward(self, x: Tensor, y: Array) -> Tensor:
        """Judge pairs."""
        logit: Tensor = self.net(with_planes(x, y, self.num_classes))
        return logit


class ClassifyingDiscriminator(nn.Module):
    """D with a second head. Shapes: x (N, ...) -> logits (N,), class logits (N, K).

    Args:
        data_shape: (C, S, S) for images, (features,) for points.
        num_classes: K.
        ndf: channels of the first hidden layer, images only.
        hidden: units of a hidden layer, points only.
    """

    def __init__(self, data_shape: Shape, *, num_classes: int, ndf: int, hidden: int) -> None:
        super().__init__()
        self.main, width = without_head(discriminator_for(data_shape, ndf=ndf, hidden=hidden))
        self.head, self.classes = nn.Linear(width, 1), nn.Linear(width, num_classes)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Judge samples and tell their classes."""
        h = self.main(x)
        return self.head(h).reshape(-1), self.classes(h)


class ConditionalUpBlock(UpBlock):
    """Residual block of G with conditional batch norm. Shapes: x (N, C, H, W) -> (N, C, 2H, 2W).

    Args:
        channels: C.
        num_classes: the condition is one of so many classes, (N,).
        cond_dim: the condition is a vector, (N, cond_dim). One of the two is given.
    """

    def __init__(
        self, channels: int, num_classes: int | None = None, *, cond_dim: int | None = None
    ) -> None:
        super().__init__(channels, channels)
        self.b1, self.b2 = (  # type: ignore[assignment] # forward below knows
            nn.ConditionalBatchNorm2d(channels, num_classes, cond_dim=cond_dim, eps=EPS)
            for _ in range(2)
        )

    def forward(self, x: Tensor, c: Array | Tensor) -> Tensor:  # type: ignore[override]
        """Add the residual to the skip."""
        h = self.c1(ops.relu(self.b1(x, c)))
        h = self.c2(ops.relu(self.b2(h, c)))
        out: Tensor = h + ops.upsample_nearest(self.c_sc(x), 2)
        return out


class ProjectionGenerator(ResNetGenerator):
    """SNGAN's G with conditional batch norm. Shapes: z (N, nz), y (N,) -> (N, C, S, S).

    Args:
        nz: length of z.
        image_shape: (C, S, S), S a multiple of 8.
        num_classes: K.
        ngf: channels of every hidden layer.

    Raises:
        OptionError: the samples are not such images.
    """

    def __init__(self, nz: int, image_shape: Shape, *, num_classes: int, ngf: int = 256) -> None:
        super().__init__(nz, image_shape, ngf=ngf)
        self.num_classes = num_classes
        self.block2 = ConditionalUpBlock(ngf, num_classes)
        self.block3 = ConditionalUpBlock(ngf, num_classes)
        self.block4 = ConditionalUpBlock(ngf, num_classes)

    def forward(self, z: Tensor, y: Array | None = None) -> Tensor:
        """Make images of the classes ``y``, or of all in turn."""
        y = in_turn(z, self.num_classes) if y is None else y
        h = self.l1(z).reshape(-1, self.ngf, self.base, self.base)
        for block in (self.block2, self.block3, self.block4):
            h = block(h, y)
        return ops.tanh(self.c5(self.b5(h, negative_slope=0.0)))


class ProjectionDiscriminator(ResNetDiscriminator):
    """SNGAN's D and a projection on the class. Shapes: x (N, C, S, S), y (N,) -> (N,).

    Args:
        image_shape: (C, S, S), S a multiple of 4.
        num_classes: K.
        ndf: channels of every hidden layer.

    Raises:
        OptionError: the samples are not such images.
    """

    def __init__(self, image_shape: Shape, *, num_classes: int, ndf: int = 128) -> None:
        super().__init__(image_shape, ndf=ndf)
        self.l_y = nn.Embedding(num_classes, ndf)
        nn.init.xavier_uniform_(self.l_y.weight)
        nn.utils.spectral_norm(self.l_y)

    def forward(self, x: Tensor, y: Array) -> Tensor:  # type: ignore[override]
        """Judge pairs: w . phi(x) + v_y . phi(x)."""
        phi = self.features(x)
        logit: Tensor = self.l5(phi)
        return logit.reshape(-1) + ops.sum(self.l_y(y) * phi, 1)
