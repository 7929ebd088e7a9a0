"""Kernel distances: KID, and the two-sample test by maximum mean discrepancy.

    MMD^2 = E k(x, x') + E k(y, y') - 2 E k(x, y),     x, x' real, y, y' fake

The unbiased estimate leaves out the pairs of a row with itself and may be negative; the biased one
keeps them and is at least 0. Gretton et al., JMLR 13 (2012), lemma 6.

KID, Binkowski et al., arXiv:1801.01401, section 4: the unbiased estimate with the kernel
(x.y / d + 1)^3, mean and standard deviation over 100 random subsets of 1,000 rows of each set,
drawn without replacement. Unlike FID it has no bias that depends on the sample count.

Protocol: as torch-fidelity (standard deviation of the subsets, ddof 0; sets smaller than the
subset are refused), but in float64, and with tinygan's own random numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import OptionError
from ..kernels.arrays import Array
from ..random import Stream
from .checks import check_pair
from .neighbours import BLOCK_BYTES, Pairs, diagonal

_MEDIAN_ROWS = 1000  # of both sets together: the median of 500,000 pairs is good to a percent
MULTIPLES = (0.25, 0.5, 1.0, 2.0, 4.0)


@dataclass(frozen=True)
class KernelDistance:
    """KID where the features are Inception's.

    Attributes:
        mean: over the subsets; may be negative.
        std: over the subsets.
        subsets: how many.
        subset_size: rows of each set in a subset.
    """

    mean: float
    std: float
    subsets: int
    subset_size: int


def polynomial_mmd(
    real: Array, fake: Array, *, degree: int = 3, gamma: float | None = None, coef: float = 1.0
) -> float:
    """Estimate MMD^2 without bias, with the kernel (gamma x.y + coef)^degree.

    Shapes: real (N, d), fake (M, d), two rows or more; matrices of N^2, M^2 and N M are made.

    Args:
        real: features of real images.
        fake: of generated ones.
        degree: of the polynomial.
        gamma: 1/d if None.
        coef: the constant.

    Raises:
        ShapeError: the sets are no such matrices, or their dimensions differ.
        OptionError: a value is not finite.
    """
    x, y = (a.astype(np.float64) for a in check_pair("polynomial_mmd", real, fake, least=2))
    scale = 1.0 / x.shape[1] if gamma is None else gamma

    def kernel(a: Array, b: Array) -> Array:
        values: Array = (scale * (a @ b.T) + coef) ** degree
        return values

    def others(a: Array) -> float:
        values = kernel(a, a)
        return float(values.sum() - values.trace()) / (len(a) * (len(a) - 1))

    return others(x) + others(y) - 2.0 * float(kernel(x, y).mean())


def kernel_distance(
    real: Array, fake: Array, *, subsets: int = 100, subset_size: int = 1000, seed: int = 0
) -> KernelDistance:
    """Compute the kernel distance over random subsets; KID where the features are Inception's.

    Shapes: real (N, d), fake (M, d).

    Args:
        real: features of real images.
        fake: of generated ones.
        subsets: how many, 1 or more.
        subset_size: rows of each set in a subset, 2 to the smaller of N and M.
        seed: of the subsets.

    Raises:
        ShapeError: the sets are no such matrices, or their dimensions differ.
        OptionError: subsets or subset_size do not fit, or a value is not finite.
    """
    real, fake = check_pair("kernel_distance", real, fake, least=2)
    most = min(len(real), len(fake))
    if subsets < 1 or not 2 <= subset_size <= most:
        raise OptionError(
            f"subsets={subsets}, subset_size={subset_size} of {len(real)} real and {len(fake)} "
            f"fake features: use 1 or more, and 2 to {most}"
        )
    streams = [Stream(seed, f"kernel_distance {side}") for side in ("real", "fake")]
    values = []
    for _ in range(subsets):
        x, y = (
            a[stream.permutation(len(a))[:subset_size]]
            for a, stream in zip((real, fake), streams, strict=True)
        )
        values.append(polynomial_mmd(x, y))
    return KernelDistance(float(np.mean(values)), float(np.std(values)), subsets, subset_size)


@dataclass(frozen=True, eq=False)
class MMD:
    """Maximum mean discrepancy of two sets, with a test of whether they have one distribution.

    Attributes:
        value: the estimate of MMD^2.
        p_value: of the permutation test; 1 where there were no permutations.
        bandwidths: of the kernels in the mixture.
        permutations: how many the test made.
    """

    value: float
    p_value: float
    bandwidths: tuple[float, ...]
    permutations: int


def mmd(
    real: Array,
    fake: Array,
    *,
    bandwidths: Sequence[float] | None = None,
    unbiased: bool = True,
    permutations: int = 0,
    seed: int = 0,
) -> MMD:
    """Estimate MMD^2 with a mixture of Gaussian kernels, and test whether it is more than noise.

    The kernel is the mean of exp(-||x - y||^2 / (2 s^2)) over the bandwidths s. The test gives the
    rows to the two sides at random: its p-value is (1 + values as large as the one found) over
    (1 + permutations), exact at any sample size. The kernel matrix comes a block at a time.

    Shapes: real (N, d), fake (M, d), two rows or more.

    Args:
        real: features of real images, or any vectors.
        fake: of generated ones.
        bandwidths: each above 0; by default 1/4, 1/2, 1, 2 and 4 times the median distance of
            pairs (of 1,000 rows at most).
        unbiased: leave out the pairs of a row with itself.
        permutations: of the test, 0 for none.
        seed: of the permutations, and of the rows for the median.

    Raises:
        ShapeError: the sets are no such matrices, or their dimensions differ.
        OptionError: a bandwidth or permutations does not fit, or a value is not finite.
    """
    real, fake = check_pair("mmd", real, fake, least=2)
    both = np.concatenate([real, fake])
    widths = _median_bandwidths(both, seed) if bandwidths is None else tuple(bandwidths)
    if not widths or min(widths) <= 0 or permutations < 0:
        raise OptionError(
            f"bandwidths={widths}, permutations={permutations}: use bandwidths above 0 (a median "
            "distance of 0 gives none) and permutations of 0 or more"
        )
    sides = np.zeros((len(both), 1 + permutations))  # a column each: 1 where a row counts as real
    sides[: len(real)] = 1.0
    stream = Stream(seed, "mmd permutations")
    for column in range(1, 1 + permutations):
        sides[:, column] = sides[stream.permutation(len(both)), 0]
    values = _mmd_of_sides(both, sides, widths, unbiased)
    # a permutation that gives the same two sets is as large, whatever the rounding
    as_large = int((values[1:] >= values[0] - 1e-12).sum())
    p_value = (1 + as_large) / (1 + permutations)
    return MMD(float(values[0]), p_value, widths, permutations)


def _median_bandwidths(rows: Array, seed: int) -> tuple[float, ...]:
    chosen = rows[Stream(seed, "mmd median").permutation(len(rows))[:_MEDIAN_ROWS]]
    pairs = Pairs(chosen, chosen)
    matrix = np.concatenate(
        [np.hstack([d for _, d in pairs.columns(block)]) for block in pairs.row_blocks()]
    )
    median = float(np.median(np.sqrt(matrix[np.triu_indices(len(matrix), 1)])))
    if median <= 1e-12 * float(np.abs(rows).max()):  # rows are equal but for centring's rounding
        median = 0.0
    return tuple(multiple * median for multiple in MULTIPLES)


def _mmd_of_sides(rows: Array, sides: Array, widths: Sequence[float], unbiased: bool) -> Array:
    """Return MMD^2 of each way to split the rows. Shapes: (N, d), (N, S) of 0 and 1 -> (S,)."""
    pairs = Pairs(rows, rows, BLOCK_BYTES)
    real_real, real_all = np.zeros(sides.shape[1]), np.zeros(sides.shape[1])
    everything = 0.0
    for block in pairs.row_blocks():
        for cols, squared in pairs.columns(block):
            kernel = np.zeros_like(squared)
            for s in widths:
                kernel += np.exp(squared / (-2.0 * s * s)) / len(widths)
            kernel[diagonal(block, cols)] = 0.0
            real_real += (sides[block] * (kernel @ sides[cols])).sum(axis=0)
            real_all += kernel.sum(axis=1) @ sides[block]
            everything += float(kernel.sum())
    n = float(sides[:, 0].sum())
    m = len(rows) - n
    cross = real_all - real_real
    fake_fake = everything - real_all - cross
    if unbiased:
        within = real_real / (n * (n - 1)) + fake_fake / (m * (m - 1))
    else:  # the kernel of a row with itself is 1
        within = (real_real + n) / n**2 + (fake_fake + m) / m**2
    values: Array = within - 2.0 * cross / (n * m)
    return values
