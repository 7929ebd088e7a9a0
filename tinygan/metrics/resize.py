"""The three resizers of published FID numbers, and how each protocol brings images to Inception.

All are separable and linear. Output pixel i of n_out lies at s(i) in an image of n_in pixels:

    bilinear      s = (i + 1/2) n_in / n_out - 1/2, two taps: PyTorch's ``interpolate``
    bilinear_tf1  s = i n_in / n_out, two taps: TensorFlow 1's ResizeBilinear; shifts the image
    bicubic       s as bilinear, Keys' cubic (a = -1/2) as wide as an output pixel: Pillow's

Shapes: (N, C, H, W) float32 of any range -> (N, C, P, Q) float32.

The same pictures resized by two of them differ in FID by far more than two good models do
(Parmar et al., *On aliased resizing and surprising subtleties in GAN evaluation*,
arXiv:2104.11222), so a number carries its protocol:

    pytorch-fid          bytes / 255, bilinear, 2x - 1
    torch-fidelity       bytes, bilinear_tf1, (x - 128) / 128
    legacy-tensorflow    the same: torch-fidelity rebuilt the first FID's graph
    clean                bytes, bicubic, clipped to 0..255, (x - 128) / 128

Images of [-1, 1] are rounded to bytes first, since published numbers are of 8-bit files; grey is
repeated three times.

*Deviation*: sums are ours, and agree with the originals' to 1e-5 on [0, 1], not to the bit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .. import kernels
from ..errors import OptionError, ShapeError
from ..kernels.arrays import Array
from ..kernels.resize2d import ResizeSpec
from ..kernels.resize2d.weights import Taps

Size = int | tuple[int, int]


@dataclass(frozen=True)
class _TwoTaps(ResizeSpec):
    """Bilinear by two taps, positions counted in float32 as both originals count them.

    At a few hundred pixels float32 positions are off by 1e-5, which is then part of the original.

    Attributes:
        shift: 0.5 where pixels are centred, 0 where their corners are meant.
    """

    shift: float = 0.5

    def taps(self, axis: int) -> Taps:
        """Return the weights along the height (``axis`` 0) or the width (``axis`` 1)."""
        size, out = self.size[axis], self.out[axis]
        scale, shift = np.float32(size) / np.float32(out), np.float32(self.shift)
        at = np.maximum((np.arange(out, dtype=np.float32) + shift) * scale - shift, np.float32(0))
        below = np.minimum(at.astype(np.int64), size - 1)
        pixel = np.stack([below, np.minimum(below + 1, size - 1)], axis=1)
        part = (at - below.astype(np.float32)).astype(np.float64)
        weight = np.stack([1.0 - part, part], axis=1)
        return Taps(np.arange(out + 1) * 2, pixel.ravel(), weight.ravel())


def _sizes(op: str, x: Array, size: Size) -> tuple[tuple[int, int], tuple[int, int]]:
    """Check images and size; return (H, W) and (P, Q)."""
    if x.ndim != 4 or 0 in x.shape or x.dtype != np.float32:
        raise ShapeError(f"{op}: images {x.shape} {x.dtype}: (N, C, H, W) float32 fits")
    out = (size, size) if isinstance(size, int) else size
    if min(out) < 1:
        raise OptionError(f"{op}: size {size}: at least 1 pixel fits")
    return (x.shape[2], x.shape[3]), out


def _run(x: Array, spec: ResizeSpec) -> Array:
    y: Array = kernels.call("resize2d", x, spec=spec)
    return y


def bilinear(x: Array, size: Size) -> Array:
    """Resize as PyTorch's ``interpolate(mode="bilinear", align_corners=False)``.

    Shapes: x (N, C, H, W) float32 -> (N, C, P, Q), (P, Q) = ``size``.

    Raises:
        ShapeError: x is no such batch.
        OptionError: size is below 1.
    """
    return _run(x, _TwoTaps(*_sizes("bilinear", x, size)))


def bilinear_tf1(x: Array, size: Size) -> Array:
    """Resize as TensorFlow 1's ResizeBilinear with ``align_corners=False``.

    Shapes: x (N, C, H, W) float32 -> (N, C, P, Q), (P, Q) = ``size``.

    Raises:
        ShapeError: x is no such batch.
        OptionError: size is below 1.
    """
    return _run(x, _TwoTaps(*_sizes("bilinear_tf1", x, size), shift=0.0))


def bicubic(x: Array, size: Size) -> Array:
    """Resize as Pillow's ``resize(..., BICUBIC)`` of each channel in mode F.

    Values may leave the range of x, by up to a fifth of it at edges.

    Shapes: x (N, C, H, W) float32 -> (N, C, P, Q), (P, Q) = ``size``.

    Raises:
        ShapeError: x is no such batch.
        OptionError: size is below 1.
    """
    return _run(x, ResizeSpec(*_sizes("bicubic", x, size), "bicubic", antialias=True))


def to_bytes(images: Array) -> Array:
    """Round images of [-1, 1] to the 256 values of a byte; those beyond are clipped.

    Shapes: (N, C, H, W) float -> the same, uint8.
    """
    return np.rint((images + 1.0) * 127.5).clip(0, 255).astype(np.uint8)


def _pytorch_fid(x: Array, size: int) -> Array:
    y: Array = 2.0 * bilinear(x / np.float32(255), size) - 1.0
    return y


def _around_128(x: Array) -> Array:
    y: Array = (x - 128.0) / 128.0
    return y


def _torch_fidelity(x: Array, size: int) -> Array:
    return _around_128(bilinear_tf1(x, size))


def _clean(x: Array, size: int) -> Array:
    return _around_128(bicubic(x, size).clip(0.0, 255.0))


@dataclass(frozen=True)
class Protocol:
    """How bytes become what a net takes.

    Attributes:
        words: for the protocol card.
        prepare: (N, C, H, W) float32 of 0..255 and a side in pixels, to (N, C, side, side).
    """

    words: str
    prepare: Callable[[Array, int], Array]


PROTOCOLS = {
    "pytorch-fid": Protocol("bilinear, half-pixel, no antialias; 2x - 1", _pytorch_fid),
    "torch-fidelity": Protocol("bilinear of TensorFlow 1; (x - 128) / 128", _torch_fidelity),
    "legacy-tensorflow": Protocol("bilinear of TensorFlow 1; (x - 128) / 128", _torch_fidelity),
    "clean": Protocol("bicubic, antialiased, in float; (x - 128) / 128", _clean),
}


def protocol_named(name: str) -> Protocol:
    """Return a protocol of ``PROTOCOLS``.

    Raises:
        OptionError: there is none of that name.
    """
    if name not in PROTOCOLS:
        raise OptionError(f"no protocol {name!r}: {', '.join(PROTOCOLS)} fit")
    return PROTOCOLS[name]


def prepare(images: Array, size: int, *, protocol: str) -> Array:
    """Bring images to a net as a protocol does it.

    Shapes: (N, 1 or 3, H, W) in [-1, 1] -> (N, 3, size, size) in about [-1, 1], float32.

    Raises:
        ShapeError: the images are no such batch.
        OptionError: no such protocol.
    """
    if images.ndim != 4 or images.shape[1] not in (1, 3):
        raise ShapeError(f"images {images.shape}: (N, 1 or 3, H, W) fits")
    x = protocol_named(protocol).prepare(to_bytes(images).astype(np.float32), size)
    return np.repeat(x, 3, axis=1) if x.shape[1] == 1 else x
