"""MS-SSIM: similarity of two images over scales, and the diversity of a set that it measures.

With Gaussian-weighted means mu, variances s^2 and covariance s_xy around each pixel,

    l  = (2 mu_x mu_y + C1) / (mu_x^2 + mu_y^2 + C1),      C1 = 0.01^2      luminance
    cs = (2 s_xy + C2) / (s_x^2 + s_y^2 + C2),             C2 = 0.03^2      contrast, structure

    MS-SSIM = mean(l cs)_M^w_M  prod over scales j < M of mean(cs)_j^w_j

where a scale is the one before averaged over 2 x 2 pixels. Wang, Simoncelli & Bovik 2003 (Asilomar
37), section 3; the window is 11 x 11, sigma 1.5, within the image; w is (.0448 .2856 .3001 .2363
.1333).

Protocol. Values in [-1, 1] are moved to [0, 1] first: l was made for light, which is not negative,
and has another value in [-1, 1] even with its constants scaled by the range. Means are taken
channel by channel, and the channels' MS-SSIM averaged. The mean of cs may be negative, of which no
power can be taken: it counts as 0, as in most published code. Scales: as many of the five as keep
the smaller side / 2^(M-1) at 11 pixels (the rule of Wang's own code), so 5 from 176 pixels on, 4 at
128, 3 at 64, 2 at 32, 1 at 11 to 21; the weights of those are divided by their sum. Numbers of
different M don't compare, so M stands in every result. An odd side is averaged with its last row
repeated.

Diversity, arXiv:1610.09585 (AC-GAN), section 4.2: the mean MS-SSIM of random pairs of different
images, of one class where there are labels: high means alike. A pair is never an image with itself;
the 1/N^2 sum over all i, j that is found in some texts adds 1/N for no reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from .. import ops
from ..autograd import Tensor, no_grad
from ..errors import ShapeError
from ..kernels.arrays import Array
from ..random import Stream
from .checks import blocks, check_count, check_images

WINDOW, SIGMA = 11, 1.5
WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
C1, C2 = 0.01**2, 0.03**2  # of values in [0, 1]


def scales_of(height: int, width: int) -> int:
    """Return how many scales an image of that size allows, 1 to 5.

    Raises:
        ShapeError: a side is below 11 pixels, so that not even one window fits.
    """
    if min(height, width) < WINDOW:
        raise ShapeError(f"ms_ssim: images of {height} x {width} pixels: {WINDOW} a side fit")
    return sum(min(height, width) >= WINDOW << j for j in range(len(WEIGHTS)))


def ms_ssim(x: Array, y: Array) -> Array:
    """Compute the MS-SSIM of each image of x with the same one of y.

    Shapes: x and y (N, C, H, W) in [-1, 1] -> (N,) float64, 0 to 1.

    Raises:
        ShapeError: the shapes differ, or a side is below 11 pixels.
        OptionError: a value is not finite or lies outside [-1, 1].
    """
    x, y = check_images("ms_ssim: x", x), check_images("ms_ssim: y", y)
    if x.shape != y.shape:
        raise ShapeError(f"ms_ssim: x {x.shape} and y {y.shape} differ")
    scales = scales_of(*x.shape[2:])
    out = np.empty(len(x))
    for part in blocks(len(x), 16 * 8 * x[0].size):  # some 16 float64 arrays of that size
        out[part] = _similarity(x[part], y[part], scales)
    return out


def mean_similarity(a: Array, b: Array) -> Array:
    """Compute mean(l cs) of light, the SSIM of each pair, at one scale.

    Shapes: a and b (N, C, H, W) in [0, 1], float64 -> (N,).

    Raises:
        ShapeError: a side is below 11 pixels.
    """
    scales_of(*a.shape[2:])
    out = np.empty(len(a))
    with no_grad():
        for part in blocks(len(a), 16 * a[0].nbytes):
            luminance, structure = _terms(Tensor(a[part]), Tensor(b[part]))
            out[part] = (luminance * structure).mean(axis=(1, 2, 3))
    return out


def _similarity(x: Array, y: Array, scales: int) -> Array:
    weights = np.array(WEIGHTS[:scales]) / sum(WEIGHTS[:scales])
    product = np.ones(x.shape[:2])  # (N, C)
    with no_grad():
        a, b = (Tensor((images.astype(np.float64) + 1.0) / 2.0) for images in (x, y))
        for j, weight in enumerate(weights):
            luminance, structure = _terms(a, b)
            term = structure if j < scales - 1 else luminance * structure
            product *= np.maximum(term.mean(axis=(2, 3)), 0.0) ** weight
            if j < scales - 1:
                a, b = _halve(a), _halve(b)
    mean: Array = product.mean(axis=1)
    return mean


def _terms(a: Tensor, b: Tensor) -> tuple[Array, Array]:
    """Return the maps l and cs. Shapes: a and b (N, C, H, W) -> (N, C, H - 10, W - 10), twice."""
    at = np.arange(WINDOW) - WINDOW // 2
    taps = np.exp(-(at**2) / (2.0 * SIGMA**2))
    window = Tensor(taps / taps.sum())
    mu_a, mu_b, aa, bb, ab = (ops.upfirdn2d(t, window).numpy() for t in (a, b, a * a, b * b, a * b))
    products = mu_a * mu_b
    squares = mu_a**2 + mu_b**2
    luminance = (2.0 * products + C1) / (squares + C1)
    structure = (2.0 * (ab - products) + C2) / (aa + bb - squares + C2)
    return luminance, structure


def _halve(x: Tensor) -> Tensor:
    height, width = x.shape[2:]
    return ops.avg_pool2d(ops.replication_pad2d(x, (0, width % 2, 0, height % 2)), 2)


@dataclass(frozen=True, eq=False)
class MsSsim:
    """The diversity of a set of images: 0 is all different, 1 all the same.

    Attributes:
        value: mean MS-SSIM over pairs; with labels, the mean of the classes' means.
        scales: of the five, how many the images' size allows; part of the number's name.
        pairs: image pairs that were compared.
        by_class: mean of each class with two or more images; empty without labels.
    """

    value: float
    scales: int
    pairs: int
    by_class: Mapping[int, float] = field(default_factory=dict)


def ms_ssim_diversity(
    images: Array, *, labels: Array | None = None, pairs: int = 100, seed: int = 0
) -> MsSsim:
    """Compute the mean MS-SSIM of pairs of different images.

    Shapes: images (N, C, H, W) in [-1, 1], labels (N,) integers.

    Args:
        images: at least two; with labels, two of some class.
        labels: pair images within their class alone.
        pairs: random pairs, of each class; where there are no more pairs than that, each is
            taken once.
        seed: of the pairs.

    Raises:
        ShapeError: there are too few images, labels of another shape, or sides below 11 pixels.
        OptionError: a value is not finite or lies outside [-1, 1], or pairs is below 1.
    """
    images = check_images("ms_ssim_diversity: images", images, least=2)
    check_count("ms_ssim_diversity", "pairs", pairs)
    stream = Stream(seed, "ms_ssim/pairs")
    if labels is None:
        first, second = _draw_pairs(len(images), pairs, stream)
        value = _mean_similarity(images, first, second)
        return MsSsim(value, scales_of(*images.shape[2:]), len(first))
    labels = np.asarray(labels)
    if labels.shape != (len(images),):
        raise ShapeError(f"ms_ssim_diversity: labels {labels.shape}: ({len(images)},) fits")
    by_class, compared = {}, 0
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        if len(rows) > 1:
            first, second = _draw_pairs(len(rows), pairs, stream)
            by_class[int(label)] = _mean_similarity(images, rows[first], rows[second])
            compared += len(first)
    if not by_class:
        raise ShapeError("ms_ssim_diversity: no class has two images; two of some class fit")
    mean = float(np.mean(list(by_class.values())))
    return MsSsim(mean, scales_of(*images.shape[2:]), compared, by_class)


def _draw_pairs(n: int, pairs: int, stream: Stream) -> tuple[Array, Array]:
    """Draw i != j, both below n; all n (n - 1) / 2 pairs, once, where no more are asked for."""
    if n * (n - 1) // 2 <= pairs:
        first, second = np.triu_indices(n, 1)
        return first, second
    first = stream.integers(pairs, 0, n)
    return first, (first + stream.integers(pairs, 1, n)) % n


def _mean_similarity(images: Array, first: Array, second: Array) -> float:
    total = 0.0
    for part in blocks(len(first), 2 * images[0].nbytes):
        total += float(ms_ssim(images[first[part]], images[second[part]]).sum())
    return total / len(first)
