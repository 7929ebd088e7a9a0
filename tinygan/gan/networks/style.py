"""What the StyleGANs share: z -> w, a style for each layer, noise for each pixel; D's end.

    w = f(z)                          mapping: a pixel norm of z, then dense layers
    w' = w_avg + psi (w - w_avg)      truncation in W; psi = 1 leaves w as it is
    x = g(w'_1, ..., w'_L)            synthesis: a learned constant, L styled layers

``w_avg`` is a running mean of w, moved by each forward in training mode. In that mode some images
take their later styles from a second z (*mixing*), and all noise is fresh. In evaluation mode
nothing is drawn: noise is that of the buffers, so an image is a function of w alone. Which layer
takes which style, and what it does with it, is in ``stylegan.py`` and ``stylegan2.py``.

Karras et al., arXiv:1812.04948: section 2 (the networks), 3.1 (mixing), 3.2 (noise), appendix B
(truncation) and C (0.01 as the learning rates' factor in the mapping).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from ... import nn, ops, random
from ...autograd import Tensor
from ...errors import OptionError, ShapeError
from ...kernels.arrays import Array, Shape
from ...nn.norm import frozen
from .dcgan import stages

GAIN = math.sqrt(2.0)  # of He's start
SLOPE = 0.2  # of LeakyReLU
W_DECAY = 0.995  # of w_avg, a forward; the paper's code
MAPPING_RATE = 0.01  # factor of the learning rate, arXiv:1812.04948, appendix C

Noises = Sequence[Tensor | None]  # one for each PixelNoise; None: as its mode says


class MappingNetwork(nn.Module):
    """z to w: its length does not matter, as it is normalised. Shapes: (N, nz) -> (N, nw).

    Args:
        nz: length of z.
        nw: length of w, and units of each layer.
        layers: dense layers, 1 or more.
    """

    def __init__(self, nz: int, nw: int, *, layers: int = 8) -> None:
        super().__init__()
        sizes = [nz, *[nw] * layers]
        dense = [
            nn.EqualLinear(a, b, gain=GAIN, lr_multiplier=MAPPING_RATE) for a, b in pairwise(sizes)
        ]
        parts = [part for layer in dense for part in (layer, nn.LeakyReLU(SLOPE))]
        self.main = nn.Sequential(nn.PixelNorm(), *parts)

    def forward(self, z: Tensor) -> Tensor:
        """Map latents."""
        w: Tensor = self.main(z)
        return w


class PixelNoise(nn.Module):
    """Add noise to each pixel, the same to all channels but for a learned scale, 0 at first.

        y_nchw = x_nchw + scale_c * noise_nhw

    Shapes: x (N, C, S, S) -> as x; noise (N or 1, 1, S, S); weight, the scales, (C,) or (1,).

    Args:
        scales: C, or 1 for one scale of all channels.
        side: S.

    Differentiable: any order. Source: arXiv:1812.04948, section 2.
    """

    def __init__(self, scales: int, side: int) -> None:
        super().__init__()
        streams = random.current()
        self.weight = nn.Parameter(streams.xp.zeros(scales, "float32"))
        self.noise = nn.Buffer(streams.stream("init").normal((1, 1, side, side)))

    def forward(self, x: Tensor, noise: Tensor | None = None) -> Tensor:
        """Add ``noise``; without one fresh noise in training mode, the buffer's in evaluation."""
        if noise is None and self.training:
            n, _, h, w = x.shape
            drawn = random.current().stream("pixel_noise").normal((n, 1, h, w), dtype=x.dtype)
            noise = Tensor(drawn)
        elif noise is None:
            noise = frozen(self.noise)
        y: Tensor = x + noise * self.weight.reshape(1, -1, 1, 1)
        return y


class StyleGenerator(nn.Module):
    """What both generators are but for the layers of ``synthesis``: mapping, truncation, mixing.

    Shapes: z (N, nz) -> (N, C, S, S), in [-1, 1] in evaluation mode.

    Args:
        nz: length of z.
        image_shape: (C, S, S), S = base * 2^K with base 4 to 7.
        nw: length of w.
        mapping_layers: dense layers from z to w.
        mixing: share of the images, in training, that take later styles from a second z; 0 to 1.
        nf: channels at S pixels; twice as many at half the side, and so on.
        nf_max: channels of a layer, at most.

    Raises:
        OptionError: the samples are not square images of such a side, ``mixing`` is no share, or
            ``mapping_layers`` is below 1.
    """

    per_sample = True  # see gan/judge.py

    def __init__(
        self,
        nz: int,
        image_shape: Shape,
        *,
        nw: int = 64,
        mapping_layers: int = 8,
        mixing: float = 0.9,
        nf: int = 16,
        nf_max: int = 64,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        if not 0.0 <= mixing <= 1.0 or mapping_layers < 1 or nw < 1:
            raise OptionError(
                f"{name}: mixing {mixing:g}, {mapping_layers} mapping layers, nw {nw}: a share "
                "from 0 to 1, 1 or more layers and 1 or more numbers fit"
            )
        self.base, self.last = stages(image_shape, name)
        self.widths = widths(self.last, nf, nf_max)
        self.nz, self.nw, self.mixing = nz, nw, mixing
        self.num_styles = 2 * (self.last + 1)
        self.mapping = MappingNetwork(nz, nw, layers=mapping_layers)
        self.w_avg = nn.Buffer(random.current().xp.zeros(nw, "float32"))
        self.build(image_shape[0])

    def build(self, channels: int) -> None:
        """Make the layers of synthesis, for images of so many channels."""
        raise NotImplementedError

    def synthesis(self, ws: Tensor, noises: Noises | None = None) -> Tensor:
        """Make images of a style for each layer.

        Shapes: ws (N, L, nw), L = num_styles -> (N, C, S, S); of ``noises`` (N or 1, 1, s, s) each,
        in the order of ``noise_layers``.
        """
        raise NotImplementedError

    def forward(self, z: Tensor, *, psi: float = 1.0) -> Tensor:
        """Make images; in training mode, move ``w_avg`` on and mix styles.

        Args:
            z: latents.
            psi: truncation in W; 1: none, 0: the mean image for all z.
        """
        image = self.synthesis(self.styles(z, psi=psi))
        return image if self.training else ops.clip(image, -1.0, 1.0)

    def styles(self, z: Tensor, *, psi: float = 1.0) -> Tensor:
        """Return the styles of latents, mixed in training mode. Shapes: (N, nz) -> (N, L, nw)."""
        w = self.mapping(z)
        if self.training:
            mean = w.data.mean(axis=0)
            moved = W_DECAY * self.w_avg.data + (1.0 - W_DECAY) * mean
            self.w_avg.assign_(moved.astype(self.w_avg.dtype))
        ws = self.repeat(self.truncate(w, psi))
        if self.training and self.mixing:
            stream = random.current().stream("mixing")
            other = self.mapping(Tensor(stream.normal(z.shape, dtype=z.dtype)))
            later = self.later_styles(z.shape[0], stream)
            ws = ops.where(later, self.repeat(self.truncate(other, psi)), ws)
        return ws

    def truncate(self, w: Tensor, psi: float) -> Tensor:
        """Pull w towards its mean. Shapes: (N, nw) -> (N, nw)."""
        if psi == 1.0:
            return w
        middle = frozen(self.w_avg)
        return middle + (w - middle) * psi

    def repeat(self, w: Tensor) -> Tensor:
        """Give all layers one style. Shapes: (N, nw) -> (N, L, nw)."""
        n = w.shape[0]
        return ops.broadcast_to(w.reshape(n, 1, self.nw), (n, self.num_styles, self.nw))

    def later_styles(self, n: int, stream: random.Stream) -> Array:
        """Draw which layers take the second style: from a crossover on, or none.

        Shapes: -> (n, L, 1), booleans.
        """
        levels = self.num_styles
        mixed = stream.bernoulli(n, self.mixing)
        crossover = stream.xp.where(mixed, stream.integers(n, 1, levels), levels)
        later: Array = stream.xp.arange(levels)[None, :, None] >= crossover[:, None, None]
        return later

    def affines(self) -> list[list[nn.EqualLinear]]:
        """Return the maps from w to a layer's own numbers: for each of L styles those it enters."""
        raise NotImplementedError

    def noise_layers(self) -> list[PixelNoise]:
        """Return the layers that add noise, in the order in which they run."""
        return [m for m in self.modules() if isinstance(m, PixelNoise)]

    def check(self, ws: Tensor, noises: Noises | None) -> Noises:
        """Return the noises, None for each layer where none are given.

        Raises:
            ShapeError: styles or noises are not those of the layers.
        """
        count = len(self.noise_layers())
        given: Noises = [None] * count if noises is None else noises
        if ws.ndim != 3 or ws.shape[1:] != (self.num_styles, self.nw) or len(given) != count:
            raise ShapeError(
                f"{type(self).__name__}: styles {ws.shape} and {len(given)} noises: "
                f"(N, {self.num_styles}, {self.nw}) and {count} fit"
            )
        return given


class StyleDiscriminator(nn.Module):
    """What both discriminators are but for the layers of a block.

    Shapes: x (N, C, S, S) -> (N,); N is below 4 or a multiple of it.

    Args:
        image_shape: (C, S, S), S = base * 2^K with base 4 to 7.
        nf: channels at S pixels; twice as many at half the side, and so on.
        nf_max: channels of a layer, at most.

    Raises:
        OptionError: the samples are not square images of such a side.
    """

    def __init__(self, image_shape: Shape, *, nf: int = 16, nf_max: int = 64) -> None:
        super().__init__()
        base, last = stages(image_shape, type(self).__name__.removesuffix("Discriminator"))
        sizes = widths(last, nf, nf_max)[::-1]
        layers = activated(nn.EqualConv2d(image_shape[0], sizes[0], 1, gain=GAIN))
        for a, b in pairwise(sizes):
            layers += self.block(a, b)
        self.main = nn.Sequential(*layers, judgement(sizes[-1], base))

    def block(self, in_channels: int, out_channels: int) -> list[nn.Module]:
        """Make the layers that halve the side."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """Judge images."""
        logit: Tensor = self.main(x)
        return logit.reshape(-1)


def repeated(start: Tensor, n: int) -> Tensor:
    """Return the learned constant n times. Shapes: start (C, b, b) -> (n, C, b, b)."""
    return ops.broadcast_to(start.reshape(1, *start.shape), (n, *start.shape))


def widths(last: int, nf: int, nf_max: int) -> list[int]:
    """Return the channels of blocks 0 to ``last``, whose side doubles: half as many each time."""
    return [min(nf * 2 ** (last - k), nf_max) for k in range(last + 1)]


def activated(conv: nn.Module) -> list[nn.Module]:
    """Return a layer and its LeakyReLU."""
    return [conv, nn.LeakyReLU(SLOPE)]


def judgement(width: int, base: int) -> nn.Sequential:
    """Return D's end: the spread of groups of 4, a convolution, two dense layers.

    Shapes: (N, width, base, base) -> (N, 1).
    """
    return nn.Sequential(
        nn.MinibatchStd(group_size=4),
        *activated(nn.EqualConv2d(width + 1, width, 3, padding=1, gain=GAIN)),
        nn.Flatten(),
        *activated(nn.EqualLinear(width * base**2, width, gain=GAIN)),
        nn.EqualLinear(width, 1),
    )


def zeros(n: int) -> nn.Parameter:
    """Return a parameter of n zeros, such as a bias."""
    return nn.Parameter(random.current().xp.zeros(n, "float32"))
