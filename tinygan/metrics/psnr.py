"""PSNR and SSIM of image pairs, as super-resolution reports them.

    PSNR = 10 log10(peak^2 / mean (x - y)^2)   in dB
    SSIM = mean(l cs), of ``ms_ssim`` at its finest scale

Protocol. Images in [-1, 1] are rounded to 8 bits first, as the files that are compared elsewhere
are. ``border`` pixels are cut off on each side: networks see zeros beyond the border, and papers on
x4 cut 4 (arXiv:1609.04802, section 3.1). ``luma`` takes channel Y alone, which most papers report:

    Y = 16 + 65.481 R + 128.553 G + 24.966 B      R, G, B in [0, 1], ITU-R BT.601, not rounded

and its peak is still 255, though Y spans 16 to 235: so Y's figure is some 1.3 dB above RGB's for
grey errors, and numbers of the two don't compare. SSIM's constants are those of ``ms_ssim`` for the
range 255. Wang et al., *Image quality assessment* (IEEE TIP 13(4), 2004), for SSIM.
"""

from __future__ import annotations

import numpy as np

from ..errors import ShapeError
from ..kernels.arrays import Array
from .checks import check_count, check_images
from .ms_ssim import mean_similarity

_LUMA = np.array((65.481, 128.553, 24.966)) / 255.0  # of values in [0, 1]
_BLACK = 16.0 / 255.0


def psnr(x: Array, y: Array, *, border: int = 0, luma: bool = False) -> Array:
    """Compute the peak signal-to-noise ratio of each image of x with the same one of y.

    Shapes: x and y (N, C, H, W) in [-1, 1] -> (N,) float64, in dB; infinite for equal images.

    Args:
        x: images.
        y: what they should be.
        border: pixels to leave out on each side, 0 or more.
        luma: compare channel Y; of grey images the grey itself.

    Raises:
        ShapeError: the shapes differ, or nothing is left within the border.
        OptionError: a value is not finite or lies outside [-1, 1], or the border is below 0.
    """
    a, b = _comparable("psnr", x, y, border, luma)
    with np.errstate(divide="ignore"):
        decibels: Array = -10.0 * np.log10(np.square(a - b).mean(axis=(1, 2, 3)))
    return decibels


def ssim(x: Array, y: Array, *, border: int = 0, luma: bool = False) -> Array:
    """Compute the structural similarity of each image of x with the same one of y.

    Shapes: x and y (N, C, H, W) in [-1, 1] -> (N,) float64, 1 for equal images.

    Args:
        x: images.
        y: what they should be.
        border: pixels to leave out on each side, 0 or more.
        luma: compare channel Y; of grey images the grey itself.

    Raises:
        ShapeError: the shapes differ, or fewer than 11 pixels a side are left within the border.
        OptionError: a value is not finite or lies outside [-1, 1], or the border is below 0.
    """
    return mean_similarity(*_comparable("ssim", x, y, border, luma))


def _comparable(metric: str, x: Array, y: Array, border: int, luma: bool) -> tuple[Array, Array]:
    """Return what is compared, in [0, 1] and float64."""
    x, y = check_images(f"{metric}: x", x), check_images(f"{metric}: y", y)
    if x.shape != y.shape:
        raise ShapeError(f"{metric}: x {x.shape} and y {y.shape} differ")
    check_count(metric, "border", border, 0)
    height, width = x.shape[2:]
    if min(height, width) <= 2 * border:
        raise ShapeError(f"{metric}: border {border} leaves nothing of {height} x {width} pixels")
    within = (..., slice(border, height - border), slice(border, width - border))
    return _light(x[within], luma), _light(y[within], luma)


def _light(x: Array, luma: bool) -> Array:
    light: Array = np.rint(np.clip((x.astype(np.float64) + 1.0) * 127.5, 0.0, 255.0)) / 255.0
    if luma and x.shape[1] == 3:
        light = np.einsum("nchw,c->nhw", light, _LUMA)[:, None] + _BLACK
    return light
