"""Precision, recall, density and coverage: does the fake set lie in the real one, and fill it?

With the ball B_k(s) around each member s of a set, out to its k-th nearest neighbour in that set:

    precision = share of fakes in some real's ball
    recall    = share of reals in some fake's ball
    density   = mean number of reals' balls that a fake is in, over k
    coverage  = share of reals' balls with a fake in them

Precision and recall: Kynkaanniemi et al., arXiv:1904.06991, equation 1, k = 3. Density and
coverage, which one outlier's wide ball doesn't spoil: Naeem et al., arXiv:2002.09797, section 3.2,
k = 5; of a fake set of the same distribution, density is 1 and coverage 1 - 2^-k on average.

Protocol: a fake exactly on a ball's surface is inside for precision and recall (the paper,
torch-fidelity, StyleGAN), and outside for density and coverage (the ``prdc`` package, which does so
for all four). It matters only where sets share images. All pairs pass through memory in blocks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import OptionError
from ..kernels.arrays import Array
from .checks import check_pair
from .neighbours import BLOCK_BYTES, Pairs, nearest


@dataclass(frozen=True)
class PRDC:
    """The four numbers, and what they were computed with.

    Attributes:
        precision: 0 to 1.
        recall: 0 to 1.
        density: 0 or more; above 1 where fakes crowd where reals are dense.
        coverage: 0 to 1.
        k: neighbours of precision and recall.
        k_density: neighbours of density and coverage.
    """

    precision: float
    recall: float
    density: float
    coverage: float
    k: int
    k_density: int


def prdc(
    real: Array,
    fake: Array,
    *,
    k: int = 3,
    k_density: int = 5,
    block_bytes: int = BLOCK_BYTES,
) -> PRDC:
    """Compute precision, recall, density and coverage.

    Shapes: real (N, d), fake (M, d).

    Args:
        real: features of real images.
        fake: features of generated ones.
        k: neighbours of precision and recall, less than N and M.
        k_density: neighbours of density and coverage, less than N.
        block_bytes: memory to use beside the sets, in bytes.

    Raises:
        ShapeError: the sets are no such matrices, or their dimensions differ.
        OptionError: k or k_density does not fit, or a value is not finite.
    """
    real, fake = check_pair("prdc", real, fake)
    most = min(len(real), len(fake)) - 1
    if not (1 <= k <= most and 1 <= k_density < len(real)):
        raise OptionError(
            f"k={k}, k_density={k_density} of {len(real)} real and {len(fake)} fake features: "
            f"use k of 1 to {most}, k_density of 1 to {len(real) - 1}"
        )
    balls = nearest(real, real, max(k, k_density), exclude_self=True, block_bytes=block_bytes)
    wide, dense = balls.distances[:, k - 1, None], balls.distances[:, k_density - 1, None]
    balls = nearest(fake, fake, k, exclude_self=True, block_bytes=block_bytes)
    of_fakes = balls.distances[None, :, k - 1]

    precise, recalled = np.zeros(len(fake), bool), np.zeros(len(real), bool)
    covered, balls_over_fakes = np.zeros(len(real), bool), 0
    pairs = Pairs(real, fake, block_bytes)
    for rows in pairs.row_blocks():
        for cols, distances in pairs.columns(rows):
            block = (rows, cols, distances)
            precise[cols] |= pairs.within(*block, wide[rows], inclusive=True).any(axis=0)
            recalled[rows] |= pairs.within(*block, of_fakes[:, cols], inclusive=True).any(axis=1)
            inside = pairs.within(*block, dense[rows], inclusive=False)
            covered[rows] |= inside.any(axis=1)
            balls_over_fakes += int(inside.sum())
    return PRDC(
        precision=float(precise.mean()),
        recall=float(recalled.mean()),
        density=balls_over_fakes / (k_density * len(fake)),
        coverage=float(covered.mean()),
        k=k,
        k_density=k_density,
    )
