"""Players that read: a caption's words become a vector that joins z in G, and the features in D.

    phi(t)    words -> embedding -> GRU, its last state -> dense, LeakyReLU
    G(z, t)   [z, phi_G(t)] -> convT base -> (convT 4, stride 2) x k -> tanh
    D(x, t)   (conv 4, stride 2) x k -> h;   [h, phi_D(t) at every place] -> conv 1 -> conv base

Reed et al., arXiv:1605.05396, section 4.1 and figure 2. *Deviations*: their encoder, a
convolutional recurrent net, was trained beforehand on captions and photographs; the closed
vocabulary here is small enough for each player to learn to read as it plays. So phi_G and phi_D are
networks of their own, and no parameter belongs to both players.
"""

from __future__ import annotations

from typing import Any

from ... import nn, ops
from ...autograd import Tensor
from ...data.captions import CAPTIONS, WORDS, tokens
from ...errors import OptionError
from ...kernels.arrays import Array, Shape
from .conditional import in_turn
from .dcgan import dcgan_init, stages

_SLOPE = 0.2  # of LeakyReLU


def reading_stages(image_shape: Shape) -> tuple[int, int, int]:
    """Return (base height, base width, k) of images whose sides are those, k times doubled.

    Raises:
        OptionError: the samples are not such images.
    """
    if len(image_shape) != 3:
        raise OptionError(f"captions describe images; the data have {image_shape}")
    channels, height, width = image_shape
    base, k = stages((channels, height, height), "text_to_image")
    if width % 2**k:
        raise OptionError(
            f"text_to_image: a width of {width} pixels is no multiple of {2**k}, as the height of "
            f"{height} asks for"
        )
    return base, width // 2**k, k


class CaptionEncoder(nn.Module):
    """Captions to vectors. Shapes: numbers of captions (N,) -> (N, features).

    Args:
        features: length of the vector.
        hidden: units of the GRU, and numbers of a word's vector.
    """

    def __init__(self, features: int, *, hidden: int) -> None:
        super().__init__()
        self.words = nn.Embedding(len(WORDS), hidden)
        self.gru = nn.GRU(hidden, hidden)
        self.out = nn.Linear(hidden, features)

    def forward(self, y: Array) -> Tensor:
        """Read the captions."""
        _, last = self.gru(self.words(tokens(y).T))  # words first: (3, N, hidden)
        return ops.leaky_relu(self.out(last[0]), negative_slope=_SLOPE)


class CaptionGenerator(nn.Module):
    """G of z and a caption. Shapes: z (N, nz), y (N,) numbers of captions -> (N, C, H, W).

    Args:
        nz: length of z.
        image_shape: (C, H, W).
        ngf: channels of the last hidden layer.
        features: length of what the encoder makes of a caption.
        hidden: units of the encoder.

    Raises:
        OptionError: the samples are no images of sides that fit.
    """

    num_classes = len(CAPTIONS)

    def __init__(
        self, nz: int, image_shape: Shape, *, ngf: int, features: int, hidden: int
    ) -> None:
        super().__init__()
        height, width, k = reading_stages(image_shape)
        self.text = CaptionEncoder(features, hidden=hidden)
        channels = ngf * 2 ** (k - 1)
        layers: list[nn.Module] = [
            nn.ConvTranspose2d(nz + features, channels, (height, width), 1, 0, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(),
        ]
        for _ in range(k - 1):
            layers += [
                nn.ConvTranspose2d(channels, channels // 2, 4, 2, 1, bias=False),
                nn.BatchNorm2d(channels // 2),
                nn.ReLU(),
            ]
            channels //= 2
        layers += [nn.ConvTranspose2d(channels, image_shape[0], 4, 2, 1, bias=False), nn.Tanh()]
        self.main = nn.Sequential(*layers)
        self.main.apply(dcgan_init)

    def forward(self, z: Tensor, y: Array | None = None) -> Tensor:
        """Make images of the captions ``y``, or of all in turn."""
        y = in_turn(z, self.num_classes) if y is None else y
        both = ops.concatenate([z, self.text(y)], 1)
        images: Tensor = self.main(both.reshape(*both.shape, 1, 1))
        return images


class CaptionDiscriminator(nn.Module):
    """D of an image and a caption. Shapes: x (N, C, H, W), y (N,) numbers of captions -> (N,).

    Args:
        image_shape: (C, H, W).
        ndf: channels of the first hidden layer.
        features: length of what the encoder makes of a caption.
        hidden: units of the encoder.

    Raises:
        OptionError: the samples are no images of sides that fit.
    """

    def __init__(self, image_shape: Shape, *, ndf: int, features: int, hidden: int) -> None:
        super().__init__()
        height, width, k = reading_stages(image_shape)
        self.text = CaptionEncoder(features, hidden=hidden)
        layers: list[nn.Module] = [
            nn.Conv2d(image_shape[0], ndf, 4, 2, 1, bias=False),
            nn.LeakyReLU(_SLOPE),
        ]
        channels = ndf
        for _ in range(k - 1):
            layers += [
                nn.Conv2d(channels, 2 * channels, 4, 2, 1, bias=False),
                nn.BatchNorm2d(2 * channels),
                nn.LeakyReLU(_SLOPE),
            ]
            channels *= 2
        self.main = nn.Sequential(*layers)
        self.head = nn.Sequential(
            nn.Conv2d(channels + features, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
            nn.LeakyReLU(_SLOPE),
            nn.Conv2d(channels, 1, (height, width), bias=False),
        )
        self.main.apply(dcgan_init)
        self.head.apply(dcgan_init)

    def forward(self, x: Tensor, y: Array, other: Array | None = None) -> Any:
        """Judge images under captions y; under others too, where given: then two logits (N,)."""
        h = self.main(x)
        logit = self._judge(h, y)
        return logit if other is None else (logit, self._judge(h, other))

    def _judge(self, h: Tensor, y: Array) -> Tensor:
        text = self.text(y)
        planes = ops.broadcast_to(text.reshape(*text.shape, 1, 1), (*text.shape, *h.shape[2:]))
        logit: Tensor = self.head(ops.concatenate([h, planes], 1))
        return logit.reshape(-1)
